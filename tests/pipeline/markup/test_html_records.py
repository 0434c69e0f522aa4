"""Repeated records: groups of siblings of one template, their slots, and that slots are kept or dropped as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.markup.html import model
from pipeline.markup.html.layout import B_END, B_START, Scanned
from pipeline.markup.html.page_head import head_of
from pipeline.markup.html.records import I_GROUP, I_RECORD, I_SLOT, NAMES, settle_slots
from pipeline.markup.html.scan import scan_page


def records(scanned: Scanned) -> tuple[np.ndarray, np.ndarray]:
    """Group, record and slot of each block, and a row of NAMES."""
    judged = model.judge(scanned, "", head_of(b""), model.load())
    return judged.ids, judged.records


def _scan(body: str) -> tuple[Scanned, list[str]]:
    data = f"<html><head><title>A page</title></head><body>{body}</body></html>".encode()
    scanned = scan_page(data, model.load().tables)
    text = scanned.text.tobytes()
    return scanned, [text[start:end].decode() for start, end in scanned.blocks[:, [B_START, B_END]].tolist()]


def _grid(n: int) -> str:  # state classes, classes of content, an advertisement between
    advert = '<div class="ad">Buy now</div>' if n == 2 else ""
    return (
        f'{advert}<div class="card {("odd", "even")[n % 2]} cat-{"abcd"[n]} post-{n}"><h3><a href=/>Body {n}</a></h3>'
        f'<p class="price">{n}9 USD</p><button>Add to cart</button></div>'
    )


def _woocommerce(n: int) -> str:
    return (
        f'<li class="product type-product post-{n} {("first", "last")[n % 2]} product_cat-{"abcd"[n]}"><a '
        f"href=/><h2>Body "
        f'{n}</h2></a><span class="price">{n}9 EUR</span></li>'
    )


def _results(n: int) -> str:
    return f'<div class="g"><h3><a href=/>Title {n}</a></h3><div class="snippet">Body {n}</div></div>'


def _phpbb(n: int) -> str:
    return (
        f'<div id="p{n}" class="post has-profile bg{n % 2 + 1}"><dl class="postprofile"><dt>Ann '
        f"{n}</dt><dd>Posts: {n}</dd>"
        f'</dl><div class="postbody"><p class="author">January {n}</p><div class="content">Body {n}</div></div></div>'
    )


def _xenforo(n: int) -> str:
    return (
        f'<article class="message message--post js-post js-inlineMod {"is-first" if n == 0 else ""}"><section class='
        f'"message-user"><h4>Ann {n}</h4></section><div class="message-main"><div class="bbWrapper">Body '
        f"{n}</div></div>"
        "</article>"
    )


def _discourse(n: int) -> str:
    return (
        f'<div class="topic-body crawler-post" id="post_{n}"><div class="crawler-post-meta"><span>Ann {n}</span></div>'
        f'<div class="post"><p>Body {n}</p></div></div>'
    )


def _vbulletin(n: int) -> str:
    return (
        f'<li class="postbitlegacy postbitim postcontainer {("old", "new")[n % 2]}"><div class="posthead">January {n}'
        f'</div><div class="postdetails"><div class="userinfo">Ann {n}</div><blockquote>Body '
        f"{n}</blockquote></div></li>"
    )


def _nodebb(n: int) -> str:
    return (
        f'<li component="post" class="posts-list-item {("self-post", "")[n % 2]}"><div '
        f'class="post-header">Ann {n}</div>'
        f'<div class="content"><p>Body {n}</p></div><div class="post-footer"><a href=/>Reply</a></div></li>'
    )


def _jobs(n: int) -> str:
    return (
        f'<tr class="job {("featured", "")[n % 2]}"><td>Body {n}</td><td>Berlin</td><td><a href=/>Apply</a></td></tr>'
    )


def _news(n: int) -> str:
    return (
        f'<article class="teaser teaser-{"abcd"[n]}"><h2><a href=/>Title {n}</a></h2><time>January '
        f"{n}</time><p>Body {n}</p>"
        "</article>"
    )


def _answers(n: int) -> str:
    return (
        f'<div id="answer-{n}" class="answer {("", "accepted-answer")[n == 0]}"><div class="votes">{n}</div><div class='
        f'"s-prose"><p>Body {n}</p></div><div class="user">Ann {n}</div></div>'
    )


def _reviews(n: int) -> str:
    return (
        f'<div itemprop="review" class="review r{n}"><span class="stars">{n} of 5</span><div '
        f'class="text">Body {n}</div>'
        "</div>"
    )


def _comments(n: int) -> str:  # each holds the next
    deeper = _comments(n + 1) if n < 3 else ""
    return (
        f'<div class="thing id-t{"abcd"[n]} comment"><p class="tagline">Ann {n}</p><div class="md"><p>Body '
        f"{n}</p></div>"
        f'<div class="child">{deeper}</div></div>'
    )


_FLAT = (
    *(_grid, _woocommerce, _results, _phpbb, _xenforo, _discourse, _vbulletin, _nodebb, _jobs, _news, _answers),
    _reviews,
)


def _check(scanned: Scanned, texts: list[str], count: int) -> None:
    ids, table = records(scanned)
    places = [place for place, text in enumerate(texts) if text.startswith("Body ")]
    assert [texts[place] for place in places] == [f"Body {n % 4}" for n in range(count)]
    assert len(set(ids[places, I_GROUP])) == 1
    assert ids[places[0], I_GROUP] >= 0
    assert len(set(ids[places, I_RECORD])) == count
    assert len(set(ids[places, I_SLOT])) == 1
    assert set(table[places, NAMES.index("rec_count")]) == {count}
    assert set(table[places, NAMES.index("slot_records")]) == {1}
    others = [place for place, text in enumerate(texts) if text.startswith(("Menu", "Buy", "Foot"))]
    assert not set(ids[others, I_GROUP]) & set(ids[places, I_GROUP])


@pytest.mark.parametrize("record", _FLAT, ids=lambda record: record.__name__.strip("_"))
def test_records_are_found(record: object) -> None:
    assert callable(record)
    inner = "".join(record(n) for n in range(4))
    around = {"_woocommerce": "ul", "_vbulletin": "ol", "_nodebb": "ul", "_jobs": "table"}.get(record.__name__, "div")
    menu = "<ul>" + "".join(f"<li><a href=/>Menu {n}</a></li>" for n in range(4)) + "</ul>"
    scanned, texts = _scan(f"<nav>{menu}</nav><{around}>{inner}</{around}><div>Foot</div>")
    _check(scanned, texts, 4)


def test_answers_to_comments_are_records() -> None:
    scanned, texts = _scan(f"<div>{_comments(0)}{_comments(0)}{_comments(0)}</div>")
    _check(scanned, texts, 12)


def test_two_posts_and_two_boxes() -> None:
    prose = "<p>It is a long way to the mill, and it takes an hour on foot.</p>"
    scanned, texts = _scan(
        f"<div>{'<div class=post><b>Ann</b>' + prose + '</div>'}{'<div class=post>' + prose + '</div>'}"
    )
    ids, _ = records(scanned)
    assert ids[0, I_GROUP] >= 0
    scanned, texts = _scan("<div><div class=box><p>One</p></div><div class=box><p>Two</p></div></div>")
    assert records(scanned)[0][:, I_GROUP].tolist() == [-1] * len(texts)


@pytest.mark.parametrize(
    "body",
    [
        "<div><div class=a><p>One</p></div><div class=b><ul><li>Two</ul></div><div "
        "class=c><pre>Three</pre></div></div>",
        "<p>One</p><p>Two</p><p>Three</p><p>Four</p>",
        "<header><h1>One</h1></header><main><p>Two</p></main><footer><p>Three</p></footer>",
        "",
        "One",
    ],
)
def test_no_records(body: str) -> None:
    scanned, texts = _scan(body)
    ids, table = records(scanned)
    assert ids[:, I_GROUP].tolist() == [-1] * len(texts)
    assert not table.any()


def test_labels_are_alike() -> None:
    scanned, texts = _scan("<div>" + "".join(_grid(n) for n in range(4)) + "</div>")
    same = records(scanned)[1][:, NAMES.index("slot_same")]
    assert same[texts.index("Add to cart")] == 0.75
    assert same[texts.index("Body 0")] == 0


def test_slots_are_kept_or_dropped_as_a_whole() -> None:
    scanned, texts = _scan("<div>" + "".join(_grid(n) for n in range(4)) + "</div>")
    ids, table = records(scanned)
    bodies = [place for place, text in enumerate(texts) if text.startswith("Body")]
    labels = [place for place, text in enumerate(texts) if text == "Add to cart"]
    prices = [place for place, text in enumerate(texts) if text.endswith("USD")]
    scores = np.full(len(texts), 0.4, np.float32)
    scores[bodies] = (0.9, 0.3, 0.9, 0.9)
    scores[labels] = (0.1, 0.6, 0.1, 0.1)
    scores[prices] = (0.6, 0.4, 0.4, 0.4)
    settle_slots(scanned.blocks, ids, table, scores, 0.5)
    assert np.allclose(scores[bodies], 0.75)
    assert np.allclose(scores[labels], 0.225)
    assert np.allclose(scores[prices], (0.6, 0.4, 0.4, 0.4))  # not clear: each by itself
    assert scores[texts.index("Buy now")] == np.float32(0.4)
