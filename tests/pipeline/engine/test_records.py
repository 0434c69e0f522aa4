"""Records of tasks: what a rerun reads, what it trusts, and what it costs on an object store."""

from __future__ import annotations

import builtins
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from manifests.errors import UserError
from manifests.manifest import FileEntry
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.engine.records import PhaseRecords, TaskRecord, error_path, record_path
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.settings import ExecutorSettings
from pipeline.engine.tasks import Phase, Task, TaskOutput, task_fingerprint
from pipeline.recipe import load_recipe

_FILE = "tasks/copy.jsonl"


class Copy(Phase):
    """Publishes the task's text as a file; counts in a file of the test how often it ran."""

    name = "copy"

    def __init__(self, fails: frozenset[str] = frozenset()) -> None:
        self._fails = fails

    def process(self, task: Task, output: TaskOutput) -> None:
        if task.name in self._fails:
            raise UserError(f"{task.name} fails")
        with output.publish(f"part-{task.name}.txt") as file:
            file.write(task.settings["text"].encode())
        output.counts.read("a")
        output.counts.kept("a")
        output.facts["length"] = len(task.settings["text"])


def _tasks(number: int, text: str = "text") -> list[Task]:
    return [Task(name=f"a-{k:05d}", settings={"text": f"{text} {k}"}) for k in range(number)]


def _run(
    build: Folder, tasks: list[Task], phase: Phase | None = None, keep: bool = False
) -> tuple[PhaseRunner, list[TaskRecord]]:
    parts: dict[str, Any] = {"code": "one", "libraries": {}}
    runner = PhaseRunner(build, "copies", parts, ExecutorSettings(), keep_strangers=keep)
    return runner, runner.run(phase or Copy(), tasks)


@pytest.fixture
def build(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "build")


def test_a_complete_phase_has_one_file_of_records(build: Folder) -> None:
    tasks = _tasks(30)
    first, records = _run(build, tasks)
    assert (first.num_run, first.num_reused) == (30, 0)
    folder = build.folder("copies")
    assert folder.list("tasks") == [_FILE]
    assert [record.task for record in records] == [task.name for task in tasks]
    assert [record.facts["length"] for record in records] == [len(task.settings["text"]) for task in tasks]
    assert first.record_digests == {_FILE: folder.digest(_FILE).sha256}
    data = folder.read_bytes(_FILE)
    again, same = _run(build, tasks)
    assert (again.num_run, again.num_reused) == (0, 30)
    assert [record.json for record in same] == [record.json for record in records]
    assert again.record_digests == first.record_digests
    assert folder.read_bytes(_FILE) == data


def test_only_what_does_not_hold_runs_again(build: Folder) -> None:
    _run(build, _tasks(20))
    changed = [*_tasks(20)[:-1], Task(name="a-00019", settings={"text": "another"})]
    assert _run(build, changed)[0].num_run == 1
    build.delete("copies/part-a-00003.txt")
    (Path(build.full("copies")) / "part-a-00004.txt").write_text("longer than it was")
    assert _run(build, changed)[0].num_run == 2
    assert build.read_bytes("copies/part-a-00004.txt") == b"text 4"


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[: len(line) // 2],
        lambda line: b"",
        lambda line: b"[]",
        lambda line: line.replace(b'"facts"', b'"acts"'),
        lambda line: b"\xff" + line,
        lambda line: line.replace(b"sha256:", b"sha256;", 1),
        lambda line: line.replace(b'"bytes"', b'"byte"', 1),
        lambda line: line.replace(b'"documents_in"', b'"documents"', 1),
        lambda line: line.replace(b'"damaged":[]', b'"damaged":{}'),
    ],
)
def test_a_damaged_record_runs_its_task_again(build: Folder, damage: Callable[[bytes], bytes]) -> None:
    _run(build, _tasks(10))
    file = Path(build.full(f"copies/{_FILE}"))
    whole = file.read_bytes()
    lines = whole.splitlines()
    lines[4] = damage(lines[4])
    file.write_bytes(b"\n".join(lines) + b"\n")
    assert _run(build, _tasks(10))[0].num_run == 1
    left, right = (
        [json.loads(line) | {"run": None, "check": None} for line in data.splitlines()]
        for data in (file.read_bytes(), whole)
    )
    assert left == right


