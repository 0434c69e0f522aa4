"""Language identification: the packaged model, read from a sample of the text."""

from __future__ import annotations

import lzma
import tarfile
from pathlib import Path

import pytest
from datatrove.data import Document
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.filters import language as module
from pipeline.filters.language import Language, LanguageFilter, identify_language
from pipeline.filters.settings import FilterSettings
from tests.pipeline.filter_pages import load_pages
from tests.pipeline.test_filters import PROSE, Sink

GERMAN = "Gestern haben wir lange darüber gesprochen, wie es mit der alten Brücke weitergehen soll."


def test_labels() -> None:
    assert identify_language(PROSE).code == "en"
    assert identify_language(GERMAN).code == "de"
    assert identify_language("他们在星期二开会讨论了这个计划").code == "zh"
    for text in ("", " \n", "12345 !!! 😀", "\0\0"):
        assert identify_language(text) == Language("und", 0.0)
    assert identify_language("\ud800 " + PROSE).code == "en"


def test_long_text_is_read_throughout() -> None:
    """A short English head and foot do not decide a long German page."""
    assert identify_language(PROSE[:600] + (GERMAN + "\n") * 3_000 + PROSE[:600]).code == "de"


@given(st.text(st.characters(), max_size=300))
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_text_gets_a_language(text: str) -> None:
    code, score = identify_language(text)
    assert code
    assert 0.0 <= score <= 1.0


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


def test_threshold_is_included_and_no_language_keeps_all() -> None:
    block = LanguageFilter(FilterSettings(languages=["en", "de"], language_threshold=0.65))
    assert block.keeps(Language("en", 0.65))
    assert not block.keeps(Language("en", 0.6499))
    assert not block.keeps(Language("fr", 0.99))
    assert LanguageFilter(FilterSettings(languages=[])).keeps(Language("und", 0.0))


def test_sample_agrees_with_whole_pages(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = load_pages(shared_data / "web" / "trafilatura", {None}, 400)
    pages += load_pages(shared_data / "web" / "waddle-daniel", {"en", "el", "pl", "ru", "zh"}, 400)
    sampled = [identify_language(page.text) for page in pages]
    monkeypatch.setattr(module, "_FIRST_LOOK", (1, 10**9))
    whole = [identify_language(page.text) for page in pages]
    keeps = LanguageFilter().keeps
    assert sum(a.code == b.code for a, b in zip(sampled, whole, strict=True)) >= 0.995 * len(pages)
    assert sum(keeps(a) == keeps(b) for a, b in zip(sampled, whole, strict=True)) >= 0.995 * len(pages)


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
