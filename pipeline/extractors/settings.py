"""The `[extract]` table of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from manifests.settings import Settings


class ExtractSettings(Settings):
    """The way from raw files to documents, and the bounds beyond which a page of HTML or wikitext is dropped."""

    html: Literal["groundup", "resiliparse", "trafilatura"] = "groundup"
    """The program that finds the main content of a page of HTML."""
    form: Literal["text", "markdown"] = "text"
    """The form of the texts of pages of HTML and of wikis: a line for each paragraph, heading, item and row, or
    `markdown`. Texts that come as such stay as they are."""
    links: Literal["drop", "keep"] = "drop"
    """Links in Markdown of HTML: their words alone, or `keep` writes `[words](https://address)`."""
    comments: Literal["drop", "keep"] = "drop"
    """Comments under an article: `keep` writes them after it, `drop` leaves them out. Where they are the page (a forum,
    questions and answers, reviews), they are its content and stay."""
    authors: Literal["auto", "keep", "drop"] = "auto"
    """The lines that say who wrote a post, comment or review, and when: `auto` leaves what passes for content, `keep`
    adds name and date to each post that stays, `drop` leaves them out (groundup's own extractor)."""
    wrapped_lines: Literal["join", "keep"] = "join"
    """Lines of a book's paragraphs of prose (format gutenberg): `join` makes one line of each paragraph, `keep` leaves
    them as they are."""
    tables: Literal["keep", "drop"] = "keep"
    """Tables of wikitext: `keep` makes rows of cells of them, `drop` leaves them out."""
    unicode: Literal["NFC", "none"] = "NFC"
    """The form of Unicode that all texts come out in: `NFC` spells é as one character, `none` leaves it as it came."""
    damaged: Literal["fail", "drop"] = "fail"
    """Damaged raw files: `fail` stops the build after the stage, `drop` goes on with what could be read. Both write the
    drops."""
    page_seconds: float = Field(default=10.0, gt=0.0, le=86_400.0)
    """Seconds of processor time that one page may take."""
    page_memory_megabytes: int = Field(default=4096, ge=1024, le=1 << 24)
    """Mebibytes of address space that the process which extracts may have for one page; a
    compressed raw file may ask for as much to be unpacked."""
    max_page_characters: int = Field(default=16 << 20, ge=1, le=1 << 28)
    """Characters of raw text that a page may have. (2^28 are a gibibyte in UTF-8; positions in a page have 31 bits.)"""

    @model_validator(mode="after")
    def _form_is_there(self) -> ExtractSettings:
        if self.form == "markdown" and self.html != "groundup":
            raise ValueError(f'form = "markdown" needs html = "groundup": {self.html} gives plain text')
        if self.links == "keep" and self.form != "markdown":
            raise ValueError('links = "keep" needs form = "markdown": plain text has no links')
        return self
