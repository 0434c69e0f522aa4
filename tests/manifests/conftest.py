"""Fixtures of the tests of `manifests`."""

from __future__ import annotations

import pytest

from manifests.explore.build import Build
from tests.signal_builds import make_docstrings_build


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A small build whose filter stage has written signals; not to be changed."""
    return Build(make_docstrings_build(tmp_path_factory.mktemp("docstrings")))
