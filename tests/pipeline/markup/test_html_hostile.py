"""Pages that are built to hurt, and pages that are cut or damaged: there is a text, soon, and it can be encoded."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.extraction_data import SETS, GoldPage, read_pages
from pipeline.markup.html import extract_main_text, extract_page, model
from pipeline.markup.html.read_tag import MAX_BLOCKS, MAX_NODES
from pipeline.markup.html.scan import scan_page

_FIRST = "Every spring the river rises above its banks, and the meadows turn into a lake that lasts for weeks."
_LAST = "Nobody who lives here minds the water, because the soil that it leaves behind feeds them for a year."
MIB = 1 << 20


@pytest.mark.parametrize(
    "unit",
    ["<div>", "<b>", "<p>", "<table><tr><td>", "<li>", "<ul><li>", "<ol><li>", "<a href=x>", "</div>", "<x", "<!-",
     "<!--", "&amp", "<h1>", "<div class='content main'>", "<td>x", "<br>", "<title>", "<svg>", "<form>",
     "<p>word word, word.",
     "&#x41;", "<blockquote>", "<pre> x", "<span hidden>", "<dl><dt>a<dd>b", "<template>", "<plaintext>", "<![CDATA[",
     "<table><tr><td>a<td>b<tr><td>c<td>d</table>", "<p id=cookie>x</p>", "<td><table><tr>", "</p>", "<math>",
     "<table><tr><td><div>x.", "<x-a>", "<x-a hidden><x-b></x-a>", "<div hidden id=ab>",
     "<template id=P:1></template><div hidden id=S:1>"],
)  # fmt: skip
def test_many_of_anything(unit: str) -> None:
    """200,000 of anything are done: what takes squared time would need minutes."""
    page = extract_page(f"<p>{_FIRST}</p>" + unit * 200_000 + f"<p>{_LAST}</p>")
    page.text.encode("utf-8")


@pytest.mark.parametrize(
    "unit", ["<", "&", "<a>", "<a ", "</", "<!", "<!-- -", "\x00", "a ", "&#1", "'", '"', "=", "漢"]
)
def test_sixteen_megabytes(unit: str) -> None:
    html = unit * (16 * MIB // len(unit))
    assert len(extract_main_text(html)) <= 2 * len(html)


def test_numbers_of_columns_and_items_mean_nothing() -> None:
    html = (
        f"<p>{_FIRST}</p><table><tr><td colspan=1000000000 rowspan=1000000000>Cell one</td><td>two</td></tr></table>"
        f"<ol start=999999999999><li value=99999999999999999999>Item</ol><p>{_LAST}</p>"
    )
    assert len(extract_main_text(html)) < 2 * len(html)


def test_a_million_attributes() -> None:
    attributes = " ".join(f"a{number}='{number}'" for number in range(1_000_000))
    classes = " ".join(f"content{number}" for number in range(200_000))
    text = extract_main_text(f"<p {attributes}>{_FIRST}</p><p class='{classes}' {'class=x ' * 100_000}>{_LAST}</p>")
    assert text == f"{_FIRST}\n{_LAST}"


@pytest.mark.parametrize(
    "cut",
    ["<!-- ", "<script>", "<style>", "<textarea>", "<title>", "<a title='", '<img alt="', "<noscript>", "<xmp>", "<!",
     "<?", "<svg>", "<template>"],
)  # fmt: skip
def test_what_is_never_closed(cut: str) -> None:
    """What stands before it is there; the rest is in it, as in a browser."""
    text = extract_main_text(f"<p>{_FIRST}</p><p>{_LAST}</p>{cut}" + "<p>no more of this, please, no.</p>" * 20_000)
    assert text.startswith(f"{_FIRST}\n{_LAST}")


@pytest.mark.parametrize("cut", ["<pre>", "<table>", "<table><tr><td>", "<ul><li>", "<plaintext>", "<div>", "<center>"])
def test_text_in_what_is_never_closed(cut: str) -> None:
    text = extract_main_text(f"{cut}<p>{_FIRST}</p><p>{_LAST}</p>")
    assert _FIRST in text
    assert _LAST in text


def test_memory_is_bounded() -> None:
    """Python and numpy hold no more than so many bytes for each of a page with very many elements."""
    html = "<p>a<b>" * 400_000
    extract_main_text("<p>warm")
    tracemalloc.start()
    extract_main_text(html)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300 * MIB + 20 * len(html)


def test_text_beyond_the_greatest_numbers_is_there() -> None:
    scanned = scan_page(b"<p>a" * (MAX_BLOCKS + 1000), model.load().tables)
    assert len(scanned.blocks) == MAX_BLOCKS + 1
    assert scanned.text.tobytes().count(b"a") == MAX_BLOCKS + 1000
    scanned = scan_page(b"<b>a" * (MAX_NODES + 1000), model.load().tables)
    assert len(scanned.nodes) == MAX_NODES
    assert scanned.text.tobytes().count(b"a") == MAX_NODES + 1000


@pytest.mark.parametrize(
    "html",
    ["", " ", "<", "</", "<!", "<!--", "<p", "<p class", "<p class=", '<p class="', "<p class='x", "<script>",
     "<title>", "&", "&#", "&#x", "&#99999999999999999999;", "&#0;", "&#xD800;", "\x00<p>\x00</p>",
     "\ud800<p>\udfff</p>",
     "\U0010ffff", "<svg>" * 3, "\ufeff", "<pre>\n", "<ol><li", "<a href=#", "<a href='#'>", "<a href=#>#",
     "<a href=#>&para"],
)  # fmt: skip
def test_pages_that_end_early_or_hold_nonsense(html: str) -> None:
    for page in (extract_page(html), extract_page(f"<title>x</title><p>{_FIRST}</p><p>{_LAST}</p>" + html)):
        page.text.encode("utf-8")
        page.title.encode("utf-8")
    assert extract_page("<title>a\x00b</title>").title == "ab"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("<>/!-=\"' &#;abpdtrlihe1\n\x00\ud800é漢"), max_size=300))
def test_any_markup(html: str) -> None:
    page = extract_page(html)
    page.text.encode("utf-8")
    assert "\x00" not in page.text + page.title


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    extract_page(data.decode("latin-1")).text.encode("utf-8")
    extract_page(data.decode("utf-8", "surrogateescape")).text.encode("utf-8")


@pytest.fixture(scope="module")
def real_pages(shared_data: Path) -> list[GoldPage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDUP_TEST_DATA", str(shared_data))
        return read_pages(SETS[0])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 10_000), share=st.floats(0, 1))
def test_pages_cut_anywhere(real_pages: list[GoldPage], which: int, share: float) -> None:
    html = real_pages[which % len(real_pages)].html
    page = extract_page(html[: int(share * len(html))])
    page.text.encode("utf-8")
    page.title.encode("utf-8")


_PIECES = ("", "<", ">", '"', "</", "<!--", "-->", "<div", "</div>", "<table>", "<td>", "</script>", "&#", "\x00")
_MUTATIONS = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.integers(0, 40), st.sampled_from(_PIECES)), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 10_000), mutations=_MUTATIONS)
def test_damaged_real_pages(real_pages: list[GoldPage], which: int, mutations: list[tuple[int, int, str]]) -> None:
    """Whatever is cut out of a page or put into it, there is a text, it is the same twice, and can be encoded."""
    html = real_pages[which % len(real_pages)].html
    for place, length, inserted in mutations:
        place %= len(html) + 1
        html = html[:place] + inserted + html[place + length :]
    page = extract_page(html)
    page.text.encode("utf-8")
    assert page == extract_page(html)


def test_deep_cells() -> None:
    text = extract_main_text("<table><tr><td>" + f"<div>{_FIRST}" * 20_000 + "<td>end</table>")
    assert text.count(_FIRST) == 20_000
