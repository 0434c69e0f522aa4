"""Tells what kind of page a page is."""

from __future__ import annotations

from pipeline.markup.html.layout import Scanned
from pipeline.markup.page_types import PageType


def page_type_of(scanned: Scanned) -> tuple[PageType, float]:
    """The type of a page, and how sure that is, from 0 to 1."""
    return "article", 0.0
