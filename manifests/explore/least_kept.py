"""The types of pages, and the hosts, of which least was kept: where a kind of site is lost, it stands here.

How many pages there are of each type, and how much of them, the extract stage has counted. Hosts are counted from its
parts, kept and dropped. A page counts as much as another one, whatever its length, and a host is ranked as if it had
one page more, of which half was kept: so many pages that are lost come before a single one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.sql import Parameters, Tables
from manifests.manifest import Manifest

_STAGE = "extract"
_HOST = r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/:?#]*)"
_EXAMPLES = 5  # pages of a type; of a host it is one
_SAMPLE = ("id", "url", "page_type", "shown_characters", "kept_characters", "lost_text")
# Exact in sums. A page that shows nothing, whose text is from elsewhere, has lost nothing.
_PER_MILLE = "least(kept_characters * 1000 // greatest(shown_characters, 1), 1000)"
_PAGES_AT_ONCE = 4_000_000  # bounds the number of hosts in memory


class Kept(NamedTuple):
    """Pages of one type or host: characters that they show and that were kept, white space aside."""

    name: str
    pages: int
    dropped: int  # pages of which no text was found
    shown: int
    kept: int

    @property
    def share(self) -> float:
        """The share of the shown characters that was kept; 0 where nothing is shown."""
        return self.kept / self.shown if self.shown else 0.0


def by_page_type(manifest: Manifest | None, source: str | None = None) -> list[Kept]:
    """The types of the pages that a stage extracted, the one of which least was kept first; none where it counts none.

    Raises `UserError` where there is no such source.
    """
    if manifest is not None and source is not None and source not in manifest.counts.sources:
        raise UserError(f"extract has no source {source!r}. Sources: {', '.join(manifest.counts.sources)}.")
    total: dict[str, list[int]] = {}
    for name, types in manifest.facts.get("page_types", {}).items() if manifest is not None else ():
        for page_type, counts in types.items() if source in (None, name) else ():
            before = total.get(page_type, [0, 0, 0, 0])
            total[page_type] = [old + counts[key] for old, key in zip(before, Kept._fields[1:], strict=True)]
    return sorted((Kept(name, *numbers) for name, numbers in total.items()), key=lambda row: (row.share, row.name))


def least_kept(
    build: Build, most: int, source: str | None = None
) -> dict[str, tuple[list[Kept], dict[str, list[dict[str, Any]]]]]:
    """The tables of `page_types` and `hosts` (at most so many), and by name the pages of which least was kept.

    Both are empty where no page was extracted, and in builds of before pages were counted.
    """
    types = by_page_type(build.manifests.get(_STAGE), source)
    if not types:
        return {"page_types": ([], {}), "hosts": ([], {})}
    with Tables(build) as tables:
        hosts = by_host(tables, build, most, 1 + sum(row.pages for row in types) // _PAGES_AT_ONCE, source)
        return {
            "page_types": (types, samples(tables, build, _EXAMPLES, "page_type", types, source)),
            "hosts": (hosts, samples(tables, build, 1, "host", hosts, source)),
        }


def by_host(tables: Tables, build: Build, most: int, passes: int, source: str | None = None) -> list[Kept]:
    """The hosts of which least was kept, worst first; those of which more than half was kept are none of them.

    passes: over all pages, each for as many of the hosts; they bound the memory and change nothing.
    """
    found: list[dict[str, Any]] = []
    for number in range(passes):
        parameters = Parameters()
        found += tables.rows(
            "SELECT host AS name, count(*) AS pages, count(reason) AS dropped, sum(shown_characters)::BIGINT AS shown, "
            "sum(least(kept_characters, shown_characters))::BIGINT AS kept, "
            "(sum(rate)::BIGINT + 500) / (count(*) + 1) AS rank "
            f"FROM ({_pages(tables, build, source, parameters)}) WHERE hash(host) % {passes} = {number} "
            f"GROUP BY host HAVING rank < 500 ORDER BY rank, shown DESC, name LIMIT {most}",
            parameters,
        )
    found.sort(key=lambda row: (row["rank"], -row["shown"], row["name"]))
    return [Kept(*(row[name] for name in Kept._fields)) for row in found[:most]]


def samples(
    tables: Tables, build: Build, most: int, column: str, rows: list[Kept], source: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """The pages of which least was kept, less than half, for each page type or host (`column` says which).

    By name; `id`, `url`, `page_type`, `shown_characters`, `kept_characters` and `lost_text` of each page.
    """
    if not rows:
        return {}
    parameters = Parameters()
    page = ", ".join(f"'{name}': {name}" for name in _SAMPLE)
    names = ", ".join(parameters.bind(row.name) for row in rows)
    found = tables.rows(
        f"SELECT {column} AS name, min_by({{{page}}}, row(rate, -shown_characters, id, source), {most}) AS pages "
        f"FROM ({_pages(tables, build, source, parameters)}) WHERE {column} IN ({names}) AND rate < 500 GROUP BY name",
        parameters,
    )
    return {row["name"]: row["pages"] for row in found}


def _pages(tables: Tables, build: Build, source: str | None, parameters: Parameters) -> str:
    """The SQL of all pages that were extracted, kept or not."""
    wanted = "page_type IS NOT NULL" + ("" if source is None else f" AND source = {parameters.bind(source)}")
    columns = ", ".join(("source", *_SAMPLE))
    host = f"lower(regexp_extract(coalesce(url, ''), {parameters.bind(_HOST)}, 1))"
    return " UNION ALL ".join(
        f"SELECT {columns}, {host} AS host, {_PER_MILLE} AS rate, {reason} AS reason "
        f"FROM {tables.source(parts, parameters)} WHERE {wanted}"
        for parts, reason in ((build.parts(_STAGE), "NULL"), (build.parts(_STAGE, dropped=True), "reason"))
    )


def corpus_by_page_type(build: Build) -> list[tuple[str, int, int]]:
    """Type, documents and bytes of text of the pages that the last stage of documents kept, the most first."""
    if not by_page_type(build.manifests.get(_STAGE)):
        return []
    parameters = Parameters()
    parts = build.parts(build.document_stages[-1])
    with Tables(build) as tables:
        if "page_type" not in tables.columns(parts[0]):
            return []  # the stage is of before pages had a type
        rows = tables.rows(
            "SELECT page_type, count(*) AS documents, sum(num_bytes)::BIGINT AS bytes "
            f"FROM {tables.source(parts, parameters)} "
            "WHERE page_type IS NOT NULL GROUP BY page_type ORDER BY documents DESC, page_type",
            parameters,
        )
    return [(row["page_type"], row["documents"], row["bytes"]) for row in rows]


def table_lines(what: str, rows: list[Kept], pages: dict[str, list[dict[str, Any]]]) -> list[str]:
    """A table of `least_kept` as lines of text, and below each row its pages of which least was kept."""
    if not rows:
        return []
    title = what.replace("_", " ")
    width = max([len(row.name) for row in rows] + [len(title), 14])
    lines = [f"{title:<{width}} {'pages':>11} {'dropped':>11} {'shown':>15} {'kept':>15}"]
    for row in rows:
        lines.append(
            f"{row.name or '(no host)':<{width}} {row.pages:>11,} {row.dropped:>11,} {row.shown:>15,} {row.kept:>15,} "
            f"{100 * row.share:>5.1f} %"
        )
        for page in pages.get(row.name, []):
            kept = f"{page['kept_characters']:,} of {page['shown_characters']:,} characters kept"
            lines.append(f"    {page['url'] or page['id']}  ({page['page_type']}: {kept})")
            lines += [f"        lost: {page['lost_text']}"] if page["lost_text"] else []
    return lines
