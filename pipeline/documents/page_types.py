"""The kinds of pages that are told apart."""

from __future__ import annotations

from typing import Literal, get_args

PageType = Literal["article", "forum", "documentation", "product", "collection", "listing", "service"]
PAGE_TYPES: tuple[PageType, ...] = get_args(PageType)
