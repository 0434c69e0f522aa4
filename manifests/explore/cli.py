"""The command `groundup drops`: how much was dropped, why, and what other settings would have done."""

from __future__ import annotations

import json
import math
import shlex
from typing import Annotated, Any

import typer

from manifests.errors import UsageError, check_text, shown
from manifests.explore.build import Build, open_build
from manifests.explore.funnel import counted_table, funnel, funnel_lines
from manifests.explore.journeys import (
    copy_text,
    excerpt,
    journey_data,
    journey_lines,
    limits_of,
    nowhere,
    number_text,
    value_of,
)
from manifests.explore.least_kept import by_page_type, least_kept, table_lines
from manifests.explore.near import NearDrop, near_drops
from manifests.explore.samples import find_drops
from manifests.explore.sightings import Sighting, find_journeys, near_urls
from manifests.explore.sql import Tables
from manifests.explore.what_if import SourceEffect, WhatIf, what_if, written

_EXAMPLES = 10
Out = Annotated[str, typer.Argument(help="The output folder of a build.", show_default=False)]


def register(app: typer.Typer) -> None:
    @app.command()
    def drops(
        out: Out,
        url: Annotated[str | None, typer.Option(help="What became of this page?")] = None,
        doc: Annotated[str | None, typer.Option(help="What became of the document of this id?")] = None,
        reason: Annotated[str | None, typer.Option(help="Show examples of this reason.")] = None,
        lost: Annotated[
            bool, typer.Option("--lost", help="Types of pages, and hosts, of which least was kept.")
        ] = False,
        near: Annotated[bool, typer.Option("--near", help="Those that just failed or passed --reason.")] = False,
        what_if_: Annotated[
            list[str] | None, typer.Option("--what-if", help="KEY=VALUE: what would another threshold move?")
        ] = None,
        sample: Annotated[int | None, typer.Option(min=1, help="How many examples or hosts; 10 if not given.")] = None,
        source: Annotated[str | None, typer.Option(help="Examples or hosts of this source only.")] = None,
        seed: Annotated[int | None, typer.Option(help="Another seed than 0 draws other examples.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    ) -> None:
        """Show which documents were dropped, by which stage, rule and value; and what other thresholds would do."""
        asked = [url is not None, doc is not None, reason is not None, bool(what_if_), lost]
        if sum(asked) > 1:
            raise UsageError("drops: give one of --url, --doc, --reason, --what-if and --lost.")
        if near and reason is None:
            raise UsageError("drops: --near needs --reason: near to which threshold?")
        for option, value in (("--source", source), ("--sample", sample), ("--seed", seed)):
            if value is not None and reason is None and (not lost or option == "--seed"):
                raise UsageError(f"drops: {option} goes with --reason{'' if option == '--seed' else ' or --lost'}.")
        if near and seed is not None:
            raise UsageError("drops: --near shows the nearest and draws nothing; leave --seed out.")
        check_text({"--url": url, "--doc": doc, "--reason": reason, "--source": source})
        for assignment in what_if_ or []:
            check_text({"--what-if": assignment})
        build = open_build(out)
        if url is not None:
            answer = _answer_where(build, "url", url, as_json)
        elif doc is not None:
            answer = _answer_where(build, "id", doc, as_json)
        elif what_if_:
            answer = _answer_what_if(build, what_if_, as_json)
        elif lost:
            answer = _answer_lost(build, sample or _EXAMPLES, source, as_json)
        elif reason is not None and near:
            answer = _answer_near(near_drops(build, reason, sample or _EXAMPLES, source), as_json)
        elif reason is not None:
            answer = _answer_samples(build, reason, sample or _EXAMPLES, source, seed or 0, as_json)
        else:
            types = by_page_type(build.manifests.get("extract"))
            if as_json:
                answer = [_as_json({"funnel": _funnel_data(build), "page_types": [row._asdict() for row in types]})]
            else:
                answer = funnel_lines(build) + table_lines("page_types", types, {})
        for line in answer:
            typer.echo(line if as_json else shown(line))


def _answer_where(build: Build, column: str, value: str, as_json: bool) -> list[str]:
    with Tables(build) as tables:
        journeys = find_journeys(build, tables, column, value)
        if not journeys and not as_json:
            nowhere(build, tables, column, value)
        near = near_urls(build, tables, value) if not journeys and column == "url" else []
    limits = limits_of(build)
    if as_json:
        found = [journey_data(build, journey, limits) for journey in journeys]
        if not found:
            typer.echo(_as_json({column: value, "documents": [], "near": near}))
            raise typer.Exit(1)
        return [_as_json({column: value, "documents": found})]
    lines = [f"{len(journeys)} documents have this {column}"] if len(journeys) > 1 else []
    for journey in journeys:
        lines += journey_lines(build, journey, limits)
    return lines


def _answer_samples(build: Build, reason: str, most: int, source: str | None, seed: int, as_json: bool) -> list[str]:
    counted = [row for row in counted_table(build) if row[2] == reason and source in (None, row[1])]
    if counted:
        total = sum(number for _, _, _, number in counted)
        if as_json:
            return [_as_json({"reason": reason, "documents": total, "examples": []})]
        kept_by = build.manifests[counted[0][0]].documents_from
        return [f"{reason}: {total:,} documents, counted only; their rows are with the kept ones of {kept_by}"]
    found = list(find_drops(build, reason, most, source, seed))
    limits = limits_of(build)
    if as_json:
        return [_as_json({"reason": reason, "seed": seed, "examples": [row for _, row in found]})]
    lines = []
    for stage, row in found:
        lines.append(f"{stage} {row['reason']}{value_of(row, limits)}  {row['url'] or row['id']}")
        if row["duplicate_of"]:
            lines.append(f"    copy of {copy_text(row, build.manifests.get('dedup'))}")
        lines.append(f"    {excerpt(row['text'])}")
    return lines


def _answer_lost(build: Build, most: int, source: str | None, as_json: bool) -> list[str]:
    tables_ = least_kept(build, most, source)
    if as_json:
        data = {
            what: [{**row._asdict(), "examples": pages.get(row.name, [])} for row in rows]
            for what, (rows, pages) in tables_.items()
        }
        return [_as_json(data)]
    lines = [line for what, (rows, pages) in tables_.items() for line in table_lines(what, rows, pages)]
    return lines or ["no page of HTML was extracted"]


def _answer_near(found: list[NearDrop], as_json: bool) -> list[str]:
    if as_json:
        return [_as_json({"near": [_near_data(near) for near in found]})]
    lines = []
    for failed in (True, False):
        side = [near for near in found if near.failed == failed]
        lines.append(f"just {'failed' if failed else 'passed'}: {len(side)} nearest" if side else _no_one(failed))
        for near in side:
            document = near.journey.sightings[0].document
            rule = near.comparison
            limit = f"{rule.must_be.replace('_', ' ')} {number_text(near.threshold)}"
            label = f" {near.language}" if near.judges_language else ""
            lines.append(
                f"  {number_text(near.value)}{label} ({rule.setting}: {limit})  {document['url'] or document['id']}"
            )
            lines.append(f"      {_went(near.journey.last)}")
            lines.append(f"      {excerpt(near.text)}")
    return lines


def _no_one(failed: bool) -> str:
    return "no document failed it" if failed else "no document that came so far passed it"


def _went(last: Sighting) -> str:
    if last.kept:
        return f"kept by {last.stage}: {last.part}, row {last.row}"
    return f"dropped by {last.stage}: {last.document['reason']}"


def _near_data(near: NearDrop) -> dict[str, Any]:
    last = near.journey.last
    return {
        "failed": near.failed,
        "value": near.value,
        "threshold": near.threshold,
        "must_be": near.comparison.must_be,
        "setting": near.comparison.setting,
        "language": near.language,
        **{name: near.journey.sightings[0].document[name] for name in ("id", "url", "source")},
        "stage": last.stage,
        "kept": last.kept,
        "reason": None if last.kept else last.document["reason"],
        "part": last.part,
        "row": last.row,
        "text": near.text,
    }


def _answer_what_if(build: Build, assignments: list[str], as_json: bool) -> list[str]:
    is_dedup = [assignment.strip().startswith("dedup.") for assignment in assignments]
    if any(is_dedup) != all(is_dedup):
        raise UsageError("--what-if: signals answer for the filter, pairs for dedup. Ask about one of them at a time.")
    if any(is_dedup):
        from manifests.explore.what_if_dedup import what_if_dedup  # with numpy, which others need not wait for

        answer = what_if_dedup(build, assignments)
    else:
        answer = what_if(build, assignments)
    unit = "characters" if answer.measured is None else "tokens"
    if as_json:
        return [_as_json(_what_if_data(answer, unit))]
    width = max([12, *(len(effect.source) for effect in answer.effects)])
    lines = [f"with {', '.join(f'{change.key} = {written(change.value)}' for change in answer.changes)}:"]
    lines.append(f"{'source':<{width}} {'kept now':>13} {'kept then':>13} {'come back':>12} {'go':>12} {unit:>15}")
    for effect in answer.effects:
        lines.append(
            f"{effect.source:<{width}} {effect.kept_now:>13,} {effect.kept_then:>13,} {effect.come_back:>12,} "
            f"{effect.go:>12,} {effect.tokens:>+15,}"
        )
    moves = [(effect.source, move) for effect in answer.effects for move in effect.moves]
    if moves:
        lines.append("documents that move:")
    for source, move in moves:
        lines.append(
            f"{source:<{width}} {move.before or 'kept':>32} -> {move.after or 'kept':<32} {move.num_documents:>12,}"
        )
    lines += [f"{effect.source}: {note}" for effect in answer.effects for note in effect.notes] + answer.notes
    if answer.measured is not None:
        measured = "as in this build's shards" if answer.measured else "assumed, since the build has no shards yet"
        rates = ", ".join(f"{effect.source} {effect.bytes_per_token:.2f}" for effect in answer.effects)
        lines.append(f"tokens are estimated, before deduplication, from bytes of text a token, {measured}: {rates}")
    lines.append(
        f"to do it: groundup run RECIPE {' '.join(f'--set {shlex.quote(c.assignment)}' for c in answer.changes)}"
    )
    return lines


def _what_if_data(answer: WhatIf, unit: str) -> dict[str, Any]:
    is_of_tokens = answer.measured is not None

    def effect_data(effect: SourceEffect) -> dict[str, Any]:
        return {
            "source": effect.source,
            "kept_now": effect.kept_now,
            "kept_then": effect.kept_then,
            "come_back": effect.come_back,
            "go": effect.go,
            unit: effect.tokens,
            **({"bytes_per_token": effect.bytes_per_token} if is_of_tokens else {}),
            "notes": effect.notes + answer.notes,
            "moves": [
                {
                    "from": m.before,
                    "to": m.after,
                    "documents": m.num_documents,
                    "bytes" if is_of_tokens else unit: m.num_bytes,
                }
                for m in effect.moves
            ],
        }

    return {
        "set": {change.assignment.partition("=")[0]: change.value for change in answer.changes},
        **({"bytes_per_token_measured": answer.measured} if is_of_tokens else {}),
        "sources": [effect_data(effect) for effect in answer.effects],
    }


def _funnel_data(build: Build) -> list[dict[str, Any]]:
    return [
        {
            "source": step.source,
            "stage": step.stage,
            "documents_in": step.documents_in,
            "dropped": step.dropped,
            "documents_out": step.documents_out,
        }
        for step in funnel(build)
    ]


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not have: a measure of nothing is one."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
