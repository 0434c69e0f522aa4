"""Publishing: a file is there whole or not at all, on a local disk and on another file system."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from manifests.errors import UserError
from manifests.storage import TEMPORARY_SUFFIX, Folder, refused_write
from tests.conftest import REPOSITORY


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(tmp_path / "build" if request.param == "local" else f"memory://{uuid.uuid4()}/build")


def test_a_published_file_reads_back_with_its_digest(folder: Folder) -> None:
    data = os.urandom(3_000_000)
    published = folder.publish_bytes("part/a.bin", data)
    assert published.sha256 == hashlib.sha256(data).hexdigest()
    assert folder.digest("part/a.bin") == published
    assert folder.read_bytes("part/a.bin") == data
    assert folder.size("part/a.bin") == published.bytes == len(data)
    assert folder.list() == ["part/a.bin"]


def test_an_error_publishes_nothing_and_keeps_what_was_there(folder: Folder) -> None:
    folder.publish_bytes("a.bin", b"old")
    with pytest.raises(TypeError), folder.publish("a.bin") as file:
        file.write([file.write(b"new")])
    assert folder.read_bytes("a.bin") == b"old"
    assert folder.list() == ["a.bin"]


def test_lists_are_sorted_and_empty_where_nothing_is(folder: Folder) -> None:
    for name in ("b/2", "a", "b/1"):
        folder.publish_bytes(name, b"")
    assert folder.list() == ["a", "b/1", "b/2"]
    assert folder.list("b") == ["b/1", "b/2"]
    assert folder.list("nowhere") == []
    folder.delete("b")
    folder.delete("nowhere")
    assert folder.list() == ["a"]


def test_a_killed_writer_leaves_no_file_under_its_name(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom manifests.storage import Folder\n"
        "with Folder(sys.argv[1]).publish('a.bin') as file:\n"
        "    file.write(b'x' * 100_000); print('written', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    folder = Folder(tmp_path)
    assert not folder.exists("a.bin")
    assert all(name.endswith(TEMPORARY_SUFFIX) for name in folder.list())
    assert folder.remove_unpublished() == 1
    assert folder.list() == []


def test_a_full_disk_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.bin: the disk is full"), Folder(tmp_path).publish("a.bin"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert Folder(tmp_path).list() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_write_that_nobody_named(number: int) -> None:
    named = refused_write(OSError(number, os.strerror(number), "/somewhere/cache.bin"))
    assert str(named).startswith("/somewhere/cache.bin: the ")
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        raise OSError(number, os.strerror(number))
    assert "a temporary file, perhaps in " in str(refused_write(caught.value))

    def library(path: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        library(Path("cache/index.nbi"))
    assert str(refused_write(caught.value)).startswith("cache/index.nbi: the ")
    assert refused_write(OSError(errno.EIO, "Input/output error", "x")) is None
    assert refused_write(ValueError("no write")) is None


def test_appended_bytes_and_a_device_that_is_full(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.append("a.txt", b"one")
    folder.append("a.txt", b"two")
    assert folder.read_bytes("a.txt") == b"onetwo"
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    (tmp_path / "b.txt").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"b\.txt: the disk is full"):
        folder.append("b.txt", b"x")


def test_a_folder_below_a_file_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Folder(tmp_path / "file" / "build").publish_bytes("a", b"")


def test_links_are_names_and_lead_nowhere(tmp_path: Path) -> None:
    """A folder of somebody else's that is linked into a build is never listed, and so never cleaned up."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "precious.txt").write_text("mine")
    folder = Folder(tmp_path / "build")
    folder.publish_bytes("sub/part", b"12345")
    root = tmp_path / "build" / "sub"
    (root / "notes").symlink_to(notes)
    (root / "loop").symlink_to(root)
    (root / "nowhere").symlink_to(tmp_path / "gone")
    (root / "file").symlink_to(notes / "precious.txt")
    sizes = folder.sizes()
    assert list(sizes) == ["sub/file", "sub/loop", "sub/notes", "sub/nowhere", "sub/part"]
    assert (sizes["sub/part"], sizes["sub/file"]) == (5, 4)
    assert folder.list("sub") == list(sizes)
    for path in folder.list():
        folder.delete(path)
    assert (notes / "precious.txt").read_text() == "mine"


def test_sizes_are_those_of_the_files(folder: Folder) -> None:
    for path, size in (("a/b/c", 3), ("a/d", 0), ("e", 70_000)):
        folder.publish_bytes(path, bytes(size))
    assert folder.sizes() == {"a/b/c": 3, "a/d": 0, "e": 70_000}
    assert folder.sizes("a") == {"a/b/c": 3, "a/d": 0}
    assert folder.sizes("none") == {}
