"""The downloader beside `curl --parallel`: 200 files of 5 MB each from a mirror on this machine, three kinds of bodies.

curl writes what arrives. groundup also digests every byte, inflates gzip, flushes each file to the disk and gives it
its name when all of it is right. Both take turns; figures are medians, and ratios are taken within a round. What a
body costs beside the transfer is measured apart, in one thread.
"""

from __future__ import annotations

import gzip
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from bench.data import OUTPUT, missing_data, web_warc
from bench.results import Bench, Result, Table
from manifests.storage import Folder
from pipeline.mirrors.budget import Budget, BudgetSettings
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.integrity import Verifier
from pipeline.mirrors.loopback import LoopbackProcess
from pipeline.mirrors.remote import RemoteFile

_NUM_FILES = 200
_FILE_BYTES = 5_000_000
_NUM_DIFFERENT = 5  # the files are links to so many, which stay in memory: the disk is not what is read
_NUM_WORKERS = 2
_NUM_THREADS = 4
_MEGABYTE = 1e6
_SIDES = ("curl", "curl --parallel-max 8", "groundup")


@dataclass(frozen=True)
class Transfer:
    """One transfer of all files. `peak_memory_bytes`: of the largest process; None where it was not asked."""

    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int | None = None

    @property
    def rate(self) -> float:
        """Megabytes a second."""
        return _NUM_FILES * _FILE_BYTES / self.seconds / _MEGABYTE


def _random_body(seed: int) -> bytes:
    return random.Random(seed).randbytes(_FILE_BYTES)


def _dense_body(seed: int) -> bytes:
    """Records of images and archives: gzip finds little to do."""
    source = random.Random(seed)
    members = bytearray()
    while len(members) < _FILE_BYTES:
        members += gzip.compress(b"WARC/1.0\r\n\r\n" + source.randbytes(60_000) + b"text " * 2_000, 6, mtime=0)
    return _cut(bytes(members))


def _pages_body(seed: int) -> bytes:
    """Real pages, as Common Crawl packs them: about five bytes for each that arrives."""
    whole = web_warc().read_bytes()
    start = whole.index(b"\x1f\x8b\x08", seed * _FILE_BYTES)
    return _cut(whole[start : start + 2 * _FILE_BYTES])


def _cut(members: bytes) -> bytes:
    """Gzip members up to exactly the size of a file; a last one, not compressed, fills what is left."""
    end = 0
    while True:
        member = _member_length(members[end:])
        if end + member > _FILE_BYTES - 100:
            break
        end += member
    left = _FILE_BYTES - end
    for size in range(left - 100, left):
        filling = gzip.compress(random.Random(0).randbytes(size), 0, mtime=0)
        if len(filling) == left:
            return members[:end] + filling
    raise RuntimeError(f"no gzip member has {left} bytes")


def _member_length(data: bytes) -> int:
    import zlib

    member = zlib.decompressobj(wbits=31)
    for start in range(0, len(data), 1 << 16):
        member.decompress(data[start : start + (1 << 16)])
        if member.eof:
            return min(len(data), start + (1 << 16)) - len(member.unused_data)
    raise RuntimeError("the WARC file ends too early")


_BODIES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "random bytes": (".bin", _random_body),
    "WARC, hardly compressed": (".warc.gz", _dense_body),
    "WARC of real pages": (".warc.gz", _pages_body),
}


def _make_site(folder: Path) -> dict[str, list[str]]:
    """A mirror's folder, made once; gives the names of each kind of body."""
    names = {}
    for number, (kind, (ending, make)) in enumerate(_BODIES.items()):
        names[kind] = [f"{number}/{file:03}{ending}" for file in range(_NUM_FILES)]
        if (folder / f"{number}.made").exists():
            continue
        (folder / str(number)).mkdir(parents=True, exist_ok=True)
        for file, name in enumerate(names[kind]):
            target = folder / name
            target.unlink(missing_ok=True)
            if file < _NUM_DIFFERENT:
                target.write_bytes(make(file))
            else:
                target.hardlink_to(folder / names[kind][file % _NUM_DIFFERENT])
        (folder / f"{number}.made").touch()
    return names


