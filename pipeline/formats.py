"""Readers, which make documents of raw files, and extractors, which make plain text of documents.

Both are datatrove blocks: a task is `[reader_for(file), extractor_for(file.format, settings), writer]`.
"""

from __future__ import annotations

from manifests.errors import UserError
from pipeline.extractors.base import TextExtractor
from pipeline.extractors.guard.guard import Budget
from pipeline.extractors.gutenberg import GutenbergExtractor
from pipeline.extractors.html import HtmlExtractor
from pipeline.extractors.plain import CodeExtractor, PlainTextExtractor
from pipeline.extractors.settings import ExtractSettings
from pipeline.extractors.wikitext import WikitextExtractor
from pipeline.markup.html_options import Options
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.code import CodeReader
from pipeline.readers.csv_rows import CsvReader
from pipeline.readers.files import TextFileReader
from pipeline.readers.gutenberg import GutenbergReader
from pipeline.readers.mediawiki import MediaWikiReader
from pipeline.readers.rows import JsonlReader, ParquetReader
from pipeline.readers.warc import WarcReader

__all__ = ["ExtractSettings", "RawFile", "Reader", "TextExtractor", "extractor_for", "reader_for"]

_READERS: dict[str, type[Reader]] = {
    "warc": WarcReader,
    "wet": WarcReader,
    "mediawiki": MediaWikiReader,
    "html": TextFileReader,
    "text": TextFileReader,
    "gutenberg": GutenbergReader,
    "code": CodeReader,
    "jsonl": JsonlReader,
    "parquet": ParquetReader,
    "csv": CsvReader,
}


def reader_for(file: RawFile) -> Reader:
    """The reader of a raw file's format. Raises `UserError` for a format that there is none for."""
    if file.format not in _READERS:
        raise UserError(f"{file.key}: no reader for format {file.format!r}. Use one of {', '.join(_READERS)}.")
    return _READERS[file.format](file)


def extractor_for(format: str, settings: ExtractSettings) -> TextExtractor:
    """The block that turns what the reader of `format` yields into plain text."""
    extractor = _extractor_for(format, settings)
    extractor.unicode = settings.unicode
    return extractor


def _extractor_for(format: str, settings: ExtractSettings) -> TextExtractor:
    budget = Budget(settings.page_seconds, settings.page_memory_megabytes << 20)
    if format in ("warc", "html"):
        options = Options(
            form=settings.form, links=settings.links, comments=settings.comments, authors=settings.authors
        )
        return HtmlExtractor(settings.html, settings.max_page_characters, budget, options)
    if format == "mediawiki":
        return WikitextExtractor(settings.tables, settings.max_page_characters, budget, settings.form)
    if format == "gutenberg":
        return GutenbergExtractor(settings.wrapped_lines)
    if format == "code":
        return CodeExtractor()
    return PlainTextExtractor()
