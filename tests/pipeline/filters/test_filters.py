"""The rules on texts made for them, on any text at all, and as datatrove blocks."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

from manifests.errors import UserError
from pipeline.documents.schema import Block
from pipeline.filters.bad_words import BadWords
from pipeline.filters.blocks import C4Filter, FineWebFilter, GopherQualityFilter, GopherRepetitionFilter, RuleFilter
from pipeline.filters.boundaries import boundaries_of
from pipeline.filters.language import LanguageFilter, LanguageSettings
from pipeline.filters.rules import RULES, comparisons, judge, signal_names
from pipeline.filters.settings import FilterSettings
from pipeline.filters.stop_words import default_stop_words
from pipeline.filters.text.measurer import words_of
from pipeline.filters.urls import UrlFilter, UrlSettings

SENTENCES = [
    "The committee met on Tuesday to discuss the plan, and most of its members agreed with what had been said.",
    "Nobody was surprised that the older bridge, which had stood for a century, would have to be closed.",
    "It is not clear how long the repairs will take or who is going to pay for them in the end.",
    "Residents of the eastern district asked for a ferry to be put into service before the winter begins.",
    "An engineer from the city explained that the foundations were sound but the deck was worn through.",
    "Traffic will be led over the northern crossing, where two more lanes are open since last spring.",
    "The mayor promised to publish a timetable with every step of the work by the first of the month.",
]
PROSE = "\n".join(SENTENCES)


class Sink:
    """Collects what a block drops."""

    def __init__(self) -> None:
        self.drops: list[tuple[str, str, float | None, str | None, str]] = []

    def add(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
        self.drops.append((document.id, reason, value, detail, document.text))


def reason_of(text: str, rule: str | None = None, language: str = "en", **overrides: object) -> str | None:
    settings = FilterSettings().merged(dict(overrides))
    if rule:
        settings = settings.merged({"rules": [rule]})
    verdict = judge(text, language, settings).verdict
    return verdict.reason if verdict else None


def test_prose_is_kept_unchanged() -> None:
    judgement = judge(PROSE, "en", FilterSettings())
    assert judgement.verdict is None
    assert judgement.text == PROSE
    assert not judgement.edits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop, we'll go.", ["Do", "n't", "stop", ",", "we", "'ll", "go", "."]),
        ("(see Mr. Smith's U.S. office)", ["(", "see", "Mr.", "Smith", "'s", "U.S.", "office", ")"]),
        ("cannot pay $5.50 or 50% at 5km", ["can", "not", "pay", "$", "5.50", "or", "50", "%", "at", "5", "km"]),
        ("well-known end.Next a,b", ["well", "-", "known", "end", ".", "Next", "a", ",", "b"]),
        ("http://example.org/a,b?c=d.", ["http://example.org/a,b?c=d", "."]),
        ("wait... “really”?!", ["wait", "...", "“", "really", "”", "?", "!"]),
        ("--- 3-4 C++", ["---", "3", "-", "4", "C++"]),
    ],
)
def test_word_boundaries(text: str, words: list[str]) -> None:
    assert words_of(text, boundaries_of("en")) == words


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("de", "Der CDU-Politiker kam am 3. Mai.", ["Der", "CDU-Politiker", "kam", "am", "3.", "Mai", "."]),
        ("de", "Ill und dont", ["Ill", "und", "dont"]),
        ("fr", "l'eau qu’il a", ["l'", "eau", "qu’", "il", "a"]),
        ("es", "¿Qué es lo ítalo-argentino?", ["¿", "Qué", "es", "lo", "ítalo-argentino", "?"]),
        ("zh", "老桥100年,ok", ["老", "桥", "100", "年", ",", "ok"]),
    ],
)
def test_word_boundaries_of_languages(language: str, text: str, words: list[str]) -> None:
    assert words_of(text, boundaries_of(language)) == words


@pytest.mark.parametrize(
    ("rule", "reason", "text"),
    [
        ("gopher_repetition", "gopher_duplicate_paragraphs", "\n\n".join([*SENTENCES[:2], *["One more."] * 3])),
        ("gopher_repetition", "gopher_duplicate_lines", "\n".join([*SENTENCES, *["More."] * 6])),
        ("gopher_repetition", "gopher_duplicate_line_characters", "\n".join([*SENTENCES, *SENTENCES[:2]])),
        ("gopher_repetition", "gopher_top_2gram", SENTENCES[0] + " spam eggs" * 5),
        ("gopher_repetition", "gopher_duplicate_5grams", SENTENCES[0] + " " + SENTENCES[1] + " " + SENTENCES[0]),
        ("gopher_quality", "gopher_too_few_words", SENTENCES[0]),
        ("gopher_quality", "gopher_too_many_words", "the house of cards " * 25_001),
        ("gopher_quality", "gopher_short_words", "the of an I a o " * 20),
        ("gopher_quality", "gopher_long_words", "extraordinary representation " * 30),
        ("gopher_quality", "gopher_hashes", PROSE + " #" * 20),
        ("gopher_quality", "gopher_ellipses", PROSE + " …" * 20),
        ("gopher_quality", "gopher_bullet_lines", "\n".join("- " + line for line in SENTENCES)),
        (
            "gopher_quality",
            "gopher_ellipsis_lines",
            "\n".join(line + " ..." for line in SENTENCES[:3]) + "\n" + PROSE[:200],
        ),
        ("gopher_quality", "gopher_few_alphabetic_words", PROSE + " 1234" * 40),
        ("gopher_quality", "gopher_few_stop_words", "winter river garden window " * 20),
        ("c4", "c4_too_few_sentences", "\n".join(SENTENCES[:4])),
        ("c4", "c4_lorem_ipsum", PROSE + "\nThen Lorem Ipsum dolor sit amet."),
        ("c4", "c4_curly_bracket", PROSE + "\nfunction call with { a bracket"),
        ("c4", "c4_no_lines_left", "Home\nAbout us\nContact"),
        ("fineweb", "fineweb_few_punctuated_lines", PROSE.replace(".", "")),
        ("fineweb", "fineweb_short_lines", "\n".join([SENTENCES[0], *(f"Item {i}." for i in range(9))])),
        ("fineweb", "fineweb_duplicate_line_characters", PROSE + "\n" + SENTENCES[0]),
        ("fineweb", "fineweb_many_new_lines", "\n\n\n\n\n\n\n\n\n\n".join(SENTENCES)),
    ],
)
def test_each_reason(rule: str, reason: str, text: str) -> None:
    assert reason_of(text, rule) == reason


def test_threshold_itself_is_kept() -> None:
    """At least and at most include the threshold."""
    num_words = judge(PROSE, "en", FilterSettings()).signals["gopher_quality.num_words"]
    exact = {"min_words": int(num_words or 0), "max_words": int(num_words or 0)}
    assert reason_of(PROSE, "gopher_quality", gopher_quality=exact) is None
    above = {"rules": ["gopher_quality"], "gopher_quality": {"min_words": int(num_words or 0) + 1}}
    assert judge(PROSE, "en", FilterSettings().merged(above)).verdict == ("gopher_too_few_words", num_words, None)


def test_tables_name_real_signals_and_settings() -> None:
    """A comparison that names nothing would fail only when it is reached; a threshold that none names does nothing."""
    settings = FilterSettings()
    found = comparisons(settings)
    assert {comparison.signal for comparison in found} == set(signal_names(settings))
    assert len({comparison.reason for comparison in found}) == len(found)
    for rule, table in RULES.items():
        thresholds = {name for name in type(getattr(settings, rule)).model_fields if name.startswith(("min_", "max_"))}
        lines_go_by = {"min_words_per_line", "max_word_length"} if rule == "c4" else set()
        assert {comparison.setting for comparison in table} == thresholds - lines_go_by


def test_signals_are_computed_whatever_decides() -> None:
    """All signals of all rules, also for an empty text and one that the first comparison drops."""
    settings = FilterSettings()
    for text in ("", "\n", "spam " * 400, PROSE):
        assert list(judge(text, "en", settings).signals) == signal_names(settings)
    dropped = judge("spam " * 400 + "\n" + PROSE, "en", settings)
    assert dropped.verdict is not None
    assert dropped.verdict.reason == "gopher_top_2gram"
    assert dropped.signals["fineweb.punctuated_line_fraction"] == pytest.approx(7 / 8)
    assert dropped.signals["c4.num_sentences"] == 8
    assert dropped.signals["c4.num_bad_words"] is None
    assert next(iter(judge(PROSE, "en", FilterSettings(rules=["c4"])).signals)) == "text.num_words"
    assert signal_names(FilterSettings(rules=[])) == []


def test_c4_edits_text_and_counts_lines() -> None:
    text = "\n".join(
        [
            "Home",
            *SENTENCES,
            "  A fact that somebody knew.[12] Another one.[citation needed]  ",
            "Please enable JavaScript to see this page.",
            "This site uses cookies to serve you better.",
            "x" * 1001 + " is one long word here.",
            "",
        ]
    )
    judgement = judge(text, "en", FilterSettings(rules=["c4"]))
    assert judgement.verdict is None
    assert judgement.text == PROSE + "\nA fact that somebody knew. Another one."
    assert judgement.edits == {
        "c4_few_words": 1,
        "c4_javascript": 1,
        "c4_policy": 1,
        "c4_long_word": 1,
        "c4_citations": 2,
    }
    strict = FilterSettings().merged({"rules": ["c4"], "c4": {"require_terminal_punctuation": True}})
    assert judge(PROSE + "\nA line without its full stop", "en", strict).text == PROSE


def test_fineweb_judges_what_c4_left() -> None:
    menu = "\n".join(f"Item {i}" for i in range(40)) + "\n" + PROSE
    assert reason_of(menu, rules=["fineweb"]) is not None
    assert reason_of(menu, rules=["c4", "fineweb"]) is None
    # Rules that follow C4 in a recipe's own order read the edited text too.
    assert judge(menu, "en", FilterSettings(rules=["c4", "gopher_repetition", "gopher_quality"])).text == PROSE


def test_new_lines_are_weighed_against_the_words_that_c4_left() -> None:
    """Lines of three words, which stay: one new line for each; words of removed lines do not count."""
    verses = "\n".join(["Sing of rivers.", *(f"Number {i} flows." for i in range(30))])
    policy = "We and our partners, " * 40 + "use cookies."
    settings = {"short_line_length": 5, "max_duplicate_line_character_fraction": 1.0, "max_new_lines_per_word": 0.24}
    # 31 lines of four words (the full stop is one): 30 new lines to 124 words.
    for text in (verses, verses + "\n" + policy):
        judged = FilterSettings().merged({"rules": ["c4", "fineweb"], "fineweb": settings})
        verdict = judge(text, "en", judged).verdict
        assert verdict is not None
        assert verdict == ("fineweb_many_new_lines", 30 / 124, None)


@pytest.mark.parametrize("mark", [".", "!", "?", "。", "।", "؟"])
def test_lines_end_in_punctuation_of_any_script(mark: str) -> None:
    text = "\n".join(f"A line that says something more, number {i}{mark}" for i in range(5))
    assert reason_of(text, "fineweb") is None


def test_languages_without_spaces() -> None:
    chinese = (
        "他们在星期二开会讨论了这个计划，大多数成员都同意。\n老桥已经使用了一百年，现在必须关闭维修，没有人感到意外。\n"
        * 2
    )
    for rule in ("gopher_quality", "c4"):
        assert reason_of(chinese, rule, "zh", c4={"min_sentences": 4}) is None
        assert reason_of(chinese, rule, "en", c4={"min_sentences": 4}) is None  # its script says how it is judged
    signals = judge(chinese, "zh", FilterSettings()).signals
    assert signals["text.num_words"] == sum(not character.isspace() for character in chinese)
    assert signals["gopher_quality.mean_word_length"] is None
    assert signals["gopher_quality.num_stop_words"] is None


def test_stop_words_by_language() -> None:
    lists = default_stop_words()
    assert lists["en"] == ["the", "be", "to", "of", "and", "that", "have", "with"]
    assert len(lists) > 60
    assert all(4 <= len(words) == len(set(words)) <= 50 for words in lists.values())
    german = "Gestern haben wir lange darüber gesprochen, wie es mit der alten Brücke weitergehen soll. " * 5
    assert reason_of(german, "gopher_quality", "de") is None
    assert reason_of(german, "gopher_quality", "pl") == "gopher_few_stop_words"
    assert reason_of(german, "gopher_quality", "xx") is None
    own = {"stop_words": {"de": ["nicht", "auch"]}}
    assert reason_of(german, "gopher_quality", "de", gopher_quality=own) == "gopher_few_stop_words"
    assert reason_of(SENTENCES[0] * 3, "gopher_quality", "de", gopher_quality={"stop_words": {"de": []}}) is None


def test_a_tag_finds_the_lists_of_its_language(tmp_path: Path) -> None:
    german = "Gestern haben wir lange darüber gesprochen, wie es mit der alten Brücke weitergehen soll. " * 5
    for tag in ("de-CH", "deu_Latn", "de-Latn-AT"):
        assert reason_of(german, "gopher_quality", tag) is None
        own = {"stop_words": {"de": ["nicht", "auch"]}}
        assert reason_of(german, "gopher_quality", tag, gopher_quality=own) == "gopher_few_stop_words"
        own["stop_words"][tag] = ["wir", "mit"]  # a more exact list
        assert reason_of(german, "gopher_quality", tag, gopher_quality=own) is None
        assert words_of("die Ost-West-Frage am 3. Mai", boundaries_of(tag)) == words_of(
            "die Ost-West-Frage am 3. Mai", boundaries_of("de")
        )
    assert reason_of(german, "gopher_quality", "pol_Latn") == "gopher_few_stop_words"
    # Serbian's list is Cyrillic: no list for what is in Latin letters, unless one is given.
    settings = FilterSettings().merged({"gopher_quality": {"stop_words": {"mk": ["wir", "и"]}}})
    for tag, number in (("sr-Latn", None), ("sr-Cyrl", None), ("sr", None), ("mk-Latn", 1), ("mk-Cyrl", 1)):
        assert judge(german, tag, settings).signals["gopher_quality.num_stop_words"] == number
    for tag in ("zh-Hant", "cmn_Hani", "zh-TW"):
        assert not boundaries_of(tag).is_spaced
    assert boundaries_of("zh-Latn").is_spaced
    assert boundaries_of("als").is_spaced  # lid.176's Alemannic, whose code is Albanian elsewhere
    path = tmp_path / "words.txt"
    path.write_text("老桥\n")
    settings = FilterSettings().merged({"c4": {"bad_words": {"zh": str(path)}}})
    assert judge("的老桥是", "zh-Hant", settings).signals["c4.num_bad_words"] == 1


def test_bad_words(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("Darn\nheck of a\n@#!\n老桥\n")
    bad = BadWords(path.read_text().splitlines(), is_spaced=True)
    for text, number in (
        ("Oh DARN, they said.", 1), ("darned undarn darn_it", 0), ("what a heck of a bridge: darn!", 2), ("@#!", 1),
        ("a@#!", 0), ("heck of an", 0), ("", 0), ("the 老桥 is", 1), ("的老桥是", 0),
    ):  # fmt: skip
        assert bad.count(text) == number, text
    assert BadWords(["老桥"], is_spaced=False).count("的老桥是") == 1
    settings = FilterSettings().merged({"c4": {"bad_words": {"en": str(path)}}})
    judgement = judge(PROSE + "\nSo we said darn to the plan.", "en", settings)
    assert judgement.verdict == ("c4_bad_words", 1.0, None)
    assert judge(PROSE, "en", settings).signals["c4.num_bad_words"] == 0
    assert judge(PROSE, "de", settings).signals["c4.num_bad_words"] is None
    # A line that goes takes its words along.
    assert judge(PROSE + "\nDarn", "en", settings).text == PROSE
    for name, content in (("absent", None), ("empty", "\n")):
        if content is not None:
            (tmp_path / name).write_text(content)
        other = FilterSettings().merged({"c4": {"bad_words": {"en": str(tmp_path / name)}}})
        with pytest.raises(UserError, match=rf"filter\.c4\.bad_words: .*{name}"):
            judge(PROSE, "en", other)


def test_settings_merge_and_refuse() -> None:
    settings = FilterSettings().merged({"rules": ["c4"], "gopher_quality": {"min_words": 5}})
    assert settings.rules == ["c4"]
    assert settings.gopher_quality.min_words == 5
    assert settings.gopher_quality.max_words == 100_000
    assert FilterSettings().gopher_quality.min_words == 50
    with pytest.raises(UserError, match=r"cc: unknown key gopher_quality\.min_word \(did you mean 'min_words'\?\)"):
        FilterSettings().merged({"gopher_quality": {"min_word": 5}}, where="cc")
    with pytest.raises(UserError, match="rules"):
        FilterSettings().merged({"rules": ["gopher"]})


def test_blocks_yield_or_drop_every_document() -> None:
    texts = {
        "kept": PROSE,
        "edited": PROSE + "\nHome",
        "short": " ".join(SENTENCES[:2]),
        "empty": "",
        "same": "spam " * 400,
    }
    documents = [Document(text=text, id=name, metadata={"language": "en"}) for name, text in texts.items()]
    block = pickle.loads(pickle.dumps(RuleFilter()))
    sink = Sink()
    block.drops = sink
    kept = {document.id: document.text for document in block.run(iter(documents))}
    assert kept == {"kept": PROSE, "edited": PROSE}
    assert {name: reason for name, reason, *_ in sink.drops} == {
        "short": "gopher_too_few_words",
        "empty": "empty",
        "same": "gopher_top_2gram",
    }
    assert all(text == texts[name] for name, *_, text in sink.drops)
    assert block.stats["edited_c4_few_words"].total == 1
    assert block.stats["forwarded"].total == 2


def test_single_rule_blocks() -> None:
    verdict = GopherRepetitionFilter().check("spam " * 400)
    assert verdict is not None
    assert verdict.reason == "gopher_top_2gram"
    assert verdict.value == pytest.approx(9 * 399 / 2000)
    assert GopherQualityFilter().check(SENTENCES[0], "en") == ("gopher_too_few_words", 20.0, None)
    assert C4Filter().check(SENTENCES[0]) == ("c4_too_few_sentences", 1.0, None)
    assert FineWebFilter().check(PROSE) is None
    assert RuleFilter(FilterSettings(rules=[])).check("") is None


def test_blocks_in_a_pipeline_of_datatrove(tmp_path: Path) -> None:
    """The rules as filters among datatrove's own blocks: what they drop goes to the exclusion writer."""
    texts = {
        "kept": PROSE,
        "short": " ".join(SENTENCES[:2]),
        "same": "spam " * 400,
        "code": PROSE + "\nif (there is { a bracket.",
        "french": "Les enfants jouent dans le jardin pendant que leurs parents préparent le repas du soir. " * 9,
        "refused": PROSE,
    }
    (tmp_path / "opt_out.txt").write_text("refused.example\n")
    source = tmp_path / "in" / "documents.jsonl"
    source.parent.mkdir()
    source.write_text(
        "".join(
            json.dumps({"id": name, "text": text, "url": f"https://{name}.example/"}) + "\n"
            for name, text in texts.items()
        )
    )

    def excluded(name: str) -> JsonlWriter:
        return JsonlWriter(str(tmp_path / name), compression=None)

    filters: list[Block] = [
        UrlFilter(UrlSettings(opt_out="opt_out.txt"), tmp_path, exclusion_writer=excluded("urls")),
        LanguageFilter(
            LanguageSettings(languages=["en"], language_threshold=0.2), exclusion_writer=excluded("language")
        ),
    ]
    filters += [
        kind(exclusion_writer=excluded(kind.name))
        for kind in (GopherRepetitionFilter, GopherQualityFilter, C4Filter, FineWebFilter)
    ]
    steps = [
        JsonlReader(str(source.parent)),
        *filters,
        JsonlWriter(str(tmp_path / "kept"), compression=None),
    ]
    LocalPipelineExecutor(steps, tasks=1, logging_dir=str(tmp_path / "logs")).run()

    def written(name: str) -> dict[str, object]:
        lines = (tmp_path / name / "00000.jsonl").read_text().splitlines() if (tmp_path / name).exists() else []
        rows = [json.loads(line) for line in lines]
        return {row["id"]: row["metadata"].get("filter_reason") for row in rows}

    assert written("kept") == {"kept": None}
    assert written("urls") == {"refused": "url_opt_out"}
    assert written("language") == {"french": "language"}
    assert written("gopher_repetition") == {"same": "gopher_top_2gram"}
    assert written("gopher_quality") == {"short": "gopher_too_few_words"}
    assert written("c4") == {"code": "c4_curly_bracket"}
    assert written("fineweb") == {}
