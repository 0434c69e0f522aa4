"""The report: one self-contained HTML page of what a build took in, dropped, kept and learned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

from manifests.code import groundup_version
from manifests.explore.build import Build, open_build
from manifests.explore.funnel import reason_table
from manifests.explore.journeys import copy_text, number_text
from manifests.explore.least_kept import corpus_by_page_type, least_kept
from manifests.explore.samples import find_drops
from manifests.report.training import training
from manifests.storage import writing

_TEMPLATE = Path(__file__).with_name("report.html")
REPORT = "report.html"  # below the build
_SAMPLES = 5  # kept documents of each source
_DROP_SAMPLES = 3  # documents of each reason
_HOSTS = 50  # of which least was kept
_EXCERPT = 600  # characters


def write_report(out: str, output: Path | None = None) -> str:
    """Write the report of a build to `output`, or to OUT/report.html; returns where it is."""
    build = open_build(out)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(number=lambda value: f"{value:,}", excerpt=_excerpt, **report_data(build)).encode(
        "utf-8", "replace"
    )
    page = page.rstrip(b"\n") + b"\n"
    page += digest_line(page)
    if output is None:
        build.folder.publish_bytes(REPORT, page)
        return f"{build.url}/{REPORT}"
    with writing(str(output.parent), output.name):
        output.write_bytes(page)
    return str(output)


def digest_line(page: bytes) -> bytes:
    """The last line of a page: a comment with the sha256 of all that stands above it."""
    return f"<!-- sha256 of everything above: {hashlib.sha256(page).hexdigest()} -->\n".encode()


def report_data(build: Build) -> dict[str, Any]:
    """Everything that the page shows."""
    reasons = list(reason_table(build))
    return {
        "recipe": next((manifest.recipe for manifest in build.manifests.values()), "an empty build"),
        "version": groundup_version(),
        "funnel": list(_funnel(build)),
        "reasons": reasons,
        "page_types": corpus_by_page_type(build),
        "least_kept": {what.replace("_", " "): table for what, table in least_kept(build, _HOSTS).items() if table[0]},
        "clusters": build.manifests["dedup"].facts.get("clusters") if "dedup" in build.manifests else None,
        "tokenizer": list(_token_facts(build)),
        "training": training(build),
        "kept": list(_kept_samples(build)),
        "dropped": list(_dropped_samples(build, sorted({reason for _, _, reason, _ in reasons}))),
        "stages": [
            {
                "name": name,
                "fingerprint": manifest.fingerprint,
                "files": len(manifest.outputs),
                "bytes": sum(entry.bytes for entry in manifest.outputs),
            }
            for name, manifest in build.manifests.items()
        ],
    }


def _funnel(build: Build) -> Iterator[dict[str, Any]]:
    entered: dict[str, int] = {}
    last = next(reversed(build.manifests), None)
    for stage, manifest in build.manifests.items():
        if not manifest.writes_documents and (stage != last or manifest.documents_from is None):
            continue  # the tokenizer's sample: what it leaves out is not lost
        for source, counts in manifest.counts.sources.items():
            whole = max(1, entered.setdefault(source, counts.documents_in))
            yield {
                "stage": stage,
                "source": source,
                "documents_in": counts.documents_in,
                "documents_out": counts.documents_out,
                "num_dropped": counts.num_dropped,
                "kept_percent": round(100 * counts.documents_out / whole, 2),
                "dropped_percent": round(100 * counts.num_dropped / whole, 2),
            }


def _token_facts(build: Build) -> Iterator[tuple[str, str]]:
    if "shards" not in build.manifests:
        return
    facts = build.manifests["shards"].facts
    yield "vocabulary", f"{facts['vocab_size']:,} tokens"
    for name, split in facts["splits"].items():
        yield f"{name} tokens", f"{split['num_tokens']:,}"
        yield f"{name} documents", f"{split['num_documents']:,}"
        yield f"{name} shards", f"{len(split['shards']):,}"
        if split["num_tokens"]:
            yield f"{name} bytes of text per token", f"{split['num_text_bytes'] / split['num_tokens']:.2f}"


def _kept_samples(build: Build) -> Iterator[dict[str, Any]]:
    """The first documents of each source that the last document stage kept."""
    stage = next(reversed(build.document_stages), None)
    shown: dict[str, int] = {}
    for part in build.parts(stage) if stage else []:
        source = part.rpartition("/")[2].removeprefix("part-").rpartition("-")[0]  # a part is of one source
        if shown.get(source, 0) >= _SAMPLES:
            continue
        for table in build.tables(part):
            for row in table.slice(0, _SAMPLES - shown.get(source, 0)).to_pylist():
                shown[source] = shown.get(source, 0) + 1
                yield {**row, "text": _excerpt(row["text"])}
            if shown.get(source, 0) >= _SAMPLES:
                break


def _dropped_samples(build: Build, reasons: list[str]) -> Iterator[dict[str, Any]]:
    for reason in reasons:
        for _, row in find_drops(build, reason, _DROP_SAMPLES):
            value = None if row["value"] is None else number_text(row["value"])
            copy_of = copy_text(row, build.manifests.get("dedup")) if row["duplicate_of"] else None
            yield {**row, "value": value, "copy_of": copy_of, "text": _excerpt(row["text"])}


def _excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + " ..."
