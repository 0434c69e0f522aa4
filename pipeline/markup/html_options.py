"""What a recipe says of the text of a page of HTML. Without compiled code, for the stages' side of the guard."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal


@dataclass(frozen=True)
class Options:
    """The form of the text, addresses of links, comments under an article, and author lines of posts: see `[extract]`
    in the recipe, which has the same names and defaults.

    url: the page's own, which addresses of links are relative to.
    """

    form: Literal["text", "markdown"] = "text"
    links: Literal["drop", "keep"] = "drop"
    comments: Literal["drop", "keep"] = "drop"
    authors: Literal["auto", "keep", "drop"] = "auto"
    url: str = ""

    def note(self) -> str:
        """What `options_of` reads: goes to the guarded process beside each page."""
        return json.dumps(asdict(self))


@lru_cache(maxsize=4)
def options_of(note: str) -> Options:
    """The options of `Options.note`; the usual ones of an empty note."""
    return Options(**json.loads(note)) if note else Options()
