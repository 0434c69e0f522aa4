"""`groundup drops` on a million documents, beside the same answers with pyarrow and numpy.

A question is asked in a process that has asked before ("inside") and as a command from start to end ("command"); the
files are in the page cache. The peers read the same columns of the same files: for a URL those of every part of every
stage, for other thresholds the signals that are compared. Figures are medians, and ratios are taken within a round.
"""

from __future__ import annotations

import hashlib
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as pd

from bench import drops_data
from bench.data import OUTPUT, REPOSITORY
from bench.results import Bench, Result, Table
from manifests.explore.build import Build
from manifests.explore.near import near_drops
from manifests.explore.samples import find_drops
from manifests.explore.sightings import find_journeys, near_urls
from manifests.explore.sql import Tables
from manifests.explore.what_if import what_if

_NUM_DOCUMENTS = 1_000_000
_REASON = "c4_too_few_sentences"
_KEY, _VALUE = "gopher_quality.min_words", 30.0
_STAGES = ("extract", "filter", "dedup")


def _made() -> Path:
    """The build, made once."""
    source = hashlib.sha256(Path(drops_data.__file__).read_bytes()).hexdigest()[:8]
    target = OUTPUT / "data" / f"drops-{_NUM_DOCUMENTS}-{source}"
    if not target.exists():
        unfinished = target.with_suffix(".unfinished")
        drops_data.make_build(unfinished, _NUM_DOCUMENTS)
        unfinished.rename(target)
    return target


def _urls(build: Build) -> dict[str, str]:
    """A URL of a document that each stage dropped, of one that was kept, and one that is nowhere."""
    parts = {f"dropped by {stage}": build.parts(stage, dropped=True)[-1] for stage in _STAGES}
    parts["kept"] = build.parts("dedup")[-1]
    urls = {name: next(build.tables(part, ["url"]))["url"][7].as_py() for name, part in parts.items()}
    return urls | {"nowhere": urls["kept"] + "x"}


def _where(build: Build, url: str) -> tuple[Any, ...]:
    with Tables(build) as tables:
        journeys = find_journeys(build, tables, "url", url)
        if not journeys:
            near_urls(build, tables, url)
            return ("nowhere",)
        last = journeys[0].last
        return last.part, last.row


def _where_with_pyarrow(build: Build, url: str) -> tuple[Any, ...]:
    """The last row of this URL in the parts of all stages."""
    found: tuple[Any, ...] = ("nowhere",)
    for stage in _STAGES:
        for dropped in (False, True):
            for part in build.parts(stage, dropped):
                column = pd.dataset(build.folder.full(part)).to_table(["url"])["url"]
                row = pc.index(column, url).as_py()
                found = (part, row) if row >= 0 else found
    return found


def _what_if(build: Build) -> dict[tuple[str | None, str | None], int]:
    moves: Counter[tuple[str | None, str | None]] = Counter()
    for effect in what_if(build, [f"{_KEY}={_VALUE}"]).effects:
        for move in effect.moves:
            moves[move.before, move.after] += move.num_documents
    return dict(moves)


def _what_if_with_numpy(build: Build) -> dict[tuple[str | None, str | None], int]:
    paths = [entry.path for entry in build.manifest("filter").outputs if entry.path.startswith("signals/")]
    rules = drops_data.COMPARISONS
    columns = sorted({rule["signal"] for rule in rules})
    table = pd.dataset([build.folder.full(f"filter/{path}") for path in paths]).to_table(["reason", *columns])
    signals = {name: table[name].to_numpy() for name in columns}
    reasons = [rule["reason"] for rule in rules]
    decided = np.full((2, len(table)), len(rules), dtype=np.int8)
    for place in reversed(range(len(rules))):
        rule = rules[place]
        for side, limit in enumerate((rule["threshold"], _VALUE if rule["setting"] == _KEY else rule["threshold"])):
            signal = signals[rule["signal"]]
            decided[side][signal < limit if rule["must_be"] == "at_least" else signal > limit] = place
    recorded = pc.fill_null(pc.index_in(table["reason"], pc.cast(reasons, "string")), len(rules)).to_numpy()
    if not (recorded == decided[0]).all():
        raise RuntimeError("signals and decisions disagree")
    pairs, numbers = np.unique(decided[:, decided[0] != decided[1]], axis=1, return_counts=True)
    names = [*reasons, None]
    return {(names[a], names[b]): int(number) for (a, b), number in zip(pairs.T, numbers, strict=True)}


def _timed(ask: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = ask()
    return time.perf_counter() - started, answer


def _command(out: Path, arguments: list[str]) -> float:
    """Run it, and return the seconds of the processor that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "groundup", "drops", str(out), *arguments]
    process = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if process.returncode not in (0, 1) or process.stderr.count("\n") > 1:
        raise RuntimeError(f"{' '.join(command)}: {process.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(num_rounds: int) -> Result:
    """Ask every question in every round."""
    out = _made()
    build = Build(str(out))
    urls = _urls(build)
    questions: dict[str, tuple[Callable[[], Any], Callable[[], Any] | None, list[str]]] = {
        f"--url, {name}": (
            lambda url=url: _where(build, url),  # type: ignore[misc]
            lambda url=url: _where_with_pyarrow(build, url),  # type: ignore[misc]
            ["--url", url],
        )
        for name, url in urls.items()
    }
    arguments = ["--reason", _REASON, "--sample", "20"]
    questions |= {
        "--reason, 20": (lambda: list(find_drops(build, _REASON, 20)), None, arguments),
        "--near, 20 a side": (lambda: near_drops(build, _REASON, 20), None, [*arguments, "--near"]),
        "--what-if": (
            lambda: _what_if(build),
            lambda: _what_if_with_numpy(build),
            ["--what-if", f"{_KEY}={_VALUE}"],
        ),
    }
    figures: dict[str, Any] = {name: {"inside": [], "command": [], "command_cpu": [], "peer": []} for name in questions}
    for _ in range(num_rounds):
        for name, (ask, ask_peer, words) in questions.items():
            seconds, answer = _timed(ask)
            figures[name]["inside"].append(seconds)
            if ask_peer is not None:
                seconds, expected = _timed(ask_peer)
                figures[name]["peer"].append(seconds)
                if answer != expected:
                    raise RuntimeError(f"{name}: {answer} is not the peer's {expected}")
            seconds, cpu_seconds = _timed(lambda words=words: _command(out, words))  # type: ignore[misc]
            figures[name]["command"].append(seconds)
            figures[name]["command_cpu"].append(cpu_seconds)
    rows = [[name, *_cells(figures[name])] for name in questions]
    columns = ["question", "inside, ms", "command, ms", "its CPU, ms", "peer, ms", "times faster than peer"]
    return Result(
        {"documents": _NUM_DOCUMENTS, "seconds": figures},
        [Table(f"groundup drops on {_NUM_DOCUMENTS:,} documents", columns, rows)],
        ["page cache warm; the peer is pyarrow (with numpy for --what-if) in this process, and its answers are equal"],
    )


def _cells(taken: dict[str, list[float]]) -> list[str]:
    ours = [f"{1000 * statistics.median(taken[name]):,.0f}" for name in ("inside", "command", "command_cpu")]
    if not taken["peer"]:
        return [*ours, "", ""]
    ratios = [peer / own for own, peer in zip(taken["inside"], taken["peer"], strict=True)]
    return [*ours, f"{1000 * statistics.median(taken['peer']):,.0f}", f"{statistics.median(ratios):.1f}"]


BENCHES = [Bench("drops", "why a page was dropped, and what other thresholds would do", 3, lambda: None, run)]
