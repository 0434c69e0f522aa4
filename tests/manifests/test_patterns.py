"""Files of this machine that patterns match: links in circles, names that look like something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from manifests.errors import UserError
from manifests.patterns import matching_files
from pipeline.sources.code import CodeSource
from pipeline.sources.files import FilesSource
from pipeline.sources.kinds import list_files
from tests.manifests.test_paths import ODD_NAMES


def _write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def _keys(folder: Path, *patterns: str) -> list[str]:
    source = FilesSource(name="f", paths=list(patterns), format="text")
    return [file.key for file in list_files(source, folder)]


# name of a link -> where it leads; the files are data/a.txt, data/x/b.txt, data/y/c.txt and other/d.txt.
_CIRCLES = {
    "to the parent": {"data/x/up": ".."},
    "to a grandparent": {"data/x/up": "../.."},
    "to the folder of the recipe": {"data/up": ".."},
    "to the folder that it is in": {"data/x/here": "."},
    "to itself": {"data/x/self": "self"},
    "of a file to itself": {"data/x/self.txt": "self.txt"},
    "two to each other": {"data/x/to_y": "../y", "data/y/to_x": "../x"},
    "two links to each other": {"data/one": "two", "data/two": "one"},
    "a ring": {"data/x/next": "../y", "data/y/next": "../z", "data/z/next": "../x"},
    "to nothing": {"data/x/gone.txt": "gone", "data/gone": "nowhere"},
    "of a file to another": {"data/x/again.txt": "b.txt", "data/x/0.txt": "b.txt"},
    "of a folder to another": {"data/0": "x", "data/x/zz": "../y"},
}


@pytest.mark.parametrize("links", _CIRCLES.values(), ids=_CIRCLES)
def test_links_in_circles_end(tmp_path: Path, links: dict[str, str]) -> None:
    _write(tmp_path, "data/a.txt", "data/x/b.txt", "data/y/c.txt", "data/z/z.bin", "other/d.txt")
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    assert _keys(tmp_path, "data/**/*.txt") == ["data/a.txt", "data/x/b.txt", "data/y/c.txt"]
    assert _keys(tmp_path, "data/**") == ["data/a.txt", "data/x/b.txt", "data/y/c.txt", "data/z/z.bin"]
    assert _keys(tmp_path, f"{tmp_path}/**/b.txt") == [f"{tmp_path}/data/x/b.txt"]


def test_forty_folders_that_link_to_each_other(tmp_path: Path) -> None:
    for number in range(40):
        _write(tmp_path, f"{number}/{number}.txt")
        for other in range(40):
            (tmp_path / f"{number}/to{other}").symlink_to(f"../{other}")
    assert _keys(tmp_path, "**/*.txt") == sorted(f"{number}/{number}.txt" for number in range(40))


def test_links_to_what_lies_elsewhere_are_followed(tmp_path: Path) -> None:
    _write(tmp_path, "disk/one/1.txt", "disk/2.txt", "recipe/own.txt")
    (tmp_path / "recipe/data").symlink_to("../disk")
    (tmp_path / "recipe/file.txt").symlink_to("../disk/2.txt")
    assert _keys(tmp_path / "recipe", "**/*.txt") == ["data/2.txt", "data/one/1.txt", "own.txt"]
    # A link that a pattern names is followed even where it leads back.
    (tmp_path / "recipe/up").symlink_to("..")
    assert _keys(tmp_path / "recipe", "up/disk/*.txt") == ["up/disk/2.txt"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_match_themselves_and_a_star(tmp_path: Path, name: str) -> None:
    _write(tmp_path, f"data/{name}.txt", f"{name}/plain.txt")
    assert f"data/{name}.txt" in _keys(tmp_path, "data/*.txt")
    assert f"data/{name}.txt" in _keys(tmp_path, "**/*.txt")
    assert f"data/{name}.txt" in _keys(tmp_path, f"data/{name}.txt")
    assert f"{name}/plain.txt" in _keys(tmp_path, f"./{name}/*.txt")
    assert f"{tmp_path}/{name}/plain.txt" in _keys(tmp_path, f"{tmp_path}/{name}/**/*.txt")
    key = f"file://{tmp_path}/data/{name}.txt"
    (file,) = list_files(FilesSource(name="f", paths=[key], format="text"), tmp_path)
    assert (file.key, file.url) == (key, f"{tmp_path}/data/{name}.txt")


def test_patterns_match_as_glob_does(tmp_path: Path) -> None:
    _write(tmp_path, "a1.txt", "a2.txt", "a[1].txt", ".hidden.txt", ".git/x.txt", "b/.c/d.txt", "b/e/f.txt", "b/g.md")
    assert _keys(tmp_path, "a[1].txt") == ["a1.txt", "a[1].txt"]
    assert _keys(tmp_path, "a[[]1].txt") == ["a[1].txt"]
    assert _keys(tmp_path, "a?.txt") == ["a1.txt", "a2.txt"]
    assert _keys(tmp_path, "[!a]/**/*") == ["b/e/f.txt", "b/g.md"]
    assert _keys(tmp_path, "**/*.txt") == ["a1.txt", "a2.txt", "a[1].txt", "b/e/f.txt"]
    assert _keys(tmp_path, ".*.txt", "b/.*/*", "*/e/../g.md") == [".hidden.txt", "b/.c/d.txt", "b/e/../g.md"]
    for nothing in ("a", "b/", ".", "./", "/", "nowhere/**/*", "a1.txt/*"):
        assert matching_files(nothing, str(tmp_path)) == []


def test_a_name_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    bad = tmp_path / os.fsdecode(b"data/b\xffd\n.txt")
    bad.parent.mkdir()
    bad.write_text("x")
    for source in (
        FilesSource(name="f", paths=["data/*"], format="text"),
        FilesSource(name="f", paths=[f"file://{tmp_path}/**/*.txt"], format="text"),
        CodeSource(name="f", paths=["data"]),
    ):
        with pytest.raises(
            UserError, match=r"^source 'f': the name of b'.*data/b\\xffd\\n.txt' is no UTF-8. Rename it"
        ):
            list_files(source, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    _write(tmp_path, "a/b/c.txt")
    (tmp_path / "a/b").chmod(0)
    try:
        with pytest.raises(UserError, match=r"a/b': cannot be listed \(Permission denied\)"):
            _keys(tmp_path, "**/*.txt")
    finally:
        (tmp_path / "a/b").chmod(0o755)


def test_chains_of_urls_are_refused() -> None:
    for path in ("zip://x/*.txt::/data/a.zip", "simplecache::s3://bucket/*.txt"):
        with pytest.raises(ValueError, match="chain of URLs"):
            FilesSource(name="f", paths=[path], format="text")
