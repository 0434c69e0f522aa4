"""Writes the small web to a folder, laid out as the real mirrors are: a plain file server can stand in for them."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from manifests.errors import UserError
from manifests.storage import Folder
from pipeline.quickstart.pages import (
    MIN_PROSE_CHARS,
    Article,
    SourceFile,
    Unreadable,
    article,
    installed_packages,
    source_files,
)
from pipeline.quickstart.pages import page as page_html
from pipeline.quickstart.warc import CRAWL, paths_listing, warc_file, warc_path
from pipeline.quickstart.wiki import DATE, WIKI, dump_files, wiki_pages

MARKER = "mirror.json"
MAX_SOURCE_BYTES = 120_000_000  # of source that is parsed; about 15 s of two cores
_NUM_PROCESSES = 2
_CHUNK_FILES = 64
_MIN_FILES_FOR_PROCESSES = 500  # with fewer, starting processes costs more than it saves

Progress = Callable[[int, int], None]  # called with (files done, files in all)


@dataclass(frozen=True)
class MirrorFacts:
    """What a mirror holds and what its making left out: each file is a page, short, unreadable or left out."""

    digest: str  # sha256 of what the mirror was made from: the source files and the code that turns them into pages
    crawl: str
    wiki: str
    wiki_date: str
    num_files: int  # source files found
    num_left_out: int  # files that were not looked at, since there are more bytes of source than asked for
    num_pages: int
    num_short: int  # files with less prose than makes a page
    num_unreadable: int  # files that Python cannot parse, or that cannot be opened
    num_bytes: int  # of HTML, not compressed
    num_prose_chars: int
    num_warc_files: int
    num_wiki_pages: int  # redirects not counted
    num_wiki_redirects: int


def build_mirror(
    folder: Path,
    num_records_per_warc: int = 400,
    packages: Iterable[Path] | None = None,
    progress: Progress | None = None,
    max_source_bytes: int = MAX_SOURCE_BYTES,
) -> MirrorFacts:
    """Make the mirror in `folder`, or reuse the one that is there when it was made from the same files.

    The folder appears whole or not at all. `packages` are folders of packages or single modules; by default all of
    the standard library and of this interpreter's site-packages. `num_records_per_warc` counts pages. Where there is
    more source than `max_source_bytes`, files are chosen by a hash of their address. `progress` is called with the
    number of files done and of all. Raises `UserError` when `folder` holds something else or cannot be written.
    """
    folder = Path(folder)
    found = source_files(installed_packages() if packages is None else packages)
    sources = _sample(found, max_source_bytes)
    digest = _input_digest(sources, len(found), num_records_per_warc)
    existing = _read_facts(folder)
    if existing is not None and existing.digest == digest:
        return existing
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        facts = _write(Folder(unfinished), sources, len(found), digest, num_records_per_warc, progress)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.replace(folder)
    except OSError as error:
        raise UserError(f"{folder}: the mirror cannot be written ({error.strerror}). Give another folder.") from error
    return facts


def _read_facts(folder: Path) -> MirrorFacts | None:
    """The facts of the mirror in `folder`, None where there is none. Refuses to replace a folder of something else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        return MirrorFacts(**json.loads((folder / MARKER).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise UserError(f"{folder}: is there, but is no quickstart mirror. Remove it or give another folder.") from None
    except TypeError:  # written by another version: it is ours to replace
        return None


def _sample(sources: list[SourceFile], max_bytes: int) -> list[SourceFile]:
    """As many of the files, in the order of a hash of their address, as fit; sorted by address."""
    left = max_bytes
    chosen: list[SourceFile] = []
    for source in sorted(sources, key=lambda source: hashlib.sha256(source.url.encode()).digest()):
        left -= source.path.stat().st_size if source.path.is_file() else 0
        if left < 0:
            break
        chosen.append(source)
    return sorted(chosen, key=lambda source: source.url)


def _input_digest(sources: list[SourceFile], num_found: int, num_records_per_warc: int) -> str:
    """sha256 of all that the mirror's bytes follow from."""
    digest = hashlib.sha256(f"{num_found} {num_records_per_warc}".encode())
    for code in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(hashlib.sha256(code.read_bytes()).digest())
    for page in wiki_pages():
        digest.update(f"\0{page.title}\0{page.text}".encode())
    for source in sources:
        data = _read(source)
        inner = hashlib.sha256(data).hexdigest() if data is not None else "unreadable"
        digest.update(f"\0{source.url}\0{inner}".encode())
    return digest.hexdigest()


def _read(source: SourceFile) -> bytes | None:
    try:
        return source.path.read_bytes()
    except OSError:  # a link to nowhere or a file of someone else's; counted as unreadable
        return None


def _write(
    folder: Folder,
    sources: list[SourceFile],
    num_found: int,
    digest: str,
    num_records_per_warc: int,
    progress: Progress | None,
) -> MirrorFacts:
    written: list[tuple[SourceFile, Article]] = []
    num_short = num_unreadable = 0
    for number, (source, made) in enumerate(zip(sources, _articles(sources), strict=True), start=1):
        if isinstance(made, Unreadable):
            num_unreadable += 1
        elif made is None:
            num_short += 1
        else:
            written.append((source, made))
        if progress is not None and (number % 100 == 0 or number == len(sources)):
            progress(number, len(sources))
    num_bytes = num_warc_files = 0
    for batch in _batches(_pages(written), num_records_per_warc):
        num_bytes += sum(len(html) for _, html in batch)
        folder.publish_bytes(warc_path(num_warc_files), warc_file(num_warc_files, batch))
        num_warc_files += 1
    folder.publish_bytes(f"crawl-data/{CRAWL}/warc.paths.gz", paths_listing(num_warc_files))
    wiki = wiki_pages()
    for path, data in sorted(dump_files(wiki).items()):
        folder.publish_bytes(path, data)
    num_redirects = sum(page.redirect is not None for page in wiki)
    facts = MirrorFacts(
        digest=digest,
        crawl=CRAWL,
        wiki=WIKI,
        wiki_date=DATE,
        num_files=num_found,
        num_left_out=num_found - len(sources),
        num_pages=len(written),
        num_short=num_short,
        num_unreadable=num_unreadable,
        num_bytes=num_bytes,
        num_prose_chars=sum(made.num_prose_chars for _, made in written),
        num_warc_files=num_warc_files,
        num_wiki_pages=len(wiki) - num_redirects,
        num_wiki_redirects=num_redirects,
    )
    folder.publish_bytes(MARKER, json.dumps(asdict(facts), indent=1).encode() + b"\n")
    return facts


def _articles(sources: list[SourceFile]) -> Iterator[Article | Unreadable | None]:
    """The article of each source file in order; None where its prose is too short."""
    if len(sources) < _MIN_FILES_FOR_PROCESSES:
        yield from map(_article, sources)
        return
    # Fresh processes: a copy of this one would carry its threads' locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_NUM_PROCESSES, mp_context=context) as pool:
        yield from pool.map(_article, sources, chunksize=_CHUNK_FILES)


def _article(source: SourceFile) -> Article | Unreadable | None:
    data = _read(source)
    if data is None:
        return Unreadable("cannot be opened")
    if len(data) < MIN_PROSE_CHARS:
        return None
    made = article(data, source.module)
    return None if isinstance(made, Article) and made.num_prose_chars < MIN_PROSE_CHARS else made


def _pages(written: list[tuple[SourceFile, Article]]) -> Iterator[tuple[str, bytes]]:
    """(address, HTML) of each page, linked to its neighbours on the same site."""
    for at, (source, made) in enumerate(written):
        before = written[at - 1][0] if at else None
        after = written[at + 1][0] if at + 1 < len(written) else None
        before = before if before is not None and before.site == source.site else None
        after = after if after is not None and after.site == source.site else None
        yield source.url, page_html(source, made, before, after)


def _batches(pages: Iterator[tuple[str, bytes]], size: int) -> Iterator[list[tuple[str, bytes]]]:
    while batch := list(itertools.islice(pages, size)):
        yield batch
