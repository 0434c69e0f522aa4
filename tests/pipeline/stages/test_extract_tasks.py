"""How raw files become tasks of `extract`: fixed by the files alone, small files together, dumps in ranges."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from manifests.code import modules_used
from pipeline.engine.fingerprint import moves_data
from pipeline.extractors.settings import ExtractSettings
from pipeline.stages.extract import Extract, extract_tasks
from tests.conftest import REPOSITORY

_MB = 1 << 20


def _file(number: int, format: str = "text", bytes: int = 1000, source: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "key": f"{source}/{number}",
        "format": format,
        "bytes": bytes,
        "sha256": f"{number:064x}",
        "source": source,
        "language": None,
        "path": None,
        "columns": {},
        **more,
    }


def test_small_files_of_a_source_share_a_task_up_to_a_thousand() -> None:
    files = [_file(number) for number in range(2_500)] + [_file(number, source="b") for number in range(2)]
    tasks = extract_tasks(files)
    assert [(task.name, len(task.inputs)) for task in tasks] == [
        ("a-00000", 1000),
        ("a-00001", 1000),
        ("a-00002", 500),
        ("b-00000", 2),
    ]


def test_files_of_many_documents_have_tasks_of_their_own() -> None:
    files = [_file(0), _file(1, "warc"), _file(2), _file(3), _file(4, "jsonl"), _file(5, "jsonl")]
    assert [[entry.path for entry in task.inputs] for task in extract_tasks(files)] == [
        ["a/0"],
        ["a/1"],
        ["a/2", "a/3"],
        ["a/4"],
        ["a/5"],
    ]


def test_a_dump_is_read_in_the_ranges_that_were_found() -> None:
    tasks = extract_tasks([_file(0, "mediawiki", starts=[0, 70, 150]), _file(1, "mediawiki")])
    assert [task.name for task in tasks] == ["a-00000", "a-00001", "a-00002", "a-00003"]
    pieces = [task.settings["files"][0] for task in tasks]
    assert [(piece.get("start"), piece.get("stop")) for piece in pieces] == [
        (0, 70),
        (70, 150),
        (150, None),
        (None, None),
    ]


def test_columns_reach_the_reader() -> None:
    (task,) = extract_tasks([_file(0, "jsonl", columns={"text": "content", "id": "key"})])
    assert task.settings["files"][0]["columns"] == [("id", "key"), ("text", "content")]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["text", "code", "warc", "gutenberg"]),
            st.sampled_from([0, 10, 3 * _MB, 63 * _MB, 64 * _MB, 900 * _MB]),
            st.sampled_from(["a", "b"]),
        ),
        max_size=60,
    )
)
def test_every_file_is_in_one_task_in_order_and_tasks_stay_small(rows: list[tuple[str, int, str]]) -> None:
    files = [_file(number, *row) for number, row in enumerate(sorted(rows, key=lambda row: row[2]))]
    tasks = extract_tasks(files)
    assert [entry.path for task in tasks for entry in task.inputs] == [file["key"] for file in files]
    assert len({task.name for task in tasks}) == len(tasks)
    for task in tasks:
        assert len({piece["source"] for piece in task.settings["files"]}) == 1
        assert len(task.inputs) == 1 or sum(entry.bytes for entry in task.inputs) <= 64 * _MB


def test_what_was_learned_decides_which_tasks_are_reused() -> None:
    assert Extract(ExtractSettings(), {}, "a").settings() != Extract(ExtractSettings(), {}, "b").settings()


def test_every_module_of_the_extractors_is_in_the_digest_of_the_code() -> None:
    """Also those that another process loads by their name."""
    used = set(modules_used(("pipeline.stages.extract",), moves_data))
    folders = [REPOSITORY / "pipeline" / part for part in ("extractors", "markup", "readers")]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    with_code = [path for path in paths if path.name != "__init__.py" or "import" in path.read_text(encoding="utf-8")]
    modules = {path.relative_to(REPOSITORY).with_suffix("").as_posix() for path in with_code}
    unused = {"pipeline.readers.digests"}  # acquire's, for records that are verified
    assert {name.removesuffix("/__init__").replace("/", ".") for name in modules} - used == unused
