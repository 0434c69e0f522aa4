"""Which texts are URLs, how either is opened, and where the paths of a recipe start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from manifests.errors import UserError
from manifests.paths import (
    as_seen_from_here,
    file_system,
    is_chain,
    is_url,
    local_path,
    open_path,
    relative_to,
    resolve,
)
from manifests.seal import SEAL, misplaced_build
from manifests.settings import read_recipe, written_output
from manifests.storage import Folder, split_path
from pipeline.recipe import load_recipe
from train.settings import load_run

# Each means something to fsspec, a shell or a pattern.
ODD_NAMES = (
    *("a::b", "::a", "zip::a.zip", "simplecache::x", "a[b]", "[1]", "st*r", "wh?t", "per%20cent", "ha#sh"),
    *("new\nline", "-dash", "~", "~tilde", "file:", "http:", "back\\slash", "sp ace", "{a,b}", "$(x)"),
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_local_names_are_taken_as_they_stand(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path / name)
    folder.publish_bytes(f"{name}/{name}.bin", b"data")
    assert (tmp_path / name / name / f"{name}.bin").read_bytes() == b"data"
    assert folder.list() == [f"{name}/{name}.bin"]
    assert folder.folder(name).names() == [f"{name}.bin"]
    path = str(tmp_path / name / name / f"{name}.bin")
    for written in (path, f"file://{path}"):
        assert local_path(written) == path
        with open_path(written) as file:
            assert file.read() == b"data"
        inside, file_name = split_path(written)
        assert inside.digest(file_name).bytes == 4
    folder.delete(name)
    assert folder.list() == []


@pytest.mark.parametrize("name", ["a::b.txt", "zip::a.txt", "a[b].txt", "a#b.txt", "a%20b.txt"])
def test_names_in_a_bucket_are_taken_as_they_stand(name: str) -> None:
    url = f"memory://groundup-test-paths/{name}"
    fs, path = file_system(url)
    assert fs.protocol == "memory"
    assert path.endswith(f"groundup-test-paths/{name}")
    fs.pipe_file(path, b"data")
    with open_path(url) as file:
        assert file.read() == b"data"


def test_chains_are_told_from_names(tmp_path: Path) -> None:
    assert is_chain("zip://a.txt::s3://bucket/b.zip")
    assert is_chain("simplecache::s3://bucket/b")
    assert not is_chain("s3://bucket/a::b.txt")
    assert not is_chain("/data/zip://a::b")
    assert [is_url(text) for text in ("s3://b/x", "S3A://b", "a/s3://b", "/s3://b", "a b://c", "://x", "a::b")] == [
        *(True, True),
        *(False,) * 5,
    ]
    with pytest.raises(ValueError, match="nothing"):
        file_system("nothing://bucket/x")


def test_both_parts_of_a_recipe_have_one_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts at the recipe, whatever the working directory is, and follows a recipe that is a link."""
    recipe = tmp_path / "project" / "recipes" / "r.toml"
    recipe.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.toml").symlink_to(recipe)
    table = '[[sources]]\nname = "t"\nkind = "files"\nformat = "text"\npaths = ["*.txt"]\n'
    for written, right in (
        ("../build/x", tmp_path / "project/build/x"),
        ("build", tmp_path / "project/recipes/build"),
        (f"{tmp_path}/there", tmp_path / "there"),
        ("~/there", tmp_path / "home/there"),
        ("a::b [1]", tmp_path / "project/recipes/a::b [1]"),
    ):
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        recipe.write_text(f'name = "r"\noutput = "{written}"\n{table}')
        for place in (tmp_path, tmp_path / "project", recipe.parent, tmp_path / "elsewhere"):
            monkeypatch.chdir(place)
            for path in (recipe, Path(os.path.relpath(recipe)), tmp_path / "link.toml"):
                built, trained = load_recipe(path).output, load_run(path).output
                assert built == trained
                assert os.path.abspath(built) == str(right)
            set_ = [f"output={written}"]
            assert read_recipe(recipe, set_)["output"] == built
    recipe.write_text(f'name = "r"\noutput = "s3://bucket/x"\n{table}')
    assert load_recipe(recipe).output == load_run(recipe).output == "s3://bucket/x"


def test_a_recipe_in_a_folder_without_a_name_in_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff")
    folder.mkdir()
    (folder / "r.toml").write_text('name = "r"\noutput = "x"\n')
    with pytest.raises(UserError, match=r"recipe: the name of b'.*bad\\xff/r.toml' is no UTF-8"):
        read_recipe(folder / "r.toml")


def test_a_build_at_the_place_of_earlier_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tmp_path / "recipes" / "r.toml"
    recipe.parent.mkdir()
    recipe.write_text('name = "r"\noutput = "build/r x"\n')
    monkeypatch.chdir(tmp_path)

    def line() -> str | None:
        return misplaced_build("r", read_recipe(recipe)["output"], written_output(recipe))

    assert line() is None
    (tmp_path / "build/r x").mkdir(parents=True)
    (tmp_path / "build/r x" / SEAL).write_text('{"recipe": "other", "stages": [], "run": {}}')
    assert line() is None
    (tmp_path / "build/r x" / SEAL).write_text('{"recipe": "r", "stages": [], "run": {}}')
    told = line()
    assert told is not None
    command = told.partition("To go on with it: ")[2]
    assert command == "mkdir -p recipes/build && mv 'build/r x' 'recipes/build/r x'"
    assert os.system(command) == 0
    assert (tmp_path / "recipes/build/r x" / SEAL).is_file()
    assert line() is None


def test_paths_that_move_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "train").mkdir(parents=True)
    assert relative_to("a", "a/train") == ".."
    assert relative_to(f"{tmp_path}/a/shards", "a/train") == "../shards"
    assert relative_to("s3://b/a", "a/train") == "s3://b/a"
    assert resolve("../shards", "a/train") == f"{tmp_path}/a/train/../shards"
    assert as_seen_from_here(f"{tmp_path}/a/train/../shards") == "a/shards"
    assert as_seen_from_here(f"{tmp_path.parent}/other") == f"{tmp_path.parent}/other"
