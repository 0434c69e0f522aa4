"""What a run spends besides its steps."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from tests.train.builds import paragraphs, recipe, write_build
from train.objectives.pretrain import pretrain
from train.run.pauses import KINDS, Pauses, collect_garbage, garbage_by_hand

TEXT = "".join(f"Line {number} of a text that says little.\n\n" for number in range(400))


@pytest.mark.parametrize("kind", KINDS)
def test_seconds_are_added_to_their_kind_also_where_the_pause_fails(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1.0, 1.5, 10.0, 12.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    pauses = Pauses()
    with pauses.of(kind):
        pass
    assert pauses.last == 0.5
    with pytest.raises(ValueError, match="on purpose"), pauses.of(kind):
        raise ValueError("on purpose")
    assert pauses.rounded() == dict.fromkeys(KINDS, 0.0) | {kind: 2.75}
    assert f"{kind} 2.8 s" in str(pauses)


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_at_fixed_steps_and_as_before_afterwards(enabled: bool) -> None:
    class Node:
        gone = 0

        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            Node.gone += 1

    was_enabled = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with garbage_by_hand():
            assert not gc.isenabled()
            assert gc.get_freeze_count()
            Node()
            for step in range(1, 100):
                collect_garbage(step)
            assert Node.gone == 0
            collect_garbage(100)
            assert Node.gone == 1
        assert gc.isenabled() == enabled
        assert not gc.get_freeze_count()
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_a_run_says_its_pauses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build = write_build(tmp_path / "build", paragraphs(TEXT))
    pretrain(recipe(build, max_tokens=256 * 4), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    pauses = manifest["run"]["pauses"]
    assert set(pauses) == set(KINDS)
    assert all(pauses[kind] > 0 for kind in ("validation", "samples", "checkpoints"))
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    seconds = [row["seconds"] for row in rows if row["kind"] == "validation"]
    assert len(seconds) == 2
    assert sum(seconds) == pytest.approx(pauses["validation"], abs=0.002)
    assert "pauses: validation" in capsys.readouterr().err.splitlines()[-1]
    assert gc.isenabled()
