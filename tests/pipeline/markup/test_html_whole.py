"""What is kept as a whole, by scores of our own: tables of data, lists, and what stands between kept blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.markup.html.layout import B_END, B_START, make_tables
from pipeline.markup.html.scan import scan_page
from pipeline.markup.html.whole import keep_between, keep_lists, keep_tables

_DATA = (
    "<table><tr><th>City</th><th>Rain</th></tr><tr><td>Oslo</td><td>763</td></tr>"
    "<tr><td>Rome</td><td>799</td></tr></table>"
)
_CODE = "<div><p>First it says</p><pre>a = 1\n</pre><pre>b = 2\n</pre><p>and then it stops.</p></div>"


@pytest.mark.parametrize(
    ("keep", "html", "scores", "kept"),
    [
        # Tables: of two rows and cells, where one cell is kept and the mean is enough; not of paragraphs alone.
        (keep_tables, _DATA, {"Oslo": 0.9, "": 0.15}, "City Rain Oslo 763 Rome 799"),
        (keep_tables, _DATA, {"Oslo": 0.9, "": 0.01}, "Oslo"),
        (keep_tables, _DATA, {"": 0.4}, ""),
        (keep_tables, "<table><tr><td>Menu</td><td>Text</td></tr></table>", {"Text": 0.9, "": 0.4}, "Text"),
        (keep_tables, "<p>Oslo</p><p>Rome</p>", {"Oslo": 0.9, "": 0.4}, "Oslo"),
        # Between: code of the same element; no paragraphs, no links, nothing that is as good as impossible.
        (keep_between, _CODE, {"First it says": 0.9, "and then it stops.": 0.9, "": 0.1},
         "First it says a = 1 b = 2 and then it stops."),
        (keep_between, _CODE, {"First it says": 0.9, "": 0.1}, "First it says"),
        (keep_between, _CODE, {"First it says": 0.9, "and then it stops.": 0.9, "": 0.01},
         "First it says and then it stops."),
        (keep_between, "<p>One</p><p>Two</p><p>Three</p>", {"One": 0.9, "Three": 0.9, "": 0.4}, "One Three"),
        (keep_between, "<p>One</p><ul><li><a href=/x>Two</a></ul><p>Three</p>", {"One": 0.9, "Three": 0.9, "": 0.4},
         "One Three"),
        # Lists: short items beside one that is kept, or behind a colon; no menus, no links, none with a heading.
        (keep_lists, "<ul><li>Salt</li><li>Flour</li></ul>", {"Salt": 0.9, "": 0.2}, "Salt Flour"),
        (keep_lists, "<p>You need:</p><ol><li>Salt</li><li>Flour</li></ol>", {"You need:": 0.9, "": 0.2},
         "You need: Salt Flour"),
        (keep_lists, "<p>You need</p><ol><li>Salt</li><li>Flour</li></ol>", {"You need": 0.9, "": 0.2}, "You need"),
        (keep_lists, "<nav><ul><li>Salt</li><li>Flour</li></ul></nav>", {"Salt": 0.9, "": 0.2}, "Salt"),
        (keep_lists, "<ul><li>Salt</li><li><a href=/x>Flour and more</a></li></ul>", {"Salt": 0.9, "": 0.2}, "Salt"),
        (keep_lists, "<p>Read also:</p><ul><li><a href=/x>Salt</a></li></ul>", {"Read also:": 0.9, "": 0.2},
         "Read also:"),
        (keep_lists, "<ul><li><h2>Salt</h2></li><li>Flour</li></ul>", {"Salt": 0.9, "": 0.2}, "Salt"),
        (keep_lists, "<ul><li>Salt</li><li>Flour</li></ul>", {"Salt": 0.9, "": 0.01}, "Salt"),
    ],
)  # fmt: skip
def test_kept_as_a_whole(keep: Callable[..., None], html: str, scores: dict[str, float], kept: str) -> None:
    """The scores are of blocks by their text; "" is the score of all others. What is above 0.45 is kept."""
    scanned = scan_page(html.encode(), make_tables({}, {}))
    texts = [scanned.text[row[B_START] : row[B_END]].tobytes().decode().strip() for row in scanned.blocks]
    given = np.array([scores.get(text, scores[""]) for text in texts], np.float32)
    keep(scanned.blocks, scanned.nodes, given, 0.45)
    assert " ".join(text for text, score in zip(texts, given, strict=True) if score > 0.45) == kept
