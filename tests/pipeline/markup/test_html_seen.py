"""What a reader sees of a page, how much of it is kept, and what is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from datatrove.data import Document

from bench.extraction_data import SETS, read_pages
from pipeline.extractors.html import HtmlExtractor
from pipeline.markup import html_backends
from pipeline.markup.html import extract_page

_SENTENCE = "The bridge over the river was repaired in spring, and the town paid for its stones. "
_NUM_SENTENCE = len("".join(_SENTENCE.split()))
_LONG = f"<p>{_SENTENCE * 9}</p>"


def _shown(body: str, head: str = "") -> int:
    return extract_page(f"<html><head><title>A title</title>{head}</head><body>{body}</body></html>").num_shown


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ("<p>seen &amp;\n read</p>", 9),
        ("<nav><a href=/>Home</a></nav><main><p>Text</p></main><footer>Imprint</footer>", 15),
        ("<ul><li>one<li>two</ul><table><tr><td>1<td>2</table><pre>a  =  b</pre>", 11),
        ("<button>Buy</button><form><label>Name</label><input value=hidden></form>", 7),
        ("<details><summary>More</summary><p>inside</p></details>", 10),
        ("<p>水面に月</p>", 4),
        (f"{_LONG}<p style='display: none'>unseen</p>", 9 * _NUM_SENTENCE),
        (f"{_LONG}<div hidden><p>unseen</p></div>", 9 * _NUM_SENTENCE),
        (f"{_LONG}<p style='visibility:hidden'>unseen</p>", 9 * _NUM_SENTENCE),
        ("<script>let a = 'unseen'</script><style>b {}</style><template><p>unseen</p></template><p>seen</p>", 4),
        ("<select><option>unseen</select><svg><text>unseen</text></svg><p>seen</p>", 4),
        (f"<p>x</p><div style='display:none'>{_LONG}</div>", 9 * _NUM_SENTENCE + 1),  # scripts show it
        (f"<noscript>{_LONG}</noscript>", 9 * _NUM_SENTENCE),  # where nothing else is there
        ("<noscript>You need to enable JavaScript to run this app.</noscript>", 0),
        ("", 0),
    ],
)
def test_characters_that_a_reader_sees(body: str, number: int) -> None:
    assert _shown(body) == number


def test_what_is_kept_and_what_is_lost() -> None:
    items = "".join(f"<li><a href=/{number}>Offer number {number} of the shop</a></li>" for number in range(200))
    page = extract_page(f"<title>x</title><nav><ul>{items}</ul></nav><article><h1>x</h1>{_LONG}</article>")
    assert page.num_kept == len("".join(page.text.split())) == 9 * _NUM_SENTENCE + 1
    assert page.num_shown > 4 * page.num_kept
    assert page.lost is not None
    assert page.lost.startswith("Offer number 10")  # of the middle
    assert page.lost.count(" / ") > 3
    assert len(page.lost) <= 200
    assert extract_page(f"<article>{_LONG}</article>").lost is None


def test_counts_agree_with_the_text(shared_data: Path) -> None:
    """What is kept was shown and stands in the text, and what is called lost does not."""
    num_lost = 0
    for gold in [page for name in SETS for page in read_pages(name)[::60]]:
        page = extract_page(gold.html)
        folded = page.text.replace(" ", "").replace("\n", "")  # a no-break space counts as a character
        assert page.num_kept <= len(folded)
        assert page.origin or page.num_kept <= page.num_shown
        num_lost += page.lost is not None
        assert page.lost is None or page.num_kept < 0.25 * page.num_shown
        for piece in (page.lost or "").split(" / ")[1:-1]:
            assert len(piece) < 40 or "".join(piece.split()) not in folded
    assert num_lost


@pytest.mark.parametrize("backend", html_backends.NAMES)
def test_every_backend_says_what_a_page_shows(backend: str) -> None:
    if backend == "trafilatura":
        pytest.importorskip("trafilatura")
    drops = []
    extractor = HtmlExtractor(backend)
    extractor.drop = lambda document, reason, *_: drops.append((document, reason))  # type: ignore[method-assign]
    listing = "<title>x</title><nav>" + "".join(f"<a href=/{n}>{n}</a> " for n in range(100)) + "</nav>"
    paragraphs = [f"In {year} it was another. {_SENTENCE * 2}" for year in range(1990, 1999)]
    main = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    article = f"<title>x</title><body><nav><a href=/>Home</a></nav><main><article>{main}</article></main></body>"
    texts = [article, listing, "<rss><channel>"]
    (kept,) = extractor.run([Document(text=text, id=str(number)) for number, text in enumerate(texts)])
    shown = len("".join("".join(paragraphs).split()))
    assert kept.metadata["shown_characters"] == shown + len("Home")
    assert kept.metadata["kept_characters"] == shown
    dropped = {document.id: (document.metadata, reason) for document, reason in drops}
    assert dropped["1"][1] == "empty_text"
    assert (dropped["1"][0]["shown_characters"], dropped["1"][0]["kept_characters"]) == (190, 0)
    assert dropped["1"][0]["lost_text"]
    assert "shown_characters" not in dropped["2"][0]  # it is no page
    counts = sum(map(Counter, extractor.pages.values()), Counter())  # one may be of another type
    assert counts == {"pages": 2, "dropped": 1, "shown": shown + 4 + 190, "kept": shown}
