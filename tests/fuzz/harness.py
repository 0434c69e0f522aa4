"""What a fuzz target is, how its inputs are drawn and checked, and what becomes of one that fails.

Every input follows from the target, a seed and a number. A failing one is written to a file, made smaller where that is
quick, and the message says how to give it to its target again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any
from urllib.parse import quote, unquote

import hypothesis
import pytest
from hypothesis import strategies as st

from manifests.errors import UserError, one_line
from tests.conftest import REPOSITORY
from tests.fuzz.mutate import changed

FINDINGS = Path(os.environ.get("GROUNDUP_FUZZ_FINDINGS", REPOSITORY / "build" / "fuzz"))
CI_SEED = 1
_MOST_MEMORY = 1 << 30  # bytes that one small input may add to the most that the process ever held
_SHRINK_SECONDS = 10.0


@dataclass(frozen=True)
class Case:
    """An input. name: of the file that it stands for, whose ending may matter."""

    name: str
    data: bytes


Mutate = Callable[[Random, Case, Sequence[Case]], Case]


@dataclass(frozen=True)
class Target:
    """Something that reads what strangers write.

    seeds: sound inputs. check: raises for an input that is not handled as it must be. mutate: makes an input of a
    seed, with all seeds at hand; None changes its bytes, with `words` of the format. strategy: inputs that hypothesis
    builds. prepare: what is done once before the first input, such as compiling. seconds: processor time that an input
    may take. ci_inputs: how many the tests draw.
    """

    name: str
    seeds: Callable[[], list[Case]]
    check: Callable[[Case], None]
    mutate: Mutate | None = None
    words: tuple[bytes, ...] = ()
    strategy: Callable[[], st.SearchStrategy[Case]] | None = None
    prepare: Callable[[], Any] = lambda: None
    seconds: float = 5.0
    ci_inputs: int = 60

    def draw(self, seed: int, number: int) -> Case:
        """The input of a seed and a number."""
        random = Random(f"{self.name}/{seed}/{number}")
        seeds = seeds_of_target(self)
        case = seeds[random.randrange(len(seeds))]
        if number < len(seeds) and seed == CI_SEED:  # all the sound ones come first, as they are
            return seeds[number]
        if self.mutate is not None:
            return self.mutate(random, case, seeds)
        others = [other.data for other in random.sample(seeds, min(4, len(seeds)))]
        return Case(case.name, changed(random, case.data, others, self.words))


@functools.cache
def seeds_of_target(target: Target) -> list[Case]:
    seeds = target.seeds()
    assert seeds, target.name
    target.prepare()
    return seeds


class TooSlow(BaseException):
    """An input took more processor time than it may. No code that catches every `Exception` hides it."""


class TooMuchMemory(Exception):
    """An input took more memory than it may."""


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` where what is inside takes more processor time, `TooMuchMemory` where it takes too much."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"over {seconds} seconds of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) << 10
    if grown > _MOST_MEMORY:
        raise TooMuchMemory(f"{grown >> 20} MiB more than ever before")


def outcome(target: Target, case: Case) -> BaseException | None:
    """What is wrong with how a target handles an input; None where nothing is."""
    try:
        with bounded(target.seconds):
            target.check(case)
    except (KeyboardInterrupt, hypothesis.errors.HypothesisException):
        raise
    except BaseException as error:  # a panic of a Rust library is no Exception
        return error
    return None


def signature(error: BaseException) -> str:
    """Which finding an error is: its type and the last place of ours that it went through."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if str(REPOSITORY) in frame.filename]
    product = [frame for frame in ours if "/tests/" not in frame.filename]
    where = (product or ours)[-1:] if not isinstance(error, TooSlow) else product[:1]
    place = f"{Path(where[0].filename).relative_to(REPOSITORY)}:{where[0].lineno}" if where else "?"
    if isinstance(error, AssertionError):
        place = f"{place} {re.sub('[0-9]+', 'N', str(error).splitlines()[0][:80]) if str(error) else ''}"
    return f"{type(error).__name__} at {place}".strip()


def shrunk(target: Target, case: Case, error: BaseException) -> Case:
    """A smaller input with the same finding, as far as some seconds go."""
    if isinstance(error, TooSlow | TooMuchMemory):
        return case
    wanted, until = signature(error), time.monotonic() + _SHRINK_SECONDS
    step = max(1, len(case.data) // 2)
    while step >= 1:
        at = 0
        while at < len(case.data):
            if time.monotonic() > until:
                return case
            smaller = Case(case.name, case.data[:at] + case.data[at + step :])
            again = outcome(target, smaller)
            if again is not None and signature(again) == wanted:
                case = smaller
            else:
                at += step
        step //= 2
    return case


def keep(target: Target, case: Case) -> Path:
    """Write an input to a file whose name says its target and its own name."""
    FINDINGS.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(case.data).hexdigest()[:8]
    path = FINDINGS / f"{target.name}@{digest}@{quote(case.name, safe='')}"
    path.write_bytes(case.data)
    return path


def kept_case(path: Path) -> tuple[str, Case]:
    """The name of the target, and the input, of a file that `keep` wrote."""
    target, _, name = path.name.split("@", 2)
    return target, Case(unquote(name), path.read_bytes())


def replay_line(path: Path) -> str:
    return f"replay it with: python -m tests.fuzz --replay {path}"


class Failed(AssertionError):
    """An input failed; the message says which one, and how to replay it."""


def examine(target: Target, case: Case) -> None:
    """Check an input. Raises `Failed`, with the error as its cause, after the input was made smaller and kept."""
    error = outcome(target, case)
    if error is not None:
        path = keep(target, shrunk(target, case, error))
        raise Failed(f"{target.name}: {signature(error)}: {_short(error)}; {replay_line(path)}") from error


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def run_strategy(target: Target, seed: int, count: int, check: Callable[[Case], None]) -> None:
    """Check `count` inputs that hypothesis builds, drawn by the seed."""
    assert target.strategy is not None

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(target.strategy())
    def run(case: Case) -> None:
        check(case)

    run()


def fuzz_test(targets: Sequence[Target]) -> Any:
    """The test of a module's targets: a small number of inputs, the same ones every time."""

    @pytest.mark.slow
    @pytest.mark.parametrize("target", targets, ids=[target.name for target in targets])
    def test(target: Target) -> None:
        seeds_of_target(target)
        for number in range(target.ci_inputs):
            examine(target, target.draw(CI_SEED, number))
        if target.strategy is not None:
            run_strategy(target, CI_SEED, max(10, target.ci_inputs // 2), functools.partial(examine, target))

    return test


def check_user_error(error: UserError, *names: str) -> None:
    """An error for a user is one line as it is printed, and says one of the names, of the file or key at fault."""
    line = one_line(str(error))
    assert line, "an empty error"
    assert line.isprintable(), f"control characters in an error: {line!a}"
    assert not names or any(one_line(name) in line for name in names), f"names none of {names}: {line!r}"
