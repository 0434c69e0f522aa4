"""Compressed files against their formats' own programs: what those accept is read alike, what they refuse is damage."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Sequence
from random import Random

from pipeline.readers.members import MemberStream
from tests.fuzz.harness import Case, Target, fuzz_test
from tests.fuzz.mutate import changed
from tests.fuzz.seeds import ARTICLE, HTML, PACKERS

_COMMANDS = {
    ".gz": ("gzip", "-dc"),
    ".bz2": ("bzip2", "-dc"),
    ".xz": ("xz", "-dc"),
    ".zst": ("zstd", "-dcq", "--long=31"),
    ".lz4": ("lz4", "-dcq"),
}


_MOST_UNPACKED = 32 << 20  # of more the time goes into the bytes alone


def unpacked(case: Case) -> tuple[bytes, list[str]]:
    """All bytes of a compressed file, as far as they are looked at, and its damages."""
    stream = MemberStream(io.BytesIO(case.data), name=case.name)
    data, damages = bytearray(), []
    while True:
        while stream.fill():
            data += stream.buffer
            stream.consume(len(stream.buffer))
            if len(data) > _MOST_UNPACKED:
                return bytes(data), damages
        data += stream.buffer
        if stream.damage is None:
            return bytes(data), damages
        damages.append(stream.damage)
        before = stream.resume_offset()
        if not stream.next_run():
            return bytes(data), damages
        assert before > stream.run_offset - 1, "reading goes back"


def check_compressed(case: Case) -> None:
    data, damages = unpacked(case)
    assert (data, damages) == unpacked(case), "another reading gives something else"
    if len(data) > _MOST_UNPACKED:
        return
    ending = next(ending for ending in PACKERS if case.name.endswith(ending))
    if MemberStream(io.BytesIO(case.data), name=case.name).compression is None:
        return  # plain bytes, whatever their name says
    ended = subprocess.run(_COMMANDS[ending], input=case.data, capture_output=True, check=False)
    if ended.returncode == 0 and not ended.stderr:  # nor told that something was passed over
        assert not damages, f"damage in what {_COMMANDS[ending][0]} reads: {damages[0]}"
        assert data == ended.stdout, f"other bytes than {_COMMANDS[ending][0]} reads"
    elif ended.returncode == 1 and b"warning" not in ended.stderr and b"ignored" not in ended.stderr:
        assert damages, f"no damage where {_COMMANDS[ending][0]} refuses"


def _skippable(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def _mutate(random: Random, case: Case, seeds: Sequence[Case]) -> Case:
    """Members in a row, with what a format allows between them, and then perhaps other bytes."""
    ending = next(ending for ending in PACKERS if case.name.endswith(ending))
    data = case.data
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        other = random.choice([seed for seed in seeds if seed.name.endswith(ending)]).data
        between = {".gz": bytes(512), ".xz": bytes(4), ".zst": _skippable(b"x"), ".lz4": _skippable(b"table")}
        data += random.choice((b"", between.get(ending, b""))) + other
    if ending in (".zst", ".lz4") and random.random() < 0.3:
        data = _skippable(random.randbytes(random.choice((0, 1, 40)))) + data
    if random.random() < 0.8:
        data = changed(random, data, [random.choice(seeds).data])
    return Case(case.name, data)


def _seeds() -> list[Case]:
    texts = ("".join(ARTICLE).encode(), HTML.encode() * 30, b"", b"x", bytes(70_000))
    return [
        Case(f"{number}{ending}", pack(text)) for ending, pack in PACKERS.items() for number, text in enumerate(texts)
    ]


TARGETS = [
    Target(f"compressed{ending}", lambda ending=ending: [seed for seed in _seeds() if seed.name.endswith(ending)],
           check_compressed, _mutate, ci_inputs=40)
    for ending in PACKERS
]  # fmt: skip

test_inputs = fuzz_test(TARGETS)
