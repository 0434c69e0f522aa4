"""What is to come is said before the first byte, and refused where the disk has no room for it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import pipeline.mirrors.space as space
from manifests.errors import UserError
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.mirrors.remote import RemoteFile
from pipeline.mirrors.space import check_space, expected_bytes, free_bytes
from pipeline.recipe import load_recipe


def _file(key: str, size: int | None) -> tuple[str, RemoteFile]:
    return f"cc/{key}", RemoteFile(key, f"https://h/{key}", "warc", bytes=size)


def test_known_sizes_are_added_and_what_is_here_is_left_out(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "cc").mkdir()
    (tmp_path / "cc" / "done").write_bytes(b"x" * 50)
    (tmp_path / "cc" / "begun.partial").write_bytes(b"x" * 30)
    files = [_file("done", 50), _file("begun", 100), _file("new", 1000)]
    assert expected_bytes(files, folder, lambda file: None) == 100 - 30 + 1000


def test_unknown_sizes_are_asked_for_a_few(tmp_path: Path) -> None:
    asked = []

    def size_of(file: RemoteFile) -> int:
        asked.append(file.key)
        return 10 + 2 * int(file.key)

    files = [_file(str(number), None) for number in range(100)]
    total = expected_bytes([*files, _file("known", 7)], Folder(tmp_path), size_of)
    assert 1 < len(asked) <= 8
    assert total is not None
    assert abs(total - (sum(10 + 2 * number for number in range(100)) + 7)) < 0.1 * total
    assert expected_bytes(files, Folder(tmp_path), lambda file: None) is None


def test_a_disk_without_room_stops_the_run_before_a_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, listing = tmp_path / "site", "crawl-data/CC-MAIN-2024-10/warc.paths.gz"
    keys = [f"crawl-data/CC-MAIN-2024-10/{number}.warc.gz" for number in range(3)]
    for key in keys:
        (site / key).parent.mkdir(parents=True, exist_ok=True)
        (site / key).write_bytes(gzip.compress(b"x" * 100_000, 0))
    (site / listing).write_bytes(gzip.compress("\n".join(keys).encode()))
    recipe = tmp_path / "recipe.toml"
    with LoopbackMirror(site) as mirror:
        recipe.write_text(
            f'name = "n"\noutput = "{tmp_path}/out"\n[[sources]]\nname = "cc"\nkind = "common_crawl"\n'
            f'crawl = "CC-MAIN-2024-10"\nmirror = "{mirror.url}"\n'
        )
        monkeypatch.setattr(space, "free_bytes", lambda folder: 300_000)
        with pytest.raises(UserError, match=r"3 files, about 300\.\d kB to download, and its disk has 300\.0 kB free"):
            run_build(load_recipe(recipe), until="acquire")
        assert not [request for request in mirror.requests if request.path in keys and request.method == "GET"]
        monkeypatch.setattr(space, "free_bytes", lambda folder: 1_000_000)
        run_build(load_recipe(recipe), until="acquire")
    assert all((tmp_path / "out/acquire/cc" / key).is_file() for key in keys)


def test_room_is_that_of_the_disk_where_the_build_will_be(tmp_path: Path) -> None:
    free = free_bytes(Folder(tmp_path / "not" / "there" / "yet"))
    assert free is not None
    assert free > 0
    assert free_bytes(Folder("memory://bucket/build")) is None
    assert "free on the disk" in check_space(Folder(tmp_path), "2 files", 1)
    assert check_space(Folder("memory://bucket/build"), "2 files", None) == (
        "acquire: 2 files, of unknown size to download"
    )
