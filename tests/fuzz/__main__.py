"""`python -m tests.fuzz`: all targets with new seeds for some minutes, each in a process of its own.

A line for each target says how many inputs it got and what was found; exit code 1 where something was. A process that
crashes or hangs is a finding, too: its last input is known.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from tests.fuzz import harness
from tests.fuzz.harness import Case, Target, keep, kept_case, outcome, replay_line, shrunk, signature

_TURN_SECONDS = 20.0  # of one target before the next one has its turn
_MORE_MEMORY = 6 << 30  # address space that a process may take beyond what it has at its start
_MOST_FINDINGS = 1000  # of one turn


def load_targets(names: list[str]) -> list[Target]:
    """The targets of the modules beside this one; of them, where names are given, those that one of them begins."""
    modules = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
    targets = [target for module in modules for target in importlib.import_module(f"tests.fuzz.{module}").TARGETS]
    return [target for target in targets if not names or target.name.startswith(tuple(names))]


class Turn:
    """A turn of one target in a child process."""

    def __init__(self, target: Target, seed: int, folder: Path, known: Iterable[str]) -> None:
        self.target = target
        self.seed = seed
        self.known = set(known)  # findings that need not be told again
        self.current = folder / "current"
        self.results = folder / "results"
        self.progress = mmap.mmap(-1, 8)  # inputs begun

    def run(self) -> tuple[int, dict[str, Path]]:
        """The number of inputs, and the findings by what they are, each with the file of an input."""
        self.results.unlink(missing_ok=True)
        try:
            harness.seeds_of_target(self.target)
        except Exception as error:
            traceback.print_exc()
            return 0, {f"no input can be made: {signature(error)}": harness.FINDINGS}
        child = os.fork()
        if child == 0:
            try:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                self._work()
            except BaseException:  # a fault of the target's own: its inputs cannot be drawn
                traceback.print_exc()
            finally:
                os._exit(0)
        try:
            ended = self._watch(child)
        except KeyboardInterrupt:
            os.kill(child, signal.SIGKILL)
            raise
        (num_inputs,) = struct.unpack("<q", self.progress[:8])
        found = {}
        if self.results.exists():
            found = {row["what"]: Path(row["path"]) for row in map(json.loads, self.results.read_text().splitlines())}
        if ended:
            name, _, data = self.current.read_bytes().partition(b"\n")
            found[ended] = keep(self.target, Case(name.decode(), data))
        return num_inputs, found

    def _work(self) -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self.until = time.monotonic() + _TURN_SECONDS
        self.num_findings = 0
        if self.target.strategy is not None and self.seed % 3 == 2:
            for step in count():
                if self._is_over():
                    return
                harness.run_strategy(self.target, self.seed * 1000 + step, 100, self._check)
        for number in count():
            if self._is_over():
                return
            self._check(self.target.draw(self.seed, number))

    def _is_over(self) -> bool:
        return time.monotonic() > self.until or self.num_findings >= _MOST_FINDINGS

    def _check(self, case: Case) -> None:
        if self._is_over():
            return
        self.current.write_bytes(case.name.encode() + b"\n" + case.data)
        self.progress[:8] = struct.pack("<q", struct.unpack("<q", self.progress[:8])[0] + 1)
        error = outcome(self.target, case)
        if error is None:
            return
        self.num_findings += 1
        if signature(error) in self.known:
            return
        self.known.add(signature(error))
        with self.results.open("a") as file:
            path = keep(self.target, shrunk(self.target, case, error))
            file.write(json.dumps({"what": signature(error), "path": str(path)}) + "\n")

    def _watch(self, child: int) -> str | None:
        """Wait for the child; what is wrong with how it ended."""
        begun, since, used = -1, time.monotonic(), 0.0
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return f"crash by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else None
            time.sleep(0.2)
            (now,) = struct.unpack("<q", self.progress[:8])
            if now != begun:
                begun, since, used = now, time.monotonic(), _processor_seconds(child)
            elif _processor_seconds(child) - used > 3 * self.target.seconds + 60 or time.monotonic() - since > 600:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "hang"


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fuzz(targets: list[Target], minutes: float, seed: int) -> int:
    """Give the targets their turns, one after the other, until the minutes are over. Returns the exit code."""
    until = time.monotonic() + 60 * minutes
    inputs: Counter[str] = Counter()
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    turns = ((target, turn) for turn in count(seed) for target in targets)
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):  # then, too, what was found
        while time.monotonic() < until:
            target, turn = next(turns)
            num_inputs, findings = Turn(target, turn, Path(folder), found[target.name]).run()
            inputs[target.name] += num_inputs
            for what, path in findings.items():
                if what not in found[target.name]:
                    found[target.name][what] = path
                    print(f"{target.name}, seed {turn}: {what}; {replay_line(path)}", flush=True)
    print(f"{'target':<24} {'inputs':>9} {'findings':>9}")
    for target in targets:
        print(f"{target.name:<24} {inputs[target.name]:>9,} {len(found[target.name]):>9}")
    return 1 if any(found.values()) else 0


def replay(targets: list[Target], paths: list[Path]) -> int:
    """Give kept inputs to their targets again. Returns the exit code."""
    by_name = {target.name: target for target in targets}
    num_wrong = 0
    for path in paths:
        name, case = kept_case(path)
        harness.seeds_of_target(by_name[name])
        error = outcome(by_name[name], case)
        if error is None:
            print(f"{path}: nothing is wrong", flush=True)
            continue
        num_wrong += 1
        if len(paths) == 1:
            traceback.print_exception(error)
        print(f"{path}: {signature(error)}: {' '.join(str(error).split())[:300]}", flush=True)
    return 1 if num_wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, default=None, help="of the first round; the time's where it is left out")
    parser.add_argument("--target", action="append", default=[], help="what a target's name begins with; all otherwise")
    parser.add_argument("--replay", type=Path, default=[], nargs="+", help="inputs that were kept")
    arguments = parser.parse_args()
    targets = load_targets(arguments.target)
    if arguments.replay:
        return replay(targets, arguments.replay)
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 1_000_000
    print(f"{len(targets)} targets for {arguments.minutes:g} minutes, first seed {seed}", flush=True)
    return fuzz(targets, arguments.minutes, seed)


if __name__ == "__main__":
    sys.exit(main())
