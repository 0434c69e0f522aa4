"""URL rules beside datatrove's, on the list that it carries (UT1's adult and phishing domains, 4.6 million).

A million of its domains, drawn at random with a seed, and its URLs; the URLs asked for are those of real pages, and
every fifth is made of a listed domain. Sides: groundup; datatrove's `URLFilter` where its extras are installed; else
what it does, in plain Python, as a set of strings: the host, and each domain above it, asked for by `in`, with none of
the spellings of a URL made equal. In turns, in processes of their own; seconds are those of the processor, of the best
of five passes; memory is what the process holds more after compiling.
"""

from __future__ import annotations

import importlib.util
import json
import random
import statistics
import sys
import tarfile
from pathlib import Path
from typing import Any

from bench.data import OUTPUT, REPOSITORY, data_folder, missing_data
from bench.measure import run_measured
from bench.results import Bench, Result, Table

_SEED = 1
_NUM_DOMAINS = 1_000_000
_NUM_URLS = 100_000
_ASSET = "url_filterblacklistsv0_3_0.tar.gz"
_SIDES = ("groundup", "groundup, words", "set of strings", "datatrove")


def _asset() -> Path | None:
    found = importlib.util.find_spec("datatrove")
    path = Path(found.origin).parent / "assets" / _ASSET if found and found.origin else None
    return path if path and path.is_file() else None


def _missing() -> str | None:
    return missing_data("web/trafilatura") or (None if _asset() else f"datatrove carries no {_ASSET}")


def _inputs() -> Path:
    """The folder with the lists (`lists/mixed`) and the URLs (`urls.txt`), made once."""
    folder = OUTPUT / "data" / f"urls-2-{_NUM_DOMAINS}-{_NUM_URLS}"
    if (folder / "urls.txt").exists():
        return folder
    lists = folder / "lists" / "mixed"
    lists.mkdir(parents=True, exist_ok=True)
    asset = _asset()
    assert asset is not None
    with tarfile.open(asset) as archive:
        files = {
            Path(member.name).name: file.read().decode()
            for member in archive
            if member.isfile() and (file := archive.extractfile(member)) is not None
        }
    chance = random.Random(_SEED)
    listed = chance.sample([line for line in files["domains"].splitlines() if line], _NUM_DOMAINS)
    (lists / "domains").write_text("\n".join(listed) + "\n")
    (lists / "urls").write_text(files["urls"])
    with (data_folder() / "web" / "trafilatura" / "manifest.jsonl").open() as file:
        pages = [record["url"] for record in map(json.loads, file) if "://" in (record.get("url") or "")]
    urls = [
        f"http://www.{chance.choice(listed)}/page{number}.html"
        if number % 5 == 0
        else f"{chance.choice(pages).rstrip('/')}/{number}"
        for number in range(_NUM_URLS)
    ]
    (folder / "urls.txt").write_text("\n".join(urls) + "\n")
    return folder


_PROGRAM = """
import json, resource, sys, time
from pathlib import Path
side, folder = sys.argv[1], Path(sys.argv[2])
urls = (folder / "urls.txt").read_text().splitlines()
def memory():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
if side.startswith("groundup"):
    from pipeline.filters.urls import UrlSettings, compile_url_rule
elif side == "datatrove":
    from datatrove.data import Document
    from datatrove.pipeline.filters.url_filter import URLFilter
before, started = memory(), time.process_time()
lists = folder / "lists" / "mixed"
if side.startswith("groundup"):
    words = "soft" if side.endswith("words") else "off"
    rule = compile_url_rule(UrlSettings(block_lists=[str(folder / "lists")], adult_words=words))
    def refuses(url):
        return rule.verdict(url) is not None
elif side == "datatrove":
    import tldextract
    domains, pages = ((lists / name).read_text().split() for name in ("domains", "urls"))
    block = URLFilter(extra_domains=domains, extra_urls=pages, use_integrated_lists=False)
    block.tldextractor = tldextract.TLDExtract(suffix_list_urls=())  # the list that it carries: nothing is fetched
    def refuses(url):
        return block.filter(Document(text="", id="", metadata={"url": url})) is not True
else:
    from urllib.parse import urlsplit
    domains, pages = set((lists / "domains").read_text().split()), set((lists / "urls").read_text().split())
    def refuses(url):
        host = urlsplit(url).hostname
        while host:
            if host in domains:
                return True
            host = host.partition(".")[2]
        return url in pages
compiled, held = time.process_time() - started, memory() - before
passes = []
for _ in range(5):
    started = time.process_time()
    refused = sum(map(refuses, urls))
    passes.append(time.process_time() - started)
print(json.dumps({"compile_seconds": compiled, "memory_bytes": held, "num_refused": refused,
                  "urls_per_second": len(urls) / min(passes)}))
"""


def _measure(side: str, inputs: Path) -> dict[str, Any]:
    log = OUTPUT / "urls" / "log.txt"
    run_measured([sys.executable, "-c", _PROGRAM, side, str(inputs)], REPOSITORY, {}, log)
    found: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return found


def _has_datatrove() -> bool:
    return all(importlib.util.find_spec(name) for name in ("tldextract", "ahocorasick", "fasteners"))


def _run(num_rounds: int) -> Result:
    inputs = _inputs()
    sides = [side for side in _SIDES if side != "datatrove" or _has_datatrove()]
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for number in range(num_rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            found[side].append(_measure(side, inputs))
    rows, figures = [], {}
    for side, runs in found.items():
        figures[side] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        rows.append(
            [
                side,
                f"{figures[side]['urls_per_second']:,.0f}",
                f"{figures[side]['compile_seconds']:.1f}",
                f"{figures[side]['memory_bytes'] / 2**20:.0f}",
                f"{figures[side]['num_refused']:.0f}",
            ]
        )
    title = f"{_NUM_URLS:,} URLs, {_NUM_DOMAINS:,} domains: medians of {num_rounds} rounds"
    table = Table(title, ["", "URLs/s", "compile s", "memory MiB", "refused"], rows)
    notes = ["memory: what the process holds more after compiling; the list as text has 27 MB"]
    if "datatrove" not in sides:
        notes.append(
            "datatrove's URLFilter cannot run here (tldextract, pyahocorasick, fasteners are not all installed)"
        )
    return Result({"num_urls": _NUM_URLS, "num_domains": _NUM_DOMAINS, "sides": figures}, [table], notes)


BENCHES = [
    Bench("urls", "URLs against a million listed domains, beside datatrove or a set of strings", 3, _missing, _run)
]
