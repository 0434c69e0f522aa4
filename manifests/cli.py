"""Commands that read a build: `groundup audit`, `trace`, `drops` and `report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from manifests.audit import as_json, audit_build, problem_lines
from manifests.builds import Build
from manifests.drops import counted_table, find_drops, reason_table
from manifests.errors import UsageError
from manifests.report import write_report
from manifests.trace import Sighting, Trace, trace_document, trace_token

Out = Annotated[str, typer.Argument(help="The output folder of a build.", show_default=False)]
_EXCERPT = 300


def register(app: typer.Typer) -> None:
    @app.command()
    def audit(
        out: Out,
        deep: Annotated[bool, typer.Option("--deep", help="Read every raw record and decode every token.")] = False,
        as_json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    ) -> None:
        """Recount every stage, recompute every digest, check the four laws. Exit code 1 names what is wrong."""
        report = audit_build(out, deep)
        if as_json_:
            typer.echo(json.dumps(as_json(report), indent=2))
        else:
            for what, number in sorted(report.checked.items()):
                typer.echo(f"  checked {number:,} {what}")
            for note in report.notes:
                typer.echo(f"  note: {note}")
            for line in problem_lines(report):
                typer.echo(f"  WRONG: {line}", err=True)
            typer.echo(f"audit of {out}: {'passed' if report.passed else f'FAILED, {len(report.problems)} problems'}")
        if not report.passed:
            raise typer.Exit(1)

    @app.command()
    def trace(
        out: Out,
        token: Annotated[str | None, typer.Option(help="SHARD:POSITION, such as shard-00000:1234.")] = None,
        doc: Annotated[str | None, typer.Option(help="The id of a document.")] = None,
        url: Annotated[str | None, typer.Option(help="The URL of a page.")] = None,
        record: Annotated[bool, typer.Option("--record", help="Print the raw record too.")] = False,
    ) -> None:
        """Follow a token to its document and raw record, or a document or URL to where it went."""
        if sum(option is not None for option in (token, doc, url)) != 1:
            raise UsageError("trace: give one of --token, --doc and --url.")
        build = Build(out)
        if token is not None:
            _print_trace(trace_token(build, token), record)
            return
        column, value = ("id", doc) if doc is not None else ("url", url)
        for sighting, found, places in trace_document(build, column, str(value)):
            _print_sighting(sighting)
            for place in places:
                typer.echo(f"  tokens    {place['shard']}:{place['start']} ({place['length']:,} tokens)")
            if found is not None:
                _print_trace(found, record)

    @app.command()
    def drops(
        out: Out,
        reason: Annotated[str | None, typer.Option(help="Show examples of this reason.")] = None,
        url: Annotated[str | None, typer.Option(help="Why was this page dropped?")] = None,
        sample: Annotated[int, typer.Option(min=1, help="How many examples.")] = 10,
    ) -> None:
        """Which documents were dropped, at which stage, by which rule and value."""
        build = Build(out)
        if url is not None:
            for sighting, _, _ in trace_document(build, "url", url):
                _print_sighting(sighting)
        elif reason in {name for _, _, name, _ in counted_table(build)}:
            total = sum(number for _, _, name, number in counted_table(build) if name == reason)
            typer.echo(f"{reason}: {total:,} documents, counted only; their rows are with the kept ones of dedup")
        elif reason is not None:
            for stage, row in find_drops(build, reason, sample):
                typer.echo(f"{stage} {row['reason']}{_value(row)}  {row['url'] or row['id']}")
                typer.echo(f"    {_excerpt(row['text'])}")
        else:
            for stage, source, name, number in reason_table(build):
                typer.echo(f"{stage:<10} {source:<16} {name:<32} {number:>12,}")
            for stage, source, name, number in counted_table(build):
                typer.echo(f"{stage:<10} {source:<16} {name:<32} {number:>12,}  (counted only, no rows)")

    @app.command()
    def report(
        out: Out,
        output: Annotated[Path | None, typer.Option(help="Where to write it; OUT/report.html by default.")] = None,
    ) -> None:
        """Write one self-contained HTML page: the funnel, samples, tokenizer and shards, the loss curve."""
        typer.echo(f"report: {write_report(out, output)}")


def _print_trace(trace: Trace, with_record: bool) -> None:
    if trace.tokens:
        tokens = trace.tokens
        typer.echo(f"  token     {tokens['shard']}:{tokens['position']}")
        typer.echo(f"  tokens    {tokens['start']} to {tokens['start'] + tokens['length'] - 1} of {tokens['shard']}")
    typer.echo(f"  document  {trace.id}")
    typer.echo(f"  text      {trace.part}, row {trace.row}: {_excerpt(trace.text)}")
    for name in ("source", "url", "date", "language", "digest"):
        if trace.provenance[name] is not None:
            typer.echo(f"  {name:<9} {trace.provenance[name]}")
    where = f"{trace.provenance['file']}"
    if trace.provenance["offset"] >= 0:
        where += f" at byte {trace.provenance['offset']:,}, {trace.provenance['length']:,} bytes"
    typer.echo(f"  record    {where}")
    if trace.origin is not None:
        typer.echo(f"  origin    {trace.origin.file} at byte {trace.origin.offset:,}, {trace.origin.length:,} bytes")
    if with_record:
        typer.echo(trace.read_record().decode("utf-8", "replace"))


def _print_sighting(sighting: Sighting) -> None:
    document = sighting.document
    typer.echo(f"{document['id']}")
    if sighting.kept:
        typer.echo(f"  kept by   {sighting.stage}: {sighting.part}, row {sighting.row}")
        return
    typer.echo(f"  dropped   {sighting.stage}: {document['reason']}{_value(document)}")
    if document["duplicate_of"]:
        typer.echo(f"  copy of   {document['duplicate_of']} (cluster {document['cluster']})")


def _value(row: dict[str, Any]) -> str:
    value = f" ({row['value']:.6g})" if row["value"] is not None else ""
    return f"{value}{': ' + row['detail'] if row['detail'] else ''}"


def _excerpt(text: str) -> str:
    folded = " ".join((text or "").split())
    return folded if len(folded) <= _EXCERPT else folded[: _EXCERPT - 3] + "..."
