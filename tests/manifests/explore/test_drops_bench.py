"""The made-up build that the bench of `drops` asks."""

from __future__ import annotations

from pathlib import Path

from bench.drops import _STAGES, _urls, _where
from bench.drops_data import make_build
from manifests.explore.build import Build


def test_it_is_a_build_that_drops_can_read(tmp_path: Path) -> None:
    make_build(tmp_path / "out", 4_000, num_parts=4)
    build = Build(str(tmp_path / "out"))
    for name, url in _urls(build).items():
        found = repr(_where(build, url))
        stage = name.removeprefix("dropped by ")
        assert stage not in _STAGES or stage in found, (name, found)
