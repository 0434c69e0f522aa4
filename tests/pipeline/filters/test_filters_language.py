"""Language identification: models, labels from a part of the text, and the decision."""

from __future__ import annotations

import lzma
import pickle
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import langcodes
import pytest
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.settings import validate
from pipeline.filters.language import (
    Language,
    LanguageFilter,
    LanguageRule,
    LanguageSettings,
    check_keys,
    check_languages,
    identify_language,
    identify_languages,
    language_model_digest,
    language_model_path,
    load_language_model,
)
from pipeline.filters.language.tags import lookup_order
from pipeline.filters.settings import FilterSettings
from pipeline.filters.stop_words import default_stop_words
from pipeline.formats import RawFile, reader_for
from pipeline.markup.wikitext.text import wikitext_to_text
from tests.pipeline.filters.fasttext_model import write_model
from tests.pipeline.filters.filter_pages import load_pages
from tests.pipeline.filters.test_filters import PROSE, Sink

GERMAN = "Gestern haben wir lange darüber gesprochen, wie es mit der alten Brücke weitergehen soll."
CHINESE = "他们在星期二开会讨论了这个计划"


def whole_text(text: str) -> Language:
    """The label of the whole text: the model asked once, with nothing left out."""
    found = load_language_model().predict(text)
    return found[0] if found else Language("und", 0.0)


# Labels


def test_labels() -> None:
    assert identify_language(PROSE).code == "en"
    assert identify_language(GERMAN).code == "de"
    assert identify_language(CHINESE).code == "zh"
    for text in ("", " \n", "12345 !!! 😀", "\0\0"):
        assert identify_languages(text) == [Language("und", 0.0)]
    assert identify_language("\ud800 " + PROSE).code == "en"


def test_the_best_three() -> None:
    found = identify_languages(PROSE[:300] + "\n" + GERMAN * 2)
    assert len(found) == 3
    assert {language.code for language in found[:2]} == {"en", "de"}
    scores = [language.score for language in found]
    assert scores == sorted(scores, reverse=True)
    assert 0.9 < sum(scores) <= 1.0001
    assert identify_language(PROSE[:300] + "\n" + GERMAN * 2) == found[0]


def test_long_text_is_read_throughout() -> None:
    """A short English head and foot do not decide a long German page."""
    assert identify_language(PROSE[:600] + (GERMAN + "\n") * 3_000 + PROSE[:600]).code == "de"


def test_a_text_cannot_end_the_model_s_line() -> None:
    """fastText stops at the word `</s>`, so that what stands before it would decide alone."""
    assert identify_language(CHINESE + " </s> " + PROSE[:900]).code == "en"
    assert whole_text(CHINESE + " </s> " + PROSE[:900]).code == "en"


@given(st.text(st.characters(), max_size=300))
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_text_gets_languages(text: str) -> None:
    found = identify_languages(text)
    assert 1 <= len(found) <= 3
    for code, score in found:
        assert code
        assert 0.0 <= score <= 1.0


