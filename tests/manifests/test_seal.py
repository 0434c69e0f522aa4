"""The seal: what it keeps, and what it takes in."""

from __future__ import annotations

from pathlib import Path

from manifests.manifest import MANIFEST, json_bytes
from manifests.seal import RUN, SEAL, read_seal, stage_seal, write_seal
from manifests.storage import Folder


def test_a_seal_without_stages_keeps_what_it_has(tmp_path: Path) -> None:
    """A training run that is entered must not take out the stages, whose digests nobody could tell again."""
    build = Folder(tmp_path)
    for stage in ("filter", RUN):
        build.publish_bytes(f"{stage}/{MANIFEST}", stage.encode())
    build.publish_bytes("filter/tasks/filter.jsonl", b"records\n")
    before = {"filter": {"manifest": "m", "records": "r"}}
    build.publish_bytes(SEAL, json_bytes({"recipe": "name", "run": before}))
    write_seal(build, "name", {RUN: stage_seal(build.folder(RUN))})
    seal = read_seal(build)
    assert seal is not None
    assert seal["run"] == {**before, RUN: stage_seal(build.folder(RUN))}


def test_known_digests_are_taken_and_the_others_computed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.publish_bytes(MANIFEST, b"{}")
    for name in ("a", "b"):
        folder.publish_bytes(f"tasks/{name}.jsonl", name.encode())
    plain = stage_seal(folder)
    digests = {path: folder.digest(path).sha256 for path in (MANIFEST, "tasks/a.jsonl")}
    assert stage_seal(folder, digests) == plain
    assert stage_seal(folder, digests | {"tasks/a.jsonl": "0"})["records"] != plain["records"]
