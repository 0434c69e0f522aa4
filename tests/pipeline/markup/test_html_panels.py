"""What is hidden until somebody clicks is shown; menus, dialogs, notices and copies, hidden likewise, are not."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.markup.html import extract_main_text, model
from pipeline.markup.html.layout import ARIA_HIDDEN, B_INNER, HIDDEN, N_FLAGS, UNTIL_CLICKED
from pipeline.markup.html.render import render
from pipeline.markup.html.rewrite import rewritten
from pipeline.markup.html.scan import scan_page
from pipeline.markup.html.streamed import in_place

_TABLES = model.load().tables


def _shown(html: str) -> str:
    """The blocks of a page that are not hidden, main content or not."""
    data = html.encode("utf-8")
    scanned = scan_page(data, _TABLES)
    if scanned.met:
        scanned = scan_page(rewritten(data, scanned.met), _TABLES)
    flags = scanned.nodes[scanned.blocks[:, B_INNER], N_FLAGS]
    return render(scanned, np.flatnonzero(flags & (HIDDEN | ARIA_HIDDEN) == 0))


_PANELS = [
    # tabs
    '<div role="tabpanel" id="p2" aria-labelledby="t2" hidden>{}</div>',
    '<div class="tab-content"><div class="tab-pane fade" style="display:none">{}</div></div>',
    '<section id="tabpanel_1_linux" role="tabpanel" aria-hidden="true" hidden="hidden">{}</section>',
    '<div class="css-1x2"><div data-baseweb="tab-panel" class="css-f" hidden>{}</div></div>',
    '<div hidden class="tab__content" id="pageblock_1-tab-2">{}</div>',
    '<div class="cpTabPanels"><div style="display: none;">{}</div></div>',
    # accordions
    '<div class="accordion-item"><h3>More</h3><div class="accordion-body" style="display:none">{}</div></div>',
    '<div class="es-accordion"><div id="c0" style="display:none;" role=region aria-labelledby="h0_act">{}</div></div>',
    '<dl><dt>Question<dd class="cmp-accordion__panel--hidden" aria-labelledby="b1" hidden>{}</dl>',
    '<div data-theme-key="collapsible-section"><div aria-hidden="true" hidden class="css-1">{}</div></div>',
    '<div class="chakra-collapse" style="overflow:hidden;display:none;height:0px">{}</div>',
    '<div class="elementor-toggle-item"><div class="elementor-tab-content" style="display:none">{}</div></div>',
    # answers, "read more", slides
    '<div class="faq__answer" style="display: none;">{}</div>',
    '<p>It begins<span class="moretext" style="display:none"> {}</span></p>',
    '<div data-expanded="false" class="a-expander-content" style="display:none">{}</div>',
    '<div class="slick-slide" aria-hidden="true">{}</div>',
    '<ul class="bp-Carousel__slider"><li aria-hidden="true">{}</li></ul>',
    '<div class="swiper-slide" aria-hidden="true">{}</div>',
    # what opens it stands before it
    '<h3><button aria-expanded="false" aria-controls="x1">Terms</button></h3><div id="x1" hidden>{}</div>',
    '<a data-toggle="y" href="#x1">Terms</a><div class="z" id=x1 style="display:none">{}</div>',
    "<a data-bs-target=\"#x1\">Terms</a><div id='x1' aria-hidden=true>{}</div>",
    # main content that a script shows
    '<main style="visibility:hidden">{}</main>',
    '<main aria-hidden="true">{}</main>',
    "<details><summary>Terms</summary><div>{}</div></details>",
]


@pytest.mark.parametrize("markup", _PANELS)
def test_what_a_click_shows_is_shown(markup: str) -> None:
    text = "Batteries are covered for eight years."
    assert text in _shown(f"<div class=a><div class=b>{markup.format(text)}</div></div>")


@pytest.mark.parametrize(
    "markup",
    [
        '<ul role="menu" class="dropdown-menu" aria-hidden="true"><li>{}</ul>',
        '<nav><div class="accordion" hidden>{}</div></nav>',
        '<div id="m" class="modal fade" role="dialog" aria-labelledby="l" aria-hidden="true">{}</div>',
        '<div class="cookie-consent"><div class="tab-pane" style="display:none">{}</div></div>',
        '<div class="tooltip toggle" hidden>{}</div>',
        '<div class="slick-slide slick-cloned" aria-hidden="true">{}</div>',
        '<div class="swiper-slide swiper-slide-duplicate" aria-hidden="true">{}</div>',
        '<div class="tab-pane"><span aria-hidden="true">{}</span></div>',
        '<div class="accordion"><div class="accordion-icon" aria-hidden="true">{}</div></div>',
        '<button aria-controls="x1">Menu</button><div id="x1" class="offcanvas" hidden>{}</div>',
        '<button aria-controls="x12">Terms</button><div id="x1" hidden>{}</div>',
        '<footer><div class="footer-accordion__panel" hidden>{}</div></footer>',
        "<div hidden>{}</div>",
        '<div style="display:none">{}</div>',
        '<p class="sr-only">{}</p>',
        '<p class="visually-hidden">{}</p>',
        '<p class="x visuallyHidden">{}</p>',
        '<p class="screen-reader-text">{}</p>',
        '<template class="tab-pane">{}</template>',
    ],
)
def test_what_is_apart_stays_hidden(markup: str) -> None:
    text = "Batteries are covered for eight years."
    assert text not in _shown(f"<div><p>Cars</p>{markup.format(text)}<p>End</p></div>")


def test_flag_of_panels_comes_down() -> None:
    scanned = scan_page(b"<div role=tabpanel hidden><p>Text <b>of</b> it</p></div><p>After</p>", _TABLES)
    flags = scanned.nodes[scanned.blocks[:, B_INNER], N_FLAGS]
    assert (flags & UNTIL_CLICKED != 0).tolist() == [True, False]
    nested = scan_page(b"<div role=tabpanel hidden><ul role=menu hidden><li>Text</ul></div>", _TABLES)
    assert nested.nodes[nested.blocks[0, B_INNER], N_FLAGS] & HIDDEN


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<i-refresh aria-hidden=true><div>Pull</div></i-refresh><p>Text</p>", "Text"),
        ("<x-a hidden>Menu</x-a><x-b>Text</x-b>", "Text"),
        ("<x-a><x-b hidden>Menu</x-b> Text</x-a>", "Text"),
        ("<x-a hidden><x-b>Menu</x-a><p>Text", "Text"),
        ("<X-A hidden>Menu</x-a ><p>Text", "Text"),
        ("<x-a hidden><p>Menu</p><x-c></x-d><div>More</div></x-a>Text", "Text"),
        ("<div><x-a hidden>Menu</div>Text", "Text"),
        # an end tag does not reach beyond the block that it stands in
        ("<x-a><div hidden>Menu</x-a> More</div>Text", "Text"),
        ("<div hidden></x-a>Menu</div>Text", "Text"),
    ],
)
def test_elements_of_unknown_names_end(html: str, text: str) -> None:
    assert _shown(html) == text


_WAITING = '<div id="s"><!--$?--><template id="B:0"></template><p>Loading</p><!--/$--></div><p>End</p>'


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (_WAITING + '<div hidden id="S:0"><p>One</p></div><script>$RC("B:0","S:0")</script>', "One\nEnd"),
        (_WAITING + '<div hidden="" id="S:0"><div><p>One</p></div></div>', "One\nEnd"),
        (_WAITING + '<div id=S:0 hidden>One<template id="P:1"></template>!</div><div hidden id=S:1><p>Two</p></div>',
         "One\nTwo\n!\nEnd"),
        ('<template id="B:a"></template><p>End</p><div hidden id="S:a"><p>One</p></div>', "One\nEnd"),
        ('<p>End</p><div hidden id="S:0"><p>One</p></div></body></html>', "End\nOne"),
        ('<template id="P:1"></template><p>End</p><div hidden id="S:1"><p>One</p>', "End"),
        (
            '<!--$?--><template id="B:0"></template><!--$--><p>Wait</p><!--/$--><p>Loading</p><!--/$--><p>End</p>'
            '<div hidden id="S:0"><p>One</p></div><div hidden id="S:1"><p>Two</p></div>', "One\nEnd\nTwo",
        ),
        ('<template id="B:0"></template><p>End</p>', "End"),
    ],
)  # fmt: skip
def test_pages_in_pieces(html: str, text: str) -> None:
    assert _shown(html) == text


def test_pieces_of_hostile_pages_take_linear_time() -> None:
    for unit in ('<div hidden id="S:0">', '<template id="B:0"></template>', "<template ", "<div hidden ", "<!--$-->"):
        in_place('<!--$?--><template id="B:1"></template><div hidden id="S:1">x</div>' + unit * 100_000)
    deep = "".join(f'<div hidden id="S:{n:x}"><template id="P:{n + 1:x}"></template></div>' for n in range(3000))
    assert in_place(deep).count("<div>") >= 1


def test_a_panel_is_main_text_and_a_menu_is_not() -> None:
    body = "".join(
        f"<h2>Part {part}</h2><p>The river rises above its banks in spring, and the meadows turn into a lake.</p>"
        f'<div class="accordion-body" style="display:none"><p>In year {part}, the water stayed for three weeks, as '
        "the oldest of the village remember.</p></div>"
        for part in range(6)
    )
    menu = '<ul role="menu" hidden><li><a href=/a>Boats and other things</a><li><a href=/b>Trips</a></ul>'
    text = extract_main_text(f"<body>{menu}<main><article><h1>The river</h1>{body}</article></main></body>")
    assert text.count("the water stayed for three weeks") == 6
    assert "Boats" not in text