@pytest.mark.parametrize("unit", ["a", "0 ", "\0", "\ud800", "中", "</s> ", "\u0301", "ab\0\ud801 "])
def test_hostile_texts_are_read_in_part(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long and whatever it is made of, the model gets at most the last look of it."""
    model = load_language_model()
    read: list[int] = []
    predict = type(model).predict

    def counted(self: Any, text: str, num_languages: int = 1) -> list[Language]:
        read.append(len(text))
        return predict(self, text, num_languages)

    monkeypatch.setattr(type(model), "predict", counted)
    text = unit * (20_000_000 // len(unit))
    assert len(identify_languages(text)) >= 1
    assert sum(read) <= 70_000


# The label of the whole text, from a part of it. bench/language.py measures the same on more texts.


def _agreement(texts: list[str], right: list[str] | None = None) -> tuple[float, float]:
    """The share of texts whose label, and whose decision at the default threshold, is that of the whole text.

    right: the language of each text, where it is known: a label that is right counts, too, whatever the whole says.
    """
    sampled, whole = [identify_language(text) for text in texts], [whole_text(text) for text in texts]
    if right is not None:
        whole = [
            found if found.code == code else language
            for found, language, code in zip(sampled, whole, right, strict=True)
        ]
    keeps = LanguageFilter(LanguageSettings(languages=[])).settings.language_threshold
    labels = sum(a.code == b.code for a, b in zip(sampled, whole, strict=True))
    decisions = sum((a.score >= keeps) == (b.score >= keeps) for a, b in zip(sampled, whole, strict=True))
    return labels / len(texts), decisions / len(texts)


def test_sample_agrees_with_whole_pages(shared_data: Path) -> None:
    pages = load_pages(shared_data / "web" / "trafilatura", {None}, 150)
    pages += load_pages(shared_data / "web" / "waddle-daniel", {"en", "el", "pl", "ru", "zh"}, 150)
    labels, decisions = _agreement([page.text for page in pages if page.text.strip()])
    assert labels >= 0.995
    assert decisions >= 0.995


def test_sample_agrees_with_whole_articles(shared_data: Path) -> None:
    texts, right = [], []
    for path in sorted((shared_data / "wiki" / "dbpedia-minidumps").glob("*.bz2")):
        for document in reader_for(RawFile(path.name, str(path), "wiki", "mediawiki"))():
            text = wikitext_to_text(document.text, document.metadata.get("language"))
            if any(map(str.isalpha, text)):
                texts.append(text)
                right.append(document.metadata["language"] or "")
    assert len(texts) > 100
    labels, decisions = _agreement(texts, right)
    assert labels >= 0.995
    assert decisions >= 0.99


def test_known_sentences(shared_data: Path) -> None:
    """Labels of ten sentences together, against a collection that knows their language."""
    archive = shared_data / "lid" / "lingua-testdata.tar.xz"
    right = num_texts = 0
    with lzma.open(archive) as raw, tarfile.open(fileobj=raw) as tar:
        for member in tar:
            name = Path(member.name)
            if name.parent.name != "sentences" or name.stem not in {"en", "de", "fr", "es", "pl", "ru", "el", "ja"}:
                continue
            file = tar.extractfile(member)
            assert file is not None
            lines = file.read().decode("utf-8").splitlines()
            for start in range(0, len(lines), 10):
                num_texts += 1
                right += identify_language("\n".join(lines[start : start + 10])).code == name.stem
    assert num_texts >= 700
    assert right >= 0.99 * num_texts


# Models


def test_the_packaged_model_knows_176_languages() -> None:
    codes = load_language_model().codes
    assert len(codes) == 176
    assert {"en", "de", "zh", "als", "ceb"} <= codes
    assert load_language_model() is load_language_model(language_model_path())
    assert len(language_model_digest()) == 64


def test_a_model_by_path_answers_in_short_codes(tmp_path: Path) -> None:
    words = {
        "eng_Latn": ["house", "bridge"],
        "cmn_Hani": ["房"],
        "arz_Arab": ["بيت"],
        "arb_Arab": ["منزل"],
        "ara_Arab": ["دار"],
        "srp_Cyrl": ["кућа"],
        "srp_Latn": ["kuća"],
        "als_Latn": ["shtëpi"],
        "ceb_Latn": ["balay"],
    }
    path = write_model(tmp_path / "glot.bin", words)
    model = load_language_model(path)
    assert model.codes == {"en", "zh", "arz", "ar", "sr", "sr-Latn", "sq", "ceb"}
    expected = {"bridge house": "en", "房": "zh", "بيت": "arz", "منزل": "ar", "кућа": "sr", "kuća": "sr-Latn"}
    for text, code in expected.items():
        assert identify_language(text, model).code == code
    # Two labels of one code are one language, with the probability of both.
    both = identify_languages("منزل دار house", 3, load_language_model(write_model(tmp_path / "mild.bin", words, 10.0)))
    assert both[0].code == "ar"
    assert both[0].score > 0.5
    assert len({language.code for language in both}) == 3
    assert language_model_digest(path) != language_model_digest()
    assert identify_language("unknown words only", model).score < 0.5


def test_a_script_is_wanted_with_its_language_or_by_itself(tmp_path: Path) -> None:
    path = write_model(tmp_path / "sr.bin", {"srp_Cyrl": ["кућа"], "srp_Latn": ["kuća"], "eng_Latn": ["house"]})
    model = load_language_model(path)
    settings = LanguageSettings(languages=["sr"], language_thresholds={"sr": 0.5}, language_model=str(path))
    rule = LanguageRule(settings, model)
    assert rule.verdict(Language("sr", 0.5)) is None
    assert rule.verdict(Language("sr-Latn", 0.5)) is None
    assert rule.comparisons[1].by_language == {"sr": 0.5, "sr-Latn": 0.5}
    only = LanguageRule(LanguageSettings(languages=["sr-Latn"], language_model=str(path)), model)
    assert only.verdict(Language("sr-Latn", 0.9)) is None
    assert only.verdict(Language("sr", 0.9)) == ("language", 0.9, "sr")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.bin").write_bytes(b"not a model")
    for path, why in ((tmp_path / "gone.bin", "no such file"), (tmp_path / "text.bin", "cannot be loaded")):
        with pytest.raises(UserError, match=why):
            load_language_model(path)
    with pytest.raises(UserError, match="No such file"):
        language_model_digest(tmp_path / "gone.bin")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("english", "'en'"),
        ("Englisch", "'en'"),
        ("eng", "'en'"),
        ("en_US", "'en'"),
        ("DE", "'de'"),
        ("mandarin", "'zh'"),
        ("cebu", "'ceb'"),
        ("nb", "'no'"),
        ("zzzzzz", "ISO 639-1"),
    ],
)
def test_unknown_languages_are_refused_with_the_nearest(given: str, hint: str) -> None:
    for wrong in ({"languages": ["fr", given]}, {"language_thresholds": {given: 0.5}}):
        with pytest.raises(UserError, match=f"knows no language '{given}'.*{hint}"):
            validate(FilterSettings, wrong, "recipe.toml")


def test_another_model_s_labels_decide_what_is_valid(tmp_path: Path) -> None:
    path = str(write_model(tmp_path / "two.bin", {"eng_Latn": ["house"], "arz_Arab": ["بيت"]}))
    check_languages(LanguageSettings(languages=["arz", "en"], language_model=path))
    wrong = LanguageSettings(languages=["de"], language_model=path)
    with pytest.raises(UserError, match="knows no language 'de'"):
        check_languages(wrong)
    with pytest.raises(UserError, match="knows no language 'de'"):
        LanguageFilter(wrong)
    # A path relative to another folder is given apart.
    relative = LanguageSettings(languages=["arz"], language_model="two.bin")
    assert LanguageFilter(relative, path).verdict(Language("arz", 0.7)) is None


def test_keys_of_tables_are_labels_or_their_languages(tmp_path: Path) -> None:
    labels = {"srp_Latn": ["kuća"], "srp_Cyrl": ["кућа"], "uzn_Latn": ["uy"], "eng_Latn": ["house"]}
    model = load_language_model(write_model(tmp_path / "keys.bin", labels))
    check_keys("c4.bad_words", ["sr", "sr-Latn", "sr_Latn", "uz", "en"], model)
    for wrong, near in (("srp", "sr"), ("eng_Latn", "en"), ("serbian", "sr")):
        with pytest.raises(UserError, match=rf"filter\.c4\.bad_words: .*'{wrong}' \(did you mean '{near}'\?\)\.$"):
            check_keys("c4.bad_words", ["en", wrong], model)
    # A text of no language is judged as English, whatever the model knows.
    latin = load_language_model(write_model(tmp_path / "latin.bin", {"srp_Latn": ["kuća"], "srp_Cyrl": ["кућа"]}))
    check_keys("c4.bad_words", ["sr", "en"], latin)


# The decision


def test_filter_labels_and_drops() -> None:
    texts = {"en": PROSE, "de": GERMAN, "none": "12345"}
    sink = Sink()
    block = LanguageFilter()
    block.drops = sink
    kept = list(block.run(iter([Document(text=text, id=name) for name, text in texts.items()])))
    assert [document.id for document in kept] == ["en"]
    assert kept[0].metadata["language"] == "en"
    assert kept[0].metadata["language_score"] > 0.9
    assert [(name, reason, detail) for name, reason, _, detail, _ in sink.drops] == [
        ("de", "language", "de"),
        ("none", "language", "und"),
    ]
    assert sink.drops[0][2] == identify_language(GERMAN).score


def test_thresholds_are_included_and_no_language_keeps_all() -> None:
    block = LanguageFilter(FilterSettings(languages=["en", "de"], language_threshold=0.65))
    assert block.verdict(Language("en", 0.65)) is None
    assert block.verdict(Language("en", 0.6499)) is not None
    assert block.verdict(Language("fr", 0.99)) is not None
    assert LanguageFilter(FilterSettings(languages=[])).verdict(Language("und", 0.0)) is None
    own = LanguageFilter(LanguageSettings(languages=["en", "de"], language_thresholds={"de": 0.3}))
    assert own.verdict(Language("de", 0.3)) is None
    assert own.verdict(Language("en", 0.3)) is not None
    # Without a list, a language's own threshold still holds.
    any_language = LanguageFilter(LanguageSettings(languages=[], language_thresholds={"de": 0.3}))
    assert any_language.verdict(Language("fr", 0.0)) is None
    assert any_language.verdict(Language("de", 0.29)) is not None


_CODES = ["en", "de", "fr", "und"]
_SCORES = st.sampled_from([0.0, 0.3, 0.5, 0.65, 0.7, 1.0])


def _holds(comparison: dict[str, Any], signals: dict[str, float | None], code: str) -> bool:
    value = signals[comparison["signal"]]
    threshold = comparison.get("by_language", {}).get(code, comparison["threshold"])
    return value is None or (value >= threshold if comparison["must_be"] == "at_least" else value <= threshold)


@given(
    st.lists(st.sampled_from(_CODES), unique=True),
    _SCORES,
    st.dictionaries(st.sampled_from(_CODES), _SCORES),
    st.sampled_from(_CODES),
    _SCORES,
)
def test_comparisons_decide_as_the_filter_does(
    languages: list[str], threshold: float, thresholds: dict[str, float], code: str, score: float
) -> None:
    settings = LanguageSettings(languages=languages, language_threshold=threshold, language_thresholds=thresholds)
    rule = LanguageRule(settings)
    signals = rule.signals(Language(code, score))
    decided = all(_holds(comparison.row(), signals, code) for comparison in rule.comparisons)
    # By hand, from what the settings say.
    expected = (not languages or code in languages) and score >= thresholds.get(code, threshold if languages else 0.0)
    assert decided == expected == (LanguageFilter(settings).verdict(Language(code, score)) is None)
    assert {comparison.reason for comparison in rule.comparisons} <= {"language"}
    assert (signals["language.is_wanted"] is None) == (not languages)


def test_comparisons_as_a_manifest_states_them() -> None:
    assert LanguageRule(LanguageSettings(languages=[])).comparisons == ()
    rule = LanguageRule(LanguageSettings(language_thresholds={"de": 0.4}))
    assert [comparison.row() for comparison in rule.comparisons] == [
        {
            "reason": "language",
            "signal": "language.is_wanted",
            "must_be": "at_least",
            "setting": "languages",
            "threshold": 1.0,
        },
        {
            "reason": "language",
            "signal": "language.score",
            "must_be": "at_least",
            "setting": "language_threshold",
            "threshold": 0.65,
            "by_language": {"de": 0.4},
        },
    ]


class _Texts(PipelineStep):
    name = "texts"

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        for number in range(rank, 20, world_size):
            yield Document(text=(PROSE, GERMAN)[number % 2], id=str(number))


class _Keep(PipelineStep):
    name = "keep"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        for document in data:
            (self.folder / f"{document.id}.{document.metadata['language']}").touch()
            yield document


def test_in_somebody_s_datatrove_pipeline(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    block = LanguageFilter(LanguageSettings(languages=["de"]))
    assert len(pickle.dumps(block)) < 10_000  # the model does not travel with the block
    executor = LocalPipelineExecutor(
        [_Texts(), block, _Keep(tmp_path / "kept")], tasks=2, workers=2, logging_dir=str(tmp_path / "logs")
    )
    stats = executor.run()
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert Counter(name.partition(".")[2] for name in kept) == {"de": 10}
    assert all(int(name.partition(".")[0]) % 2 == 1 for name in kept)
    assert "dropped_language" in str(stats.to_json() if hasattr(stats, "to_json") else stats)


def test_every_list_of_stop_words_is_found_by_tags_with_a_script() -> None:
    for code in default_stop_words():
        three = langcodes.Language.get(code).to_alpha3()
        assert lookup_order(f"{code}-Latn")[-1] == code
        assert lookup_order(f"{three}_Latn")[-1] == code, three
    assert "zh-Hant" in lookup_order("zh_Hant")
    assert "zh_Hant" in lookup_order("zh-Hant-TW")
