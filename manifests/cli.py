"""Commands that read a build: `groundup audit`, `trace`, `drops`, `clusters` and `report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import manifests.explore.cli
import manifests.explore.clusters_cli
from manifests.errors import UsageError, check_text, shown
from manifests.explore.build import open_build
from manifests.explore.journeys import excerpt, journey_lines, limits_of, nowhere
from manifests.explore.sightings import find_journeys
from manifests.explore.sql import Tables

if TYPE_CHECKING:  # commands import what they run: a question about a build is answered before all of it is loaded
    from manifests.explore.trace import Trace

Out = Annotated[str, typer.Argument(help="The output folder of a build.", show_default=False)]


def register(app: typer.Typer) -> None:
    manifests.explore.cli.register(app)
    manifests.explore.clusters_cli.register(app)

    @app.command()
    def audit(
        out: Out,
        deep: Annotated[
            bool, typer.Option("--deep", help="Read every raw record, compare every copy, decode every token.")
        ] = False,
        as_json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    ) -> None:
        """Recount every stage, recompute every digest, check the four laws. Exit code 1 names what is wrong."""
        from manifests.audit.audit import as_json, audit_build, problem_lines

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
            if report.not_built:
                typer.echo(f"  not built yet: {', '.join(report.not_built)}")
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
        from manifests.explore.trace import trace_journey, trace_token

        if sum(option is not None for option in (token, doc, url)) != 1:
            raise UsageError("trace: give one of --token, --doc and --url.")
        check_text({"--token": token, "--doc": doc, "--url": url})
        build = open_build(out)
        if token is not None:
            _print_trace(trace_token(build, token), record)
            return
        column, value = ("id", doc) if doc is not None else ("url", url)
        limits = limits_of(build)
        with Tables(build) as tables:
            for journey in find_journeys(build, tables, column, str(value)) or nowhere(
                build, tables, column, str(value)
            ):
                for line in journey_lines(build, journey, limits):
                    typer.echo(shown(line))
                if (found := trace_journey(build, tables, journey)) is not None:
                    _print_trace(found, record)

    @app.command()
    def report(
        out: Out,
        output: Annotated[Path | None, typer.Option(help="Where to write it; OUT/report.html by default.")] = None,
    ) -> None:
        """Write one self-contained HTML page: the funnel, samples, tokenizer and shards, the loss curve."""
        from manifests.report.report import write_report

        typer.echo(f"report: {write_report(out, output)}")


def _print_trace(trace: Trace, with_record: bool) -> None:
    if trace.tokens:
        tokens = trace.tokens
        typer.echo(f"  token     {tokens['shard']}:{tokens['position']}")
        typer.echo(f"  tokens    {tokens['start']} to {tokens['start'] + tokens['length'] - 1} of {tokens['shard']}")
    typer.echo(shown(f"  document  {trace.id}"))
    typer.echo(shown(f"  text      {trace.part}, row {trace.row}: {excerpt(trace.text)}"))
    for name in ("source", "title", "url", "date", "language", "digest", "text_origin"):
        if trace.provenance[name] is not None:
            typer.echo(shown(f"  {name:<9} {trace.provenance[name]}"))
    page = trace.provenance
    if page["page_type"] is not None:
        counts = f"{page['kept_characters']:,} of {page['shown_characters']:,} characters kept"
        typer.echo(f"  page      {page['page_type']} ({page['page_type_score']:.2f}): {counts}")
    where = f"{trace.provenance['file']}"
    if trace.provenance["offset"] >= 0:
        where += f" at byte {trace.provenance['offset']:,}, {trace.provenance['length']:,} bytes"
    typer.echo(shown(f"  record    {where}"))
    if trace.origin is not None:
        typer.echo(f"  origin    {trace.origin.file} at byte {trace.origin.offset:,}, {trace.origin.length:,} bytes")
    if with_record:
        typer.echo(trace.read_record().decode("utf-8", "replace"))
