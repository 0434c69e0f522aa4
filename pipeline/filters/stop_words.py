"""The stop words of each language: words of which a text of that language is sure to have some.

English has Gopher's eight. Those of other languages are the commonest words of sample sentences and of articles of
Wikipedia, as FineWeb-2 (Penedo et al. 2025, arXiv:2506.20920) takes them from word frequencies. `stop_words.json` is
made by `python -m tools.make_stop_words`, which says how.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

_FILE = Path(__file__).with_name("stop_words.json")


@functools.cache
def default_stop_words() -> dict[str, list[str]]:
    """By language (ISO 639-1)."""
    words: dict[str, list[str]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return words


def stop_words_digest() -> str:
    """SHA-256 of the lists: what a build that uses them depends on."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()
