"""The command `groundup clusters`: what was removed as copies, for what, and how like the two are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from manifests.errors import UsageError, check_text, shown
from manifests.explore.build import open_build
from manifests.explore.changes import change_lines
from manifests.explore.clusters import Cluster, Clusters, Overview
from manifests.explore.journeys import excerpt
from manifests.explore.sql import Tables

_LARGEST = 10
_LISTED, _LISTED_IN_JSON = 20, 1000  # members of one cluster


def register(app: typer.Typer) -> None:
    @app.command()
    def clusters(
        out: Annotated[str, typer.Argument(help="The output folder of a build.", show_default=False)],
        doc: Annotated[
            str | None, typer.Option(help="The cluster of the document of this id, kept or dropped.")
        ] = None,
        with_: Annotated[
            str | None, typer.Option("--with", help="Compare the kept one with the member of this id.")
        ] = None,
        largest: Annotated[int | None, typer.Option(min=1, help="How many of the largest; 10 if not given.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    ) -> None:
        """Show what was removed as copies: sizes of clusters, sources, and a cluster with what its texts differ in."""
        if doc is not None and largest is not None:
            raise UsageError("clusters: give one of --doc and --largest.")
        if with_ is not None and doc is None:
            raise UsageError("clusters: --with needs --doc: compare with what?")
        check_text({"--doc": doc, "--with": with_})
        build = open_build(out)
        with Tables(build) as tables:
            found = Clusters(build, tables)
            verified = found.settings.get("minhash", {}).get("verify", True)
            if doc is None:
                overview = found.overview(largest or _LARGEST)
                data, lines = _overview_data(overview), _overview_lines(overview)
            else:
                answers = [
                    (cluster, *_difference(found, cluster, doc, with_))
                    for cluster in found.of_document(doc, _LISTED_IN_JSON)
                ]
                data = {"clusters": [_cluster_data(*answer) for answer in answers]}
                lines = [line for answer in answers for line in _cluster_lines(*answer)]
        if as_json:
            typer.echo(json.dumps({**data, "verified": verified}, indent=2, ensure_ascii=False, allow_nan=False))
            return
        if not verified:
            lines.append("texts were not compared (dedup.minhash.verify is false): a member may be like another alone")
        for line in lines:
            typer.echo(shown(line))


def _difference(found: Clusters, cluster: Cluster, doc: str, other: str | None) -> tuple[list[str], list[str]]:
    """The ids of the two documents that are compared, and what they differ in; nothing where a text is not there.

    These are the two that are named, else the kept one and the one named, or the least like it. Raises `UserError` for
    a stranger.
    """
    if other is None:
        other = doc if doc != cluster.id else next((row["id"] for row in cluster.members), None)
        doc = cluster.id
    if other is None:
        return [], []
    ids, texts = [doc, other], [found.text_of(cluster, id) for id in (doc, other)]
    if doc == other:  # a copy may have the id of the one that is kept
        texts[1] = found.text_of(cluster, other, dropped=True)
    first, second = texts
    return (ids, change_lines(first, second)) if first is not None and second is not None else ([], [])


def _overview_lines(overview: Overview) -> list[str]:
    num_clusters = sum(overview.sizes.values())
    lines = [f"{overview.kept:,} documents kept, {overview.dropped:,} dropped as copies, {num_clusters:,} clusters"]
    if not num_clusters:
        return lines
    lines.append(f"{'cluster size':<16} {'clusters':>13}")
    lines += [f"{size:<16} {number:>13,}" for size, number in overview.sizes.items()]
    removed = [
        (-number, dropped, kept) for dropped, by_kept in overview.removed.items() for kept, number in by_kept.items()
    ]
    width = max(len(name) for name in ["dropped from    ", *(name for _, *names in removed for name in names)])
    lines.append(f"{'dropped from':<{width}} {'kept in':<{width}} {'documents':>13}")
    lines += [f"{dropped:<{width}} {kept:<{width}} {-number:>13,}" for number, dropped, kept in sorted(removed)]
    for cluster in overview.largest:
        lines += _head_lines(cluster)
        lines += [_member_line(row) for row in cluster.members]
    return lines


def _cluster_lines(cluster: Cluster, compared: list[str], changes: list[str]) -> list[str]:
    lines = _head_lines(cluster)
    lines += [_member_line(row) for row in cluster.members[:_LISTED]]
    if cluster.size - 1 > _LISTED:
        lines.append(f"  and {cluster.size - 1 - _LISTED:,} more")
    if compared:
        lines.append(f"from {' to '.join(compared)}:")
        lines += [f"  {line}" for line in changes]
    return lines


def _head_lines(cluster: Cluster) -> list[str]:
    kept = "kept in an earlier build" if cluster.is_earlier else "kept"
    if cluster.size == 1:
        return [f"{cluster.id}  {cluster.source}: {kept}, and no other document was dropped as a copy of it"]
    return [
        f"{cluster.id}  {cluster.source}: {kept} for {cluster.size - 1:,} copies",
        f"  {cluster.place}, row {cluster.row}",
        f"  {'cannot be read now' if cluster.text is None else excerpt(cluster.text)}",
    ]


def _member_line(row: dict[str, Any]) -> str:
    said = [f"similarity {row['similarity']:.4f}"] if row["similarity"] is not None else []
    if row["estimated_similarity"] is not None:
        said.append(f"estimated {row['estimated_similarity']:.4f}")
        said.append(f"{row['shared_buckets']} shared buckets")
    return f"  {row['reason']:<16} {row['id']}  {row['source']}" + (f" ({', '.join(said)})" if said else "")


def _overview_data(overview: Overview) -> dict[str, Any]:
    return {
        "kept": overview.kept,
        "dropped": overview.dropped,
        "sizes": overview.sizes,
        "removed": overview.removed,
        "largest": [_cluster_data(cluster) for cluster in overview.largest],
    }


def _cluster_data(
    cluster: Cluster, compared: list[str] | None = None, changes: list[str] | None = None
) -> dict[str, Any]:
    members = [
        {name: row[name] for name in row if name not in ("duplicate_of", "cluster", "within")}
        for row in cluster.members
    ]
    data = {**asdict(cluster), "members": members}
    if compared:
        data["compared"], data["changes"] = compared, changes
    return data
