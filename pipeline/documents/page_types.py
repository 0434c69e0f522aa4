"""The kinds of pages that are told apart."""

from __future__ import annotations

from typing import Literal, get_args

PageType = Literal["article", "documentation", "service", "forum", "collection", "listing", "product"]
PAGE_TYPES: tuple[PageType, ...] = get_args(PageType)
