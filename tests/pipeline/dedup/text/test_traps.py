"""Texts that are much alike and no copies, and copies that do not look alike: similarity by default settings."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pipeline.dedup.settings import MinHashSettings
from tests.pipeline.dedup.text.pairs import compared, similarity
from tests.pipeline.dedup.text.reference import standing_words

THRESHOLD = MinHashSettings().threshold

_FIRST = (
    "amber",
    "brisk",
    "copper",
    "dusty",
    "early",
    "fallow",
    "gentle",
    "hollow",
    "ivory",
    "jagged",
    "keen",
    "linen",
)
_SECOND = (
    "river",
    "lantern",
    "meadow",
    "cabin",
    "harbour",
    "orchard",
    "kettle",
    "market",
    "saddle",
    "tunnel",
    "violin",
)


def prose(seed: int, length: int) -> str:
    """Made-up words in sentences; two seeds share nothing but chance."""
    generator = random.Random(seed)
    words = [f"{generator.choice(_FIRST)}{generator.choice('aeiou')}{generator.choice(_SECOND)}" for _ in range(length)]
    return " ".join(f"{word}." if number % 11 == 10 else word for number, word in enumerate(words))


TEMPLATES = {
    "product": (
        "{a} {b} {n}\nHome > Shop > {b}\nOnly {n} left in stock. The {a} {b} is made of {c} and weighs {m} g. It comes "
        "in {d}, {e} and {f}, with a guarantee of {k} years. Price: {m}.{n} EUR including tax. Add to basket. "
        "Customers who bought the {a} {b} also looked at the {g} {h} and the {c} {d}. Delivery within {k} days."
    ),
    "sign-up": (
        "Welcome to the {a} forum!\nYou must register before you can post in {b} and {c}. Members: {m}. Newest member: "
        "{d}{n}. Most users ever online was {k} on {n} {e}. To start reading, choose the board that you want to visit: "
        "{f}, {g}, {h} or {a}. The rules of {b} were last changed by {c}{k}."
    ),
    "weather": (
        "Weather in {a}\nToday {n} degrees, {b}, wind {k} km/h from {c}. Tomorrow {m} degrees and {d} in the morning, "
        "{e} in the evening. Sunrise {k}:{n}, sunset {n}:{k}. Rain {m} mm. Humidity {n} %. The outlook for {f} and "
        "{g}: {h} at {m} degrees."
    ),
    "recipe": (
        "{a} with {b}\nServes {k}. Takes {n} minutes. Ingredients: {n} g of {b}, {m} g of {c}, {k} spoons of {d}, a "
        "pinch of {e}. Heat the {c}, add the {b} and stir for {n} minutes. Mix in the {d}, then the {e}, and let it "
        "rest for {m} minutes. Serve with {f} and {g}. Tip: instead of {d}, {h} will do as well."
    ),
    "job": (
        "{a} wanted in {b} ({k} h a week)\n{c} {d} Ltd is looking for a {a} with {n} years of {e}. We offer {m} EUR a "
        "month, {n} days of holiday and a company {f}. You know {g} and {h}, and speak {b} well. Write to {c}@"
        "{d}.example by {k} {e}. Reference {m}-{n}."
    ),
}  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_pages_of_one_template_with_other_slots(template: str) -> None:
    generator = random.Random(5)
    texts = []
    for _ in range(40):
        names = {letter: f"{generator.choice(_FIRST)} {generator.choice(_SECOND)}" for letter in "abcdefgh"}
        texts.append(
            template.format(
                **names, k=generator.randint(2, 9), n=generator.randint(10, 60), m=generator.randint(100, 900)
            )
        )
    assert max(compared(texts).values()) < THRESHOLD


@pytest.mark.parametrize("times", [1, 2, 4, 7])
@pytest.mark.parametrize("is_first", [False, True])
def test_texts_that_share_a_notice_longer_than_themselves(times: int, is_first: bool) -> None:
    """Of texts that share a notice `times` as long as each, `times / (times + 2)` is alike: 0.8 from eight times."""
    notice = prose(0, 60 * times)
    texts = [f"{notice}\n{prose(seed, 60)}" if is_first else f"{prose(seed, 60)}\n{notice}" for seed in range(1, 12)]
    found = compared(texts)
    assert max(found.values()) < THRESHOLD
    assert max(found.values()) == pytest.approx(times / (times + 2), abs=0.05)


@pytest.mark.parametrize("share", [2, 5, 20, 100])
def test_a_quotation_of_a_short_page_in_a_long_one(share: int) -> None:
    page = prose(1, 40)
    long = f"{prose(2, 20 * share)}\n“{page}”\n{prose(3, 20 * share)}"
    assert similarity(long, page) == similarity(page, long) < THRESHOLD
    assert similarity(long, page, "containment") > THRESHOLD, "but the long page holds the short one"
    assert similarity(page, long, "containment") < THRESHOLD


def test_the_ends_of_a_chain_are_not_alike() -> None:
    """A is like B and B like C, each at 0.85 and more; A and C are not."""
    words = prose(1, 300).split()
    chain = [" ".join(words[start : start + 200]) for start in range(0, 100, 12)]
    found = compared(chain)
    assert all(found[number, number + 1] >= 0.85 for number in range(len(chain) - 1))
    assert all(value < THRESHOLD for (a, b), value in found.items() if b - a >= 2)


@pytest.mark.parametrize(
    "texts",
    [
        ["Yes", "No", "OK", "Ok.", "Yes!", "Yes?"],
        ["Thank you", "Thank you!", "thank you all", "you thank", "Thanks"],
        ["Page 1", "Page 2", "Page 12", "Page", "1"],
        ["404 Not Found", "403 Not Found", "404 Found", "Not Found"],
        ["你好", "您好", "你好吗", "好你"],
        ["a b c d", "a b c", "b c d", "a b d c", "a b c d e"],
        ["£5", "$5", "5", "-5", "5 %"],
    ],
)
def test_documents_shorter_than_an_ngram(texts: list[str]) -> None:
    assert max(compared(texts).values()) == 0
    assert all(similarity(text, f"  {text.swapcase()}\n") == 1 for text in texts)


LITTLE_SAID = {
    "words": [" ".join(["la"] * number) for number in range(1, 40)],
    "laughter": ["ha" * number for number in range(1, 20)] + [" ".join(["ha"] * number) for number in range(2, 20)],
    "two words": [" ".join(["na hey"] * number) for number in range(1, 30)],
    "three words": [" ".join(["tic tac toe"] * number) for number in range(1, 20)]
    + ["tic tac toe tic", "tac toe tic tac"],
    "a sentence": [" ".join(["All work and no play makes Jack a dull boy."] * k) for k in (1, *range(3, 12))],
    "lines": ["\n".join(["Loading...", "Please wait."] * k) for k in range(1, 20)],
    "signs": [" ".join("*=~" * k) for k in range(1, 20)],
    "characters": ["哈" * k for k in range(1, 30)],
    "a long sentence": [" ".join([prose(1, 30)] * k) for k in (1, *range(3, 9))],
    "tabs": ["\n".join(["Home\tAbout\tContact\tLogin"] * k) for k in range(1, 20)],
}


@pytest.mark.parametrize("texts", LITTLE_SAID.values(), ids=LITTLE_SAID)
def test_texts_that_say_one_thing_often(texts: list[str]) -> None:
    """However often it is said, as often makes copies; another number does not."""
    assert max(compared(texts).values()) < THRESHOLD
    assert all(similarity(text, f"{text.upper()} ") == 1 for text in texts)


def _numbers(seed: int, form: str, length: int = 60) -> str:
    generator = random.Random(seed)
    return "\n".join(
        form.format(a=generator.randint(0, 999), b=generator.randint(100, 999), c=generator.randint(0, 99), n=number)
        for number in range(length)
    )


@pytest.mark.parametrize(
    "form",
    ["{a}", "{a},{b}", "{a}.{c:02}", "+44 {b} {a:03} {c:02}", "{a};{b};{c}", "-{c}.{a}", "{n}. {a}", "{c} {b} x {a}"],
)
def test_lists_of_numbers(form: str) -> None:
    assert max(compared([_numbers(seed, form) for seed in range(15)]).values()) < THRESHOLD


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima.",
         "Сва људска бића рађају се слободна и једнака у достојанству и правима."),
        ("所有的人生来自由，在尊严和权利上一律平等。他们有理性和良心。",
         "所有的人生來自由，在尊嚴和權利上一律平等。他們有理性和良心。"),
        ("सभी मनुष्य जन्म से स्वतंत्र हैं और सम्मान में समान हैं", "سبھی منشیہ جنم سے سوتنتر ہیں اور سمّان میں سمان ہیں"),
        ("Barlyk adamlar erkin bolup dünýä inýärler", "Барлык адамлар эркин болуп дүнйә инйәрлер"),
        ("Barcha odamlar erkin va teng tug‘iladilar", "Барча одамлар эркин ва тенг туғиладилар"),
        ("Bütün insanlar hür doğarlar", "Butun insanlar hur dogarlar"),
        ("にほんごでかいたぶんしょうです", "ニホンゴデカイタブンショウデス"),
    ],
)  # fmt: skip
def test_the_same_text_in_two_scripts(one: str, other: str) -> None:
    assert similarity(one, other) < THRESHOLD


def test_problems_that_differ_in_their_numbers(shared_data: Path) -> None:
    lines = (shared_data / "cases" / "35-dedup-numbers" / "docs.jsonl").read_text(encoding="utf-8").splitlines()
    texts = list(dict.fromkeys(json.loads(line)["text"] for line in lines))  # two of the 200 are equal
    assert len(texts) == 199
    assert max(compared(texts).values()) < 0.65
    assert min(compared(texts, settings=MinHashSettings(fold_verified=True)).values()) == 1


@pytest.mark.parametrize(("num_articles", "num_true"), [(100, 5), (1000, 10)])
def test_plagiarised_articles(shared_data: Path, num_articles: int, num_true: int) -> None:
    """At any threshold from 0.21 to 0.96 the pairs are those that are true."""
    folder = shared_data / "dedup" / "mccormick-minhash"
    lines = (folder / f"articles_{num_articles}.train").read_text(encoding="utf-8").splitlines()
    identifiers, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    number_of = {identifier: number for number, identifier in enumerate(identifiers)}
    truth = {
        tuple(sorted(number_of[identifier] for identifier in line.split()))
        for line in (folder / f"articles_{num_articles}.truth").read_text(encoding="utf-8").splitlines()
    }
    assert len(truth) == num_true
    found = compared(texts)
    for threshold in (0.21, 0.5, THRESHOLD, 0.95):
        assert {pair for pair, value in found.items() if value >= threshold} == truth


@pytest.mark.parametrize("with_licence", [True, False])
def test_versions_of_one_book_and_other_books(shared_data: Path, with_licence: bool) -> None:
    """The versions are alike at 0.92 and more; the licence that all books share makes none like another."""
    versions = sorted((shared_data / "dedup" / "gutenberg-versions" / "sherlock").iterdir())
    others = [
        path for path in sorted((shared_data / "books" / "gitenberg").glob("*.txt")) if "sherlock" not in path.name
    ]
    assert len(versions) == 5
    assert len(others) >= 5
    texts = []
    for path in (*versions, *others):
        text = path.read_bytes().decode("utf-8" if path.name.endswith("-0.txt") else "latin-1")
        if not with_licence:
            text = text.partition("*** START")[2].partition("*** END")[0] or text
        texts.append(text)
    found = compared(texts)
    assert min(value for (_, second), value in found.items() if second < 5) > 0.92
    assert max(value for (_, second), value in found.items() if second >= 5) < 0.06


def test_what_makes_a_word_counts_and_what_does_not() -> None:
    """A copy with other quotation marks, dashes, spaces and case is one."""
    text = "He said: “It’s late — too late…” and left the café, at 9.30, for good; nobody saw him again."
    other = (
        'HE SAID: "It\'s late -- too late..." and  left the cafe\u0301,\nat 9.30, for good; nobody saw\u00a0him again.'
    )
    assert standing_words(text) == standing_words(other)
    assert similarity(text, other) == 1
    assert similarity(text, text.replace("9.30", "9.31")) < 1
    assert similarity(text, text.replace("café", "cafe")) < 1