def test_what_was_done_before_a_failure_is_kept(build: Folder) -> None:
    with pytest.raises(UserError, match="1 of 10 tasks failed: a-00007 fails"):
        _run(build, _tasks(10), Copy(frozenset({"a-00007"})))
    folder = build.folder("copies")
    assert folder.exists(error_path("copy", "a-00007"))
    runner, _ = _run(build, _tasks(10))
    assert (runner.num_run, runner.num_reused) == (1, 9)
    assert folder.list("tasks") == [_FILE]


def test_a_run_killed_while_it_folds_records_loses_none(build: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the file of all records is published and before the single ones are gone, and before it is published."""
    for method in ("delete", "publish"):
        original = getattr(Folder, method)

        def killed(self: Folder, path: str, *rest: Any, of: Any = original, **named: Any) -> Any:
            if path in ("tasks/copy", _FILE):
                raise KeyboardInterrupt
            return of(self, path, *rest, **named)

        with monkeypatch.context() as patch:
            patch.setattr(Folder, method, killed)
            with pytest.raises(KeyboardInterrupt):
                _run(build, _tasks(6, method))
        runner, records = _run(build, _tasks(6, method))
        assert (runner.num_run, runner.num_reused) == (0, 6)
        assert build.folder("copies").list("tasks") == [_FILE]
        assert [record.facts["length"] for record in records] == [len(f"{method} {k}") for k in range(6)]


def test_a_record_does_not_outlive_its_outputs(build: Folder) -> None:
    """Settings go to others and back, and the run with the others is stopped after it published an output."""

    class Stopped(Copy):
        def process(self, task: Task, output: TaskOutput) -> None:
            super().process(task, output)
            raise UserError("stopped before the record")

    before, after = _tasks(4, "one"), _tasks(4, "two")
    _run(build, before)
    with pytest.raises(UserError, match="stopped"):
        _run(build, after, Stopped())
    assert build.read_bytes("copies/part-a-00001.txt") == b"two 1"
    assert _run(build, before)[0].num_run == 4
    assert build.read_bytes("copies/part-a-00001.txt") == b"one 1"


def test_an_output_that_is_deleted_between_two_runs_of_a_phase_is_made_again(build: Folder) -> None:
    runner, _ = _run(build, _tasks(4))
    runner.delete("part-a-00002.txt")
    runner.run(Copy(), _tasks(4))
    assert runner.num_run == 5
    assert build.read_bytes("copies/part-a-00002.txt") == b"text 2"


def test_records_of_tasks_that_are_no_longer_planned(build: Folder) -> None:
    """They go; where downloads are kept, they stay, and the download is not repeated when it is planned again."""
    folder = build.folder("copies")
    _run(build, _tasks(5), keep=True)
    _run(build, _tasks(3), keep=True)
    assert set(PhaseRecords(folder, "copy", folder.sizes()).by_task) == {task.name for task in _tasks(5)}
    assert _run(build, _tasks(5), keep=True)[0].num_run == 0
    _run(build, _tasks(3))
    assert set(PhaseRecords(folder, "copy", folder.sizes()).by_task) == {task.name for task in _tasks(3)}
    _run(build, [])
    assert folder.list("tasks") == []


def test_fingerprints_do_not_run_together() -> None:
    entry = FileEntry(path="a", bytes=1, sha256="b")
    tasks = [
        Task(name="x"),
        Task(name="x", settings={"k": 1}),
        Task(name="x", inputs=(entry,)),
        Task(name="x", inputs=(entry, entry)),
        Task(name="x", inputs=(FileEntry(path="a\0b\0a", bytes=1, sha256="b"),)),
        Task(name="x\0a"),
    ]
    prints = {task_fingerprint(task, phase, digest) for task in tasks for phase in "pq" for digest in ("1", "2")}
    assert len(prints) == len(tasks) * 4
    wider = FileEntry(path="a", bytes=2, sha256="b", documents=5)
    assert task_fingerprint(Task(name="x", inputs=(wider,)), "p", "1") == task_fingerprint(tasks[2], "p", "1")


def test_record_paths_are_below_the_phase() -> None:
    assert record_path("copy", "a-1") == "tasks/copy/a-1.json"


_RECIPE = """
name = "records"
output = "{output}"
[[sources]]
name = "texts"
kind = "files"
paths = ["{texts}/*.txt"]
format = "text"
rules = []
[filter]
languages = []
[tokenizer]
vocab_size = 300
[shards]
tokens_per_shard = 10_000
validation_fraction = 0.0
"""


def test_a_rerun_reads_each_manifest_once_and_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number, name in enumerate(("README.md", "CONTRIBUTING.md", "LICENSE")):
        text = (Path(__file__).parents[3] / name).read_text(encoding="utf-8")
        (texts / f"{number}.txt").write_text(text, encoding="utf-8")
    path = tmp_path / "recipe.toml"
    path.write_text(_RECIPE.format(output=tmp_path / "out", texts=texts))
    run_build(load_recipe(path))
    opened: Counter[str] = Counter()
    original = builtins.open
    read_bytes = Path.read_bytes

    def counted(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "r" in mode:
            opened[str(file)] += 1
        return original(file, mode, *rest, **named)

    def counted_bytes(self: Path) -> bytes:
        opened[str(self)] += 1
        return read_bytes(self)

    monkeypatch.setattr(builtins, "open", counted)
    monkeypatch.setattr(Path, "read_bytes", counted_bytes)
    report = run_build(load_recipe(path))
    assert report.rebuilt == []
    manifests = {name: number for name, number in opened.items() if name.endswith("/manifest.json")}
    assert len(manifests) == len(report.reused)
    assert set(manifests.values()) == {1}
    assert [name for name in opened if "/tasks/" in name] == []


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Counter[str]]]:
    """A bucket on this machine, and what is asked of it: (URL, requests by method and kind)."""
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed (pip install groundup[s3])")
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed (pip install groundup[test])")
    from werkzeug.serving import make_server

    asked: Counter[str] = Counter()
    application = server.DomainDispatcherApplication(server.create_backend_app)

    def counting(environment: dict[str, Any], start: Any) -> Any:
        kind = "list" if "list-type" in environment["QUERY_STRING"] else "object"
        asked[f"{environment['REQUEST_METHOD']} {kind}"] += 1
        return application(environment, start)

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "owner")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setitem(fsspec.config.conf, "s3", {})
    serving = make_server("127.0.0.1", 0, counting, threaded=True)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{serving.server_port}")
        s3fs.S3FileSystem.clear_instance_cache()
        yield "s3://records", asked
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        serving.shutdown()
        thread.join()


def test_a_reused_phase_in_a_bucket_asks_for_listings_only(build: Folder, requests: tuple[str, Counter[str]]) -> None:
    """At most one request for 500 tasks: pages of the listing, and the file of records."""
    from moto.s3.models import s3_backends

    url, asked = requests
    tasks = _tasks(2_000)
    _, records = _run(build, tasks)
    server = s3_backends["123456789012"]["aws"]  # in this process: quicker than two thousand uploads
    server.create_bucket("records", "us-east-1")
    for path in build.list():
        server.put_object("records", f"out/{path}", build.read_bytes(path))
    runner, same = _run(Folder(f"{url}/out"), tasks)
    assert (runner.num_run, runner.num_reused) == (0, len(tasks))
    assert [record.json for record in same] == [record.json for record in records]
    assert asked.total() <= len(tasks) // 500, asked