def _run_curl(url: str, names: list[str], target: Path, *options: str) -> Transfer:
    list_of_files = target.with_suffix(".curl")
    lines = (f'url = "{url}/{name}"\noutput = "{target}/{name}"\n' for name in names)
    list_of_files.write_text("".join(lines))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = ["curl", "--silent", "--fail", "--create-dirs", "--parallel", *options, "--config", str(list_of_files)]
    done = subprocess.run(command, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"curl ended with {done.returncode}")
    return Transfer(seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def _run_groundup(url: str, names: list[str], target: Path) -> Transfer:
    """Workers with a downloader each, as `acquire` has them; time counts from when all have started."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(_NUM_WORKERS + 1), context.Queue()
    workers = [
        context.Process(target=_work, args=(url, names[number::_NUM_WORKERS], str(target), barrier, results))
        for number in range(_NUM_WORKERS)
    ]
    for worker in workers:
        worker.start()
    barrier.wait(60)
    started = time.perf_counter()
    found = [results.get(timeout=300) for _ in workers]
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return Transfer(seconds, sum(cpu for cpu, _ in found), max(memory for _, memory in found))


def _work(url: str, names: list[str], target: str, barrier: Barrier, results: Queue[tuple[float, int]]) -> None:
    budget = Budget(f"{target}.budget", BudgetSettings(connections=64, requests_per_second=1e6))
    out = Folder(target)
    files = [RemoteFile(name, f"{url}/{name}", "warc") for name in names]
    with Downloader(budget=budget) as downloader, ThreadPoolExecutor(_NUM_THREADS) as threads:
        barrier.wait(60)
        started = time.process_time()
        list(threads.map(lambda file: downloader.download(file, out), files))
        results.put((time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def _check_copies(site: Path, target: Path, names: list[str]) -> None:
    for name in names:
        if (target / name).read_bytes() != (site / name).read_bytes():
            raise RuntimeError(f"{target / name} is not what the mirror has")


def _extras(site: Path, names: list[str]) -> dict[str, float]:
    """Megabytes of the file a second, in one thread, for what groundup does more than curl."""
    rates = {}
    contents = [(site / name).read_bytes() for name in names[:_NUM_DIFFERENT]]
    for what, path in (("sha256", "x.bin"), ("sha256 and inflating", "x.gz")):
        if path.endswith(".gz") and not names[0].endswith(".gz"):
            continue
        started = time.process_time()
        for content in contents:
            verifier = Verifier(path)
            for start in range(0, len(content), 1 << 18):
                verifier.feed(content[start : start + (1 << 18)])
            verifier.finish()
        rates[what] = len(contents) * _FILE_BYTES / (time.process_time() - started) / _MEGABYTE
    return rates


def _run(num_rounds: int) -> Result:
    site, out = OUTPUT / "data" / "acquire", OUTPUT / "acquire"
    names = _make_site(site)
    transfers: dict[str, dict[str, list[Transfer]]] = {kind: {side: [] for side in _SIDES} for kind in names}
    with LoopbackProcess(site) as mirror:
        for round_number in range(-1, num_rounds):  # the first round warms up: it is checked and not counted
            for kind in names:
                for side in _SIDES:
                    shutil.rmtree(out, ignore_errors=True)
                    out.mkdir(parents=True)
                    os.sync()  # nobody waits for what another one wrote
                    target = out / "files"
                    options = {"curl": (), "curl --parallel-max 8": ("--parallel-max", "8")}.get(side)
                    if options is None:
                        transfer = _run_groundup(mirror.url, names[kind], target)
                    else:
                        transfer = _run_curl(mirror.url, names[kind], target, *options)
                    if round_number < 0:
                        _check_copies(site, target, names[kind])
                    else:
                        transfers[kind][side].append(transfer)
    extras = {kind: _extras(site, names[kind]) for kind in names}
    shutil.rmtree(out, ignore_errors=True)
    return _result(transfers, extras)


def _result(transfers: dict[str, dict[str, list[Transfer]]], extras: dict[str, dict[str, float]]) -> Result:
    figures: dict[str, Any] = {"cpus": os.cpu_count(), "workers": _NUM_WORKERS, "threads": _NUM_THREADS, "bodies": {}}
    rows, cost_rows = [], []
    for kind, sides in transfers.items():
        rates = {side: statistics.median(transfer.rate for transfer in found) for side, found in sides.items()}
        cpu = {side: statistics.median(transfer.cpu_seconds for transfer in found) for side, found in sides.items()}
        ratios = [ours.rate / theirs.rate for ours, theirs in zip(sides["groundup"], sides["curl"], strict=True)]
        memory = max(transfer.peak_memory_bytes or 0 for transfer in sides["groundup"]) / _MEGABYTE
        rows.append(
            [
                kind,
                *(f"{rates[side]:,.0f}" for side in _SIDES),
                f"{statistics.median(ratios):.2f}",
                f"{min(ratios):.2f}-{max(ratios):.2f}",
            ]
        )
        inflating = extras[kind].get("sha256 and inflating")
        cost_rows.append(
            [
                kind,
                f"{cpu['curl']:.2f}",
                f"{cpu['groundup']:.2f}",
                f"{extras[kind]['sha256']:,.0f}",
                "-" if inflating is None else f"{inflating:,.0f}",
                f"{memory:,.0f}",
            ]
        )
        figures["bodies"][kind] = {
            "megabytes_per_second": rates,
            "cpu_seconds": cpu,
            "ratio_to_curl": statistics.median(ratios),
            "ratios_to_curl": ratios,
            "one_thread_megabytes_per_second": extras[kind],
            "peak_memory_megabytes": memory,
        }
    speed = Table(
        f"{_NUM_FILES} files of {_FILE_BYTES / _MEGABYTE:.0f} MB over loopback, MB/s",
        ["body", *_SIDES, "ratio to curl", "lowest-highest"],
        rows,
    )
    cost = Table(
        "what it costs: processor seconds of a transfer; MB/s of one thread for what groundup does more; peak memory",
        ["body", "curl s", "groundup s", "sha256", "sha256 + inflating", "MB of a worker"],
        cost_rows,
    )
    notes = [
        f"groundup: {_NUM_WORKERS} workers of {_NUM_THREADS} threads with one shared budget, started before the clock; "
        "every file digested, its gzip members inflated, flushed to the disk (fsync) and then named.",
        f"this machine has {os.cpu_count()} processors for the client and the mirror together; curl uses one.",
    ]
    return Result(figures, [speed, cost], notes)


def _missing() -> str | None:
    return missing_data("web/trafilatura") or (None if shutil.which("curl") else "curl is not installed")


BENCHES = [
    Bench("acquire", "200 files of 5 MB from a mirror on this machine, beside curl --parallel", 5, _missing, _run),
]
