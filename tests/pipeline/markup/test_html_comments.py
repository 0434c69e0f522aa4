"""Comments under an article, and author lines, by the options that a recipe gives."""

from __future__ import annotations

import pytest

from pipeline.markup import html_backends
from pipeline.markup.html import extract_page
from pipeline.markup.html_options import Options, options_of

_ARTICLE = "<h1>The old mill of the valley</h1>" + "".join(
    f"<p>The mill was built in {year} by the people of the valley, who brought their grain there, and it turned for "
    "many years until the river ran dry.</p>"
    for year in range(1700, 1708)
)


def _page(comments: str) -> str:
    return (
        "<html><head><title>The old mill of the valley</title></head><body><nav><a href=/>Home</a></nav><main>"
        f"<article>{_ARTICLE}</article>{comments}</main><footer><p>Copyright 2026</p></footer></body></html>"
    )


def _after(comments: str, options: Options) -> list[str]:
    """The lines after the article's."""
    lines = extract_page(_page(comments), options).text.split("\n")
    assert len([line for line in lines if "until the river ran dry" in line]) == 8
    return lines[9:]


_TEXTS = ("My grandfather worked there", "Lovely story, thank you for it.", "I remember the wheel. It was huge.")
_WORDPRESS = (
    '<div id="comments" class="comments-area"><h2>3 thoughts on “The old mill”</h2><ol class="comment-list">'
    + "".join(
        f'<li id="comment-{n}" class="comment byuser comment-author-ann {("odd alt", "even")[n % 2]}"><article '
        f'class="comment-body"><footer class="comment-meta"><div class="comment-author vcard"><b '
        f'class="fn">Ann {n}</b> '
        f'<span class="says">says:</span></div><div class="comment-metadata"><time>January {n}</time></div></footer>'
        f'<div class="comment-content"><p>{text}</p></div><div class="reply"><a '
        f'href="#r">Reply</a></div></article></li>'
        for n, text in enumerate(_TEXTS)
    )
    + '</ol><div id="respond" class="comment-respond"><h3>Leave a Reply <a href="#x">Cancel reply</a></h3><p class='
    '"must-log-in">You must be <a href="/login">logged in</a> to post a comment.</p><form><p>Your email address will '
    "not be published.</p><label>Comment</label><textarea></textarea></form></div></div>"
)
_PLAIN = (
    '<div class="comments"><div class="sort-menu"><a href=#>Newest</a> <a href=#>Oldest</a></div>'
    + "".join(
        f'<div class="comment-item"><div class="user-name">Ann {n}</div><div class="date">January '
        f"{n}</div><div class=txt>"
        f'{text}</div><div class="actions"><span>Like</span> <span>Report</span></div></div>'
        for n, text in enumerate(_TEXTS)
    )
    + "</div>"
)
_GERMAN = (
    '<section class="kommentare"><h2>Kommentare (3)</h2><ul>'
    + "".join(
        f'<li class="kommentar"><h4 class="autor">Ann {n}</h4><time>January {n}</time><p>{text}</p><button>Antworten'
        "</button></li>"
        for n, text in enumerate(_TEXTS)
    )
    + "</ul><form><p>Bitte melden Sie sich an, um zu kommentieren.</p></form></section>"
)
_NESTED = (
    '<div id="disqus_thread"><ul class="list">'
    + "".join(
        f'<li class="post"><header><span class="author"><a href="/u">Ann {n}</a></span></header><div '
        f'class="message"><p>'
        f'{text}</p></div><footer class="post-actions"><a href=#>Reply</a></footer><ul class="children">'
        for n, text in enumerate(_TEXTS)
    )
    + "</ul></li>" * 3
    + "</ul></div>"
)
_MICRODATA = "<div class=comments>" + "".join(
    f'<div itemprop="comment"><span itemprop="author">Ann {n}</span><time itemprop="dateCreated">January '
    f"{n}</time><div "
    f'itemprop="text">{text}</div><a href=#>Share</a></div>'
    for n, text in enumerate(_TEXTS)
)


@pytest.mark.parametrize("comments", [_WORDPRESS, _PLAIN, _GERMAN, _NESTED, _MICRODATA])
def test_comments_under_an_article(comments: str) -> None:
    assert _after(comments, Options()) == []
    bare = [line.removeprefix("- ") for line in _after(comments, Options(comments="keep", authors="drop"))]
    assert [line.strip() for line in bare] == list(_TEXTS)
    kept = _after(comments, Options(comments="keep"))
    said = [line for line in kept if "Ann" not in line and "January" not in line]
    assert [line.removeprefix("- ").strip() for line in said] == list(_TEXTS)
    assert len([line for line in kept if "Ann" in line]) == 3


def test_a_single_comment() -> None:
    comment = (
        '<section id="comments"><h3>1 Comment</h3><div class="comment"><span '
        'class="comment-author">Zoe</span> <span class='
        '"comment-date">2 days ago</span><div class="comment-text">Great!! Never knew that</div><a '
        'href="#">Reply</a></div>'
        '<p><a href="/login">Log in</a> to comment</p><p>Comments are closed.</p></section>'
    )
    assert _after(comment, Options(comments="keep")) == ["Zoe 2 days ago", "Great!! Never knew that"]


