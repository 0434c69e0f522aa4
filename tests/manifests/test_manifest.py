"""Counts and fingerprints of manifests, and the code digest in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import manifests.code
from manifests.code import code_digest, modules_used
from manifests.errors import UserError
from manifests.manifest import (
    MANIFEST,
    SCHEMA_VERSION,
    Counts,
    FingerprintParts,
    Manifest,
    SourceCounts,
    digest_of,
    read_manifest,
    write_manifest,
)
from manifests.storage import Folder
from pipeline.engine.fingerprint import moves_data
from pipeline.stages.all import STAGE_CLASSES

_NAMES = st.sampled_from(["a", "b", "c"])
_NUMBERS = st.dictionaries(_NAMES, st.integers(0, 9))
_SOURCE = st.builds(
    SourceCounts, documents_in=st.integers(0, 99), documents_out=st.integers(0, 99), dropped=_NUMBERS, edited=_NUMBERS
)
_COUNTS = st.builds(Counts, sources=st.dictionaries(_NAMES, _SOURCE))


@given(st.lists(_COUNTS, max_size=5), st.randoms())
def test_sums_do_not_depend_on_the_order_of_tasks(parts: list[Counts], order: object) -> None:
    shuffled = list(parts)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    total = Counts.sum(parts)
    assert json.dumps(total.model_dump()) == json.dumps(Counts.sum(shuffled).model_dump())
    assert total.documents_in == sum(part.documents_in for part in parts)
    assert sum(total.dropped.values()) == sum(sum(part.dropped.values()) for part in parts)


def test_counts_close_by_source_not_in_sum() -> None:
    more, less = SourceCounts(documents_in=3, documents_out=2), SourceCounts(documents_in=1, documents_out=2)
    assert not Counts(sources={"a": more, "b": less}).closes
    assert Counts(sources={"a": SourceCounts(documents_in=3, documents_out=1, dropped={"x": 2})}).closes


def test_a_damaged_manifest_is_never_taken_for_a_missing_one(tmp_path: Path) -> None:
    assert read_manifest(Folder(tmp_path)) is None
    (tmp_path / MANIFEST).write_text('{"stage": "filter"')
    with pytest.raises(UserError, match="not a manifest"):
        read_manifest(Folder(tmp_path))


def test_a_manifest_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    parts = FingerprintParts(settings={}, code="", libraries={}, inputs="")
    manifest = Manifest(
        stage="filter",
        recipe="old",
        fingerprint=parts.digest(),
        fingerprint_of=parts,
        inputs=[],
        outputs=[],
        counts=Counts(),
        schema_version=SCHEMA_VERSION - 1,
    )
    write_manifest(Folder(tmp_path), manifest)
    with pytest.raises(UserError, match=f"of version {SCHEMA_VERSION - 1}, and this groundup reads {SCHEMA_VERSION}"):
        read_manifest(Folder(tmp_path))


def test_digests_are_of_values() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


def _with_module(root: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> str:
    (root / "pipeline").mkdir(exist_ok=True)
    (root / "pipeline" / "rule.py").write_text(source)
    (root / "pipeline" / "uses.py").write_text("from pipeline.rule import limit\n")
    monkeypatch.setattr(manifests.code, "_ROOT", root)
    manifests.code._module_file.cache_clear()
    manifests.code._read.cache_clear()
    try:
        return code_digest(("pipeline.uses",))
    finally:
        manifests.code._module_file.cache_clear()
        manifests.code._read.cache_clear()


def test_code_counts_comments_and_docstrings_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _with_module(tmp_path, "limit = 3\n", monkeypatch)
    assert _with_module(tmp_path, '"""Says more."""\n\n# A reason.\nlimit  =  3\n', monkeypatch) == first
    assert _with_module(tmp_path, "limit = 4\n", monkeypatch) != first


def test_a_table_beside_a_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [_with_module(tmp_path, "limit = 3\n", monkeypatch)]
    for table in ('{"a": 1}', '{"a": 2}'):
        (tmp_path / "pipeline" / "uses.json").write_text(table, "utf-8")
        digests.append(_with_module(tmp_path, "limit = 3\n", monkeypatch))
    assert len(set(digests)) == 3


@pytest.mark.parametrize("stage", STAGE_CLASSES, ids=lambda stage: stage.name)
def test_a_stage_depends_on_what_makes_its_output(stage: type) -> None:
    makes = {
        "acquire": "pipeline.sources.crawl_records",
        "extract": "pipeline.readers.members",
        "filter": "pipeline.filters.signals",
        "dedup": "pipeline.dedup.text.kernels",
        "tokenizer": "tokenizer.bpe",
        "shards": "tokenizer.shards.write",
    }
    used = modules_used((stage.__module__,), moves_data)
    assert makes[stage.name] in used  # type: ignore[attr-defined]
    for other in ("pipeline.filters.signals", "pipeline.readers.members"):
        assert (other in used) == (makes[stage.name] == other)  # type: ignore[attr-defined]
    assert "pipeline.engine.runner" not in used
    draws = stage.name in ("acquire", "filter", "tokenizer", "shards")  # type: ignore[attr-defined]
    assert ("manifests.draws" in used) == draws
