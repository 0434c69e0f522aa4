"""Fixtures of the tests of `manifests`."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.explore.build import Build
from tests.copies_builds import make_copies_build
from tests.signal_builds import make_docstrings_build


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A small build whose filter stage has written signals; not to be changed."""
    return Build(make_docstrings_build(tmp_path_factory.mktemp("docstrings")))


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build with planted copies; not to be changed."""
    return make_copies_build(tmp_path_factory.mktemp("copies"))


@pytest.fixture(scope="session")
def copies_again(copies: Build) -> Build:
    """The same documents against that build; not to be changed."""
    return make_copies_build(Path(copies.url).parent, 'against = ["out"]', "again")