def test_comments_of_code_are_code() -> None:
    code = (
        '<pre><code>int x; <span class="comment">// a remark</span>\n<span class="comment">// '
        "more</span>\nrun();</code></pre>"
    )
    page = _page("").replace("<p>The mill was built in 1704", code + "<p>The mill was built in 1704")
    assert "int x; // a remark\n// more\nrun();" in extract_page(page).text


def test_author_lines_of_posts() -> None:
    posts = "".join(
        f'<div class="post"><p class="author">by <a href=/u>Ann {n}</a></p><p class="userinfo">Posts: {n}</p>'
        f"<time>January {n}</time><div class="
        f'"content"><p>Post number {n} says what its author thinks of the mill, at some length, and why it is '
        f"so.</p><p>It "
        "goes on in a second paragraph, which has two sentences. This is the other one.</p></div></div>"
        for n in range(6)
    )
    page = (
        f"<html><head><title>The mill</title></head><body><h1>The mill</h1><div class=topic>{posts}</div></body></html>"
    )
    kept = extract_page(page, Options(authors="keep")).text.split("\n")
    place = kept.index("by Ann 3")
    following = [line for line in kept[place + 1 : place + 4] if not line.startswith("Posts:")]
    assert [following[0], following[1][:13]] == ["January 3", "Post number 3"]
    assert len([line for line in kept if line.startswith(("by Ann", "January"))]) == 12
    usual = extract_page(page).text.split("\n")  # what else is known of an author stays as the page is judged
    assert [line for line in kept if line.startswith("Posts:")] == [line for line in usual if line.startswith("Posts:")]
    lines = extract_page(page, Options(authors="drop")).text.split("\n")
    assert len([line for line in lines if line.startswith("Post number")]) == 6
    assert not [line for line in lines if "Ann" in line or "January" in line]


def test_options_reach_the_other_process() -> None:
    options = Options(comments="keep", authors="drop")
    assert options_of(options.note()) == options
    assert options_of("") == Options()


@pytest.mark.parametrize("backend", ["groundup", "resiliparse", "trafilatura"])
def test_backends_take_the_setting(backend: str) -> None:
    if backend == "trafilatura":
        pytest.importorskip("trafilatura")
    extract = getattr(html_backends, backend)
    page = _page(_WORDPRESS).encode()
    assert _TEXTS[1] not in extract(page, Options().note())[1]
    assert _TEXTS[1] in extract(page, Options(comments="keep").note())[1]
    assert "until the river ran dry" in extract(page, "")[1]


_SHORT = (
    "How do I clean the wheel of an old mill?",
    "With a brush.",
    "Thanks, the wheel turns now.",
    "Glad it did!",
)
_FORUM = "".join(
    f'<article class="message message--post"><div class="message-cell message-cell--user"><h4 class="message-name"><a '
    f'href="/m" class="username">Ann {n}</a></h4></div><div class="message-cell message-cell--main"><ul '
    f'class="message-attribution-main"><li><a href="#p"><time>January {n}</time></a></li></ul><div '
    f'class="message-userContent"><div class="message-body">{text}</div></div></div></article>'
    for n, text in enumerate(_SHORT * 2)
)
_FIELDS = "".join(
    f'<div class="comment"><div class="submitted">Submitted by <span class="username">Ann {n}</span></div><div '
    f'class="field field--name-comment-body"><p>{text}</p></div></div>'
    for n, text in enumerate(_SHORT * 2)
)


@pytest.mark.parametrize("posts", [_FORUM, _FIELDS])
def test_a_short_post_is_no_author_line(posts: str) -> None:
    page = f"<title>Mill wheels</title><h1>Mill wheels</h1><div class=thread>{posts}</div>"
    lines = extract_page(page, Options(authors="drop")).text.split("\n")
    assert [line for line in lines if line in _SHORT] == list(_SHORT * 2)
    assert not [line for line in lines if "Ann" in line or "January" in line]


@pytest.mark.parametrize("kind", ["product-name", "event-date", "item-time"])
def test_records_without_authors_keep_names_and_dates(kind: str) -> None:
    cards = "".join(
        f'<div class="card"><div class="{kind}">March {n}</div><p class="description">Number {n} is made of oak from '
        "the north, and it holds for many years. Our makers finish every piece by hand.</p></div>"
        for n in range(9)
    )
    page = f"<title>Oak</title><h1>Oak</h1><div class=list>{cards}</div>"
    assert extract_page(page, Options(authors="drop")).text == extract_page(page).text


@pytest.mark.parametrize("list_", ["menu", "dir", "ul", "ol"])
def test_a_list_of_buttons_ends_no_comment(list_: str) -> None:
    posts = "".join(
        f'<li class="post"><div class="post-body"><div class="message"><p>{text}</p></div><footer class="actions">'
        f'<{list_}><li class="voting">4</li><li class="reply"><a href="#">Reply</a></li></{list_}></footer></div></li>'
        for text in _TEXTS
    )
    comments = f'<div id="disqus_thread"><section><div><div><ul>{posts}</ul></div></div></section></div>'
    lines = _after(comments, Options(comments="keep", authors="drop"))
    assert [line.strip().removeprefix("- ") for line in lines] == list(_TEXTS)
