"""Text of pages that show none: linked data, microdata, states, descriptions; and pages that need none of these."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from pipeline.markup.html import extract_page
from pipeline.markup.html.elsewhere.find import Readers, text_elsewhere
from pipeline.markup.html.elsewhere.loose_json import called_with, read_json, read_literal

_LINES = (
    "The ferry to the island leaves at seven, and it carries no more than twelve cars.",
    "In winter the crossing takes an hour longer, because the pilot waits for the tide.",
    "Tickets are sold on board, and children who can walk by themselves travel for half the price.",
    "The last boat back leaves before dark, so nobody should count on the evening bus.",
)
_BODY = "\n".join(_LINES)
_MARKUP = "".join(f"<p>{line}</p>" for line in _LINES)
_TITLE = "The island ferry in winter"
_CONFIGURATION = {
    "apiUrl": "https://api.example.org/v2/graphql",
    "cookieText": "We use cookies so that this site works, and so that we can count our visitors.",
    "translations": {f"key{number}": f"Please choose one of the {number} values below." for number in range(30)},
    "token": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk=" * 3,
    "image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "query": "query Page($id: ID!) { page(id: $id) { title body author { name } } }",
}


def _shell(head: str = "", body: str = "") -> str:
    return f"<html><head><title>{_TITLE} | Harbour</title>{head}</head><body><div id=root></div>{body}</body></html>"


def _linked(data: object) -> str:
    source = data if isinstance(data, str) else json.dumps(data)
    return _shell(f'<script type="application/ld+json">{source}</script>')


_ANSWER = {"@type": "Answer", "text": f"<p>{_LINES[1]}</p>"}
_KINDS = [
    ({"@type": "Product", "name": "Ferry model", "description": _BODY}, ["Ferry model", *_LINES]),
    (
        {"@type": "JobPosting", "title": "Pilot", "description": _MARKUP, "qualifications": "A licence for tides."},
        ["Pilot", *_LINES, "A licence for tides."],
    ),
    (
        {
            "@type": ["Recipe"],
            "name": "Harbour soup",
            "description": "A soup for cold crossings.",
            "recipeIngredient": ["2 onions", "1 1/2 l of water"],
            "recipeInstructions": [
                {"@type": "HowToStep", "text": "Cut the onions."},
                {
                    "@type": "HowToSection",
                    "name": "The broth",
                    "itemListElement": [{"@type": "HowToStep", "text": "Boil the water."}],
                },
            ],
        },
        [
            "Harbour soup",
            "A soup for cold crossings.",
            "- 2 onions",
            "- 1 1/2 l of water",
            "- Cut the onions.",
            "The broth",
            "- Boil the water.",
        ],
    ),
    ({"@type": "Recipe", "name": "Tea for pilots", "recipeInstructions": _BODY}, [*_LINES]),
    ({"@graph": [{"@type": "WebSite", "description": "A site."}, {"@type": "Event", "description": _BODY}]}, [*_LINES]),
    ({"@type": "Course", "name": "Knots", "description": _BODY, "provider": {"name": "School"}}, ["Knots", *_LINES]),
    (
        {
            "@type": "FAQPage",
            "mainEntity": [
                {"@type": "Question", "name": "When does it leave?", "acceptedAnswer": {"text": _LINES[0]}},
                {"@type": "Question", "name": "And in winter?", "acceptedAnswer": [_ANSWER]},
            ],
        },
        ["When does it leave?", _LINES[0], "And in winter?", _LINES[1]],
    ),
    (
        {
            "@type": "QAPage",
            "mainEntity": {
                "@type": "Question",
                "name": "How long is it?",
                "text": _LINES[0],
                "suggestedAnswer": [_ANSWER, {"@type": "Answer", "text": _LINES[2]}],
            },
        },
        ["How long is it?", _LINES[0], _LINES[1], _LINES[2]],
    ),
    (
        {"@type": "HowTo", "name": "Tie a knot", "tool": ["A rope"], "step": [{"name": "Loop"}, {"text": _LINES[0]}]},
        ["- A rope", "- Loop", f"- {_LINES[0]}"],
    ),
    ({"@type": "Review", "name": "Cold", "reviewBody": _BODY, "author": {"name": "Ada"}}, ["Cold", *_LINES]),
    ({"@type": "Product", "name": "Rope", "review": [{"@type": "Review", "reviewBody": _BODY}]}, ["Rope", *_LINES]),
    (
        {
            "@type": "ItemList",
            "itemListElement": [
                {"@type": "ListItem", "position": n, "item": {"@type": "Thing", "name": f"The harbour of {name}"}}
                for n, name in enumerate(["Aalborg", "Bergen", "Calais", "Dublin", "Esbjerg", "Faro"])
            ],
        },
        None,
    ),
    (
        {"@type": "SoftwareApplication", "description": _BODY, "featureList": ["Tide tables"]},
        [*_LINES, "- Tide tables"],
    ),
    ({"@type": "Movie", "name": "The pilot", "description": _BODY}, ["The pilot", *_LINES]),
    (
        {
            "@type": "DiscussionForumPosting",
            "headline": _TITLE,
            "articleBody": "",
            "comment": [{"@type": "Comment", "text": line} for line in _LINES],
        },
        [*_LINES],
    ),
    (
        {
            "@type": "DiscussionForumPosting",
            "headline": _TITLE,
            "text": _LINES[0],
            "comment": [
                {"@type": "Comment", "text": _LINES[1], "comment": {"@type": "Comment", "text": _LINES[2]}},
                {"@type": "Comment", "text": _LINES[3]},
            ],
        },
        [*_LINES],
    ),
    ({"@type": "SocialMediaPosting", "articleBody": _LINES[0], "comment": {"text": _LINES[1]}}, [*_LINES[:2]]),
    ({"@type": "NewsArticle", "articleBody": _BODY, "comment": [{"text": "A comment below it."}]}, [*_LINES]),
    (
        {"@type": "ProfilePage", "mainEntity": {"@type": "Person", "name": "Bea", "description": _BODY}},
        ["Bea", *_LINES],
    ),
]


@pytest.mark.parametrize(("data", "lines"), _KINDS, ids=lambda value: str(value)[:40])
def test_kinds_of_linked_data(data: object, lines: list[str] | None) -> None:
    page = extract_page(_linked(data))
    assert page.origin == "json_ld"
    if lines is None:
        assert [line.split()[-1] for line in page.text.splitlines()] == [
            "Aalborg",
            "Bergen",
            "Calais",
            "Dublin",
            "Esbjerg",
            "Faro",
        ]
    else:
        assert [line for line in page.text.splitlines() if line in lines] == lines
    assert "A site." not in page.text
    assert "Ada" not in page.text


@pytest.mark.parametrize(
    "source",
    [
        json.dumps({"@type": "Event", "description": _BODY})[:-1] + ",}",
        '{"@type": "Event", "description": "' + _BODY + '"}',
        html.escape(json.dumps({"@type": "Event", "description": _BODY})),
        '{"@type": "Event" "name": "Ferry", "description": "' + _BODY.replace("\n", "\\n") + '"}',
        '{"@type": "Event", "name": "The "old" ferry", "description": "' + _BODY.replace("\n", "\\n") + '"}',
        '{"@type": "Event", "description": "' + _BODY.replace("\n", "\\n"),
        "<!--\n" + json.dumps({"@type": "Event", "description": _BODY}) + "\n-->",
        "{@type: 'Event', description: \"" + _BODY.replace("\n", "\\n") + '"}',
        "[{}, " + json.dumps({"@type": "Event", "description": _BODY}) + "]]",
    ],
    ids=range(9),
)
def test_broken_linked_data(source: str) -> None:
    page = extract_page(_linked(source))
    assert page.origin == "json_ld"
    assert [line for line in page.text.splitlines() if line in _LINES] == [*_LINES]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('{"a": [1, 2,],}', {"a": ["1", "2"]}),
        ("{a: 'it\\'s', b: `t`, d: /* no */ \"e\"}", {"a": "it's", "b": "t", "d": "e"}),
        ('{"a": "he said "no", and then", "b": "c"}', {"a": 'he said "no", and then', "b": "c"}),
        ('{"a": "\\ud83d\\ude00 \\u00e9", }', {"a": "\U0001f600 \u00e9"}),
        ('{"a": {"b": ["c", "d', {"a": {"b": ["c", "d"]}}),
        ('{"a": "c", "b": "d\\', {"a": "c", "b": "d"}),
        ('{"a": "x"} trailing }', {"a": "x"}),
        ('{"a": "one\ntwo"}', {"a": "one\ntwo"}),
        ("", None),
    ],
)
def test_loose_json(source: str, value: object) -> None:
    assert read_json(source) == value


def test_values_that_a_function_returns() -> None:
    source = '(function(a,b){return {data:[{title:a,body:b,next:{title:a}}],n:3}}("Ferry","It sails."))'
    assert called_with(source, 0)[0] == {
        "data": [{"title": "Ferry", "body": "It sails.", "next": {"title": "Ferry"}}],
        "n": "3",
    }


@pytest.mark.parametrize(
    "source",
    [
        "[" * 300_000,
        '{"a":' * 100_000,
        '"' * 300_000,
        '{"a":"' + '" ' * 200_000,
        "{'" + "\\" * 300_000,
        "/*" * 200_000,
        '{"a":"' + '"x ' * 100_000 + "\\",
        '{"a":"-->' + " " * 300_000 + 'x"}',
    ],
    ids=range(8),
)
def test_hostile_values_end(source: str) -> None:
    read_json(source)
    read_literal(source, 0)
    page = extract_page(
        _shell(f"<script type=application/json>{source}</script><script>window.__A__={source}</script>")
    )
    assert _LINES[0] not in page.text


_PAGE = {"title": _TITLE, "slug": "island-ferry", "body": _MARKUP, "tags": ["sea"]}
_OTHERS = {
    "related": [{"title": "Trains in summer", "excerpt": "The train to the coast leaves at nine, and it is full."}]
}
_NUXT = [
    ["ShallowReactive", 1],
    {"data": 2, "config": 7},
    {"page": 3},
    {"title": 4, "body": 5, "self": 3, "date": 6},
    _TITLE,
    _MARKUP,
    ["Date", "2026-01-01"],
    {"key": 8},
    "Please choose one of the values below, and press the button.",
]
_BASE64 = b64encode(json.dumps({"post": _PAGE}).encode()).decode()
_TURBO = [{"_1": 2}, "loaderData", {"_3": 4}, "routes/page", {"_5": 6, "_7": 8}, "title", _TITLE, "content", _MARKUP]
_STREAM = [
    '1:"$Sreact.fragment"\n2:I[339756,["/_next/static/chunks/a.js"],"default"]\n',
    '0:{"P":null,"b":"build","c":["","ferry"],"f":[[["",{"children":["__PAGE__",{}]}],["$","main",null,{"children":'
    '[["$","h1",null,{"children":"' + _TITLE + '"}],"$L3"]}],{"notFound":["$","p",null,'
    '{"children":"This page could not be found, so look at another one."}]}]]}\n',
    "3:" + json.dumps(["$", "article", None, {"children": [["$", "p", None, {"children": x}] for x in _LINES]}]) + "\n",
]
_SLATE = [
    {"type": "paragraph", "children": [{"type": "text", "text": x[:20]}, {"type": "text", "text": x[20:]}]}
    for x in _LINES
]


def _script(source: str, attributes: str = "") -> str:
    return f"<script {attributes}>{source}</script>"


def _pushes(rows: list[str]) -> str:
    return "".join(_script(f"self.__next_f.push([1,{json.dumps(row)}])") for row in rows)


_STATES = {
    "next": _script(
        json.dumps({"props": {"pageProps": {"page": _PAGE, **_OTHERS, **_CONFIGURATION}}, "buildId": "x"}),
        'id="__NEXT_DATA__" type="application/json"',
    ),
    "next stream": _pushes(_STREAM),
    "nuxt 2": _script(
        'window.__NUXT__=(function(a,b){return {layout:"default",data:[{post:{title:a,text:b}}],state:{}}}('
        + f"{json.dumps(_TITLE)},{json.dumps(_MARKUP)}));"
    ),
    "nuxt 3": _script(json.dumps(_NUXT), 'type="application/json" id="__NUXT_DATA__"'),
    "initial": _script(f"window.__INITIAL_STATE__ = {json.dumps({'post': _PAGE, **_OTHERS, **_CONFIGURATION})};"),
    "preloaded": _script(f"window.__PRELOADED_STATE__ = JSON.parse({json.dumps(json.dumps({'post': _PAGE}))});"),
    "decoded": _script(f'window["__STATE__"]=JSON.parse(decodeURIComponent("{quote(json.dumps({"post": _PAGE}))}"))'),
    "string": _script(f"window.__INITIAL_DATA__={json.dumps(json.dumps({'post': _PAGE}))};"),
    "encoded string": _script(f'window.__INITIAL_DATA__ = "{quote(json.dumps({"post": _PAGE}))}";'),
    "base64": _script(f'window.__STATE__ = JSON.parse(window.atob("{_BASE64}"));'),
    "base64 of UTF-8": _script(f'window.__STATE__=window.JSON.parse(decodeURIComponent(escape(atob("{_BASE64}"))))'),
    "inside an object": _script(f"window.App = window.App || {{}}; window.App.page = {json.dumps({'post': _PAGE})};"),
    "or": _script(f"window.__APP__ = window.__APP__ || {json.dumps({'post': _PAGE})};"),
    "bare": _script(f"__INITIAL_STATE__={json.dumps({'post': _PAGE})}"),
    "document": _script(f"document.__data = {json.dumps({'post': _PAGE})}"),
    "text/json": _script(json.dumps({"post": _PAGE}), 'type="text/json"'),
    "literal": _script("var pageData = {post: {title: '" + _TITLE + "', description: '" + " ".join(_LINES) + "',}};"),
    "apollo": _script(f"window.__APOLLO_STATE__={json.dumps({'Post:1': {'__typename': 'Post', **_PAGE}})}"),
    "remix": _script(f"window.__remixContext = {json.dumps({'state': {'loaderData': {'routes/page': _PAGE}}})};"),
    "turbo": _script(
        f"window.__reactRouterContext.streamController.enqueue({json.dumps(json.dumps(_TURBO) + chr(10))});"
    ),
    "svelte": _script(
        "{__sveltekit_1a2b={base:''};kit.start(app,element,{node_ids:[0,2],data:[null,{type:'data',data:{post:"
        + "{title:"
        + json.dumps(_TITLE)
        + ",content:"
        + json.dumps(_MARKUP)
        + "}},uses:{}}]})}"
    ),
    "svelte fetched": _script(
        json.dumps({"status": 200, "headers": {}, "body": json.dumps(_PAGE)}),
        'type="application/json" data-sveltekit-fetched data-url="/api/post"',
    ),
    "gatsby": _script(f"window.__GATSBY_DATA__={json.dumps({'result': {'data': {'post': {'html': _MARKUP}}}})};"),
    "discourse": '<div class=hidden id=data-preloaded data-preloaded="'
    + html.escape(
        json.dumps(
            {
                "currentUser": None,
                "topic_1": json.dumps(
                    {
                        "title": _TITLE,
                        "post_stream": {"posts": [{"id": n, "cooked": f"<p>{x}</p>"} for n, x in enumerate(_LINES)]},
                        "suggested_topics": [
                            {"title": "Trains", "excerpt": "Trains leave at nine, and they are full."}
                        ],
                    }
                ),
            }
        )
    )
    + '"></div>',
    "inertia": f'<div id=app data-page="{html.escape(json.dumps({"component": "Post", "props": {"post": _PAGE}}))}">',
    "element": f"<post-view post='{json.dumps({'name': _TITLE, 'content': _SLATE})}'></post-view>",
    "angular": _script(
        json.dumps({"post": _PAGE}).replace("&", "&a;").replace('"', "&q;").replace("<", "&l;").replace(">", "&g;"),
        'id="serverApp-state" type="application/json"',
    ),
    "slate": _script(json.dumps({"post": {"name": _TITLE, "content": _SLATE}}), 'type="application/json"'),
    "wordpress": _script(
        json.dumps({"post": {"title": {"rendered": _TITLE}, "content": {"rendered": _MARKUP, "protected": False}}}),
        'type="application/json" id="initial-data"',
    ),
    "ember": _script(json.dumps({"data": {"attributes": {"body": _BODY}}}), 'type="fastboot/shoebox" id="shoebox-x"'),
}


@pytest.mark.parametrize("name", _STATES)
def test_states_of_frameworks(name: str) -> None:
    page = extract_page(_shell(body=_STATES[name]))
    assert page.origin == "state"
    words = " ".join(page.text.split())
    assert all(words.count(line) == 1 for line in _LINES)
    assert [words.index(line) for line in _LINES] == sorted(words.index(line) for line in _LINES)
    for other in (
        "cookies",
        "leaves at nine",
        "Please choose",
        "QUJD",
        "base64",
        "query",
        "https:",
        "be found",
        "2026",
    ):
        assert other not in page.text


@pytest.mark.parametrize("name", [name for name in _STATES if name != "next stream"])
def test_a_state_that_is_cut_off(name: str) -> None:
    """A damaged state gives a part of its text or none, and never an error."""
    state = _STATES[name]
    for end in range(0, len(state), max(1, len(state) // 12)):
        words = extract_page(_shell(body=state[:end])).text
        assert len(words) <= 2 * len(_MARKUP)


def test_languages_without_spaces() -> None:
    text = (
        "島へ渡る船は朝七時に出ます。冬は潮を待つので一時間長くかかります。切符は船の上で買えます。帰りの最終便は暗くなる前に出ます。"
        * 3
    )
    state = json.dumps({"props": {"pageProps": {"article": {"body": text}}}}, ensure_ascii=False)
    page = extract_page(_shell(body=_script(state, 'type="application/json"')))
    assert (page.origin, page.text) == ("state", text)


@pytest.mark.parametrize(
    "markup",
    [
        '<div itemscope itemtype="https://schema.org/Product"><meta itemprop=name content="Old ferry">'
        '<meta content="{}" itemprop="description"></div>',
        "<META ITEMPROP='name' CONTENT='Old ferry'/><META ITEMPROP='description articleBody' CONTENT='{}'/>",
        '<div typeof="schema:Article"><meta property="schema:name" content="Old ferry">'
        '<meta property="schema:articleBody" content="{}"></div>',
        '<div vocab="http://schema.org/" typeof="Article"><meta property="headline" content="Old ferry">'
        '<meta property="articleBody" content="{}"><meta property="og:description" content="Less."></div>',
        '<meta property="https://schema.org/name" content="Old ferry">'
        '<meta property="http://schema.org/text" content="{}"><meta property="http://example.org/text" content="No.">',
    ],
    ids=range(5),
)
def test_microdata_that_no_page_shows(markup: str) -> None:
    page = extract_page(_shell(body=markup.format(html.escape(_BODY))))
    assert (page.origin, page.text) == ("microdata", "Old ferry\n" + _BODY)


@pytest.mark.parametrize(
    "meta",
    [
        '<meta property="og:description" content="{}">',
        "<meta name=description content='{}'>",
        '<META CONTENT="{}" NAME="Description" />',
        '<meta name="twitter:description" content="{}">',
        '<meta name="DC.description" content="{}"><meta property="og:description" content="Less.">',
        '<meta name="citation_abstract" content="{}">',
        '<meta name="DCTERMS.abstract" content="{}">',
    ],
)
def test_a_description_is_the_last_resort(meta: str) -> None:
    meta = meta.format(" ".join(_LINES[:2]))
    page = extract_page(_shell(meta, "<noscript>Please enable JavaScript.</noscript>"))
    assert (page.origin, page.text) == ("open_graph", " ".join(_LINES[:2]))
    state = extract_page(_shell(meta, _STATES["next"]))
    assert state.origin == "state"
    linked = extract_page(
        _shell(meta + _script(json.dumps({"@type": "Event", "description": _BODY}), "type=application/ld+json"))
    )
    assert linked.origin == "json_ld"


@pytest.mark.parametrize(
    "wall",
    [
        "<p>You need to enable JavaScript to run this app.</p>",
        "<div class=loading>Loading…</div>",
        "<form><h2>Log in</h2><p>Please log in to read this page. No account? Sign up, it is free.</p></form>",
        "<div class=cookie><p>We and our partners use cookies to store data on your device. "
        "You can accept all of them, or choose. You can change your mind at any time.</p></div>",
        "<div class=modal><p>This site uses cookies.</p><p>Some of them are needed so that the site works, and "
        "others help us to see how it is used, to show advertisements that fit, and to remember what you chose. You "
        "can accept all of them, refuse those that are not needed, or choose one by one. You can change your mind at "
        "any time at the end of each page, and more is said in our notice on privacy.</p></div>",
        "<h1>Just a moment…</h1><p>We check that you are no robot. This takes a few seconds.</p>",
        "<nav><a href=/>Home</a> <a href=/a>About</a> <a href=/b>Timetable</a></nav><footer>© Harbour</footer>",
    ],
    ids=range(7),
)
def test_what_stands_before_a_page_is_not_its_text(wall: str) -> None:
    more = "<p>The harbour of the island is small, and boats that come late wait outside until another leaves. </p>" * 3
    state = {"post": {**_PAGE, "body": _MARKUP + more}, **_OTHERS, **_CONFIGURATION}
    page = extract_page(_shell(body=wall + _script(f"window.__INITIAL_STATE__ = {json.dumps(state)};")))
    assert page.origin == "state"
    assert all(line in page.text for line in _LINES)


@pytest.mark.parametrize("name", ["next", "next stream", "nuxt 2", "initial", "discourse", "inertia"])
def test_a_page_that_shows_its_text_needs_no_state(name: str) -> None:
    article = f"<main><article><h1>{_TITLE}</h1>{_MARKUP}</article></main>"
    page = extract_page(_shell(body=article + _STATES[name]))
    assert page.origin == ""
    assert all(page.text.count(line) == 1 for line in _LINES)


@pytest.mark.parametrize(("main", "origin"), [("", "state"), ("Menu and search of the harbour.", "")])
def test_much_around_an_empty_page(main: str, origin: str) -> None:
    page = _shell(body=_STATES["initial"]).encode()
    menu = "Boats\n" * 1000
    readers = Readers(main=lambda _: "", whole=lambda markup: markup, shown=lambda: menu)
    found = text_elsewhere(page, main, _TITLE, len(menu), readers)
    assert found[1] == origin
    assert all((line in found[0]) == bool(origin) for line in _LINES)


def test_a_page_that_shows_another_text_is_left_alone() -> None:
    """A short page whose state has other pages' texts, too, is not taken for a shell."""
    shown = "<main><article><h1>Opening hours</h1><p>The harbour office is open from nine to five.</p></article></main>"
    others = [{"title": f"Page {n}", "body": f"<p>{n}. {_LINES[n % 4]}</p>"} for n in range(8)]
    state = {
        "page": {"title": "Opening hours", "body": "The harbour office is open from nine to five."},
        "related": others,
    }
    page = extract_page(_shell(body=shown + _script(json.dumps(state), 'type="application/json"')))
    assert page.origin == ""


@pytest.mark.parametrize(
    "state",
    [
        {"config": {"text": _BODY}},
        {"i18n": {"messages": {f"k{n}": line for n, line in enumerate(_LINES)}}},
        {f"message{n}Label": f"Please choose one of the {n} values below, and then press." for n in range(20)},
        {"text": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY" * 20},
        {"description": "https://example.org/a/b/c?x=1&y=2 https://example.org/d https://example.org/e " * 4},
        {"body": "function start() { var a = 1; if (a) { run(a); } } start(); " * 8},
        {"content": ".a { color: red; } .b { margin: 0 auto; } @media print { .c { display: none; } } " * 6},
        {"cookieBanner": {"description": _BODY}, "footer": {"text": _BODY}, "navigation": [{"description": _BODY}]},
    ],
    ids=range(8),
)
def test_what_is_no_text_for_readers(state: object) -> None:
    page = extract_page(_shell(body=_script(json.dumps(state), 'type="application/json"')))
    assert (page.origin, page.text) == ("", "")


@pytest.mark.parametrize(
    "page",
    [
        "<script>" * 60_000,
        "<script " * 60_000,
        "<noscript>" * 60_000,
        "<noscript>" + "<" * 200_000 + "</noscript>",
        '<meta "' * 60_000 + "itemprop",
        " a='{\"" * 60_000,
        "<script>" + 'window.a=JSON.parse("' * 30_000 + "</script>",
        "<script>" + "window.a={" * 30_000 + "</script>",
        "<script>" + "window.a=(function(a){return {" * 10_000 + "</script>",
        "<script type=application/json>" + '{"body":"' + "<" * 200_000 + '"}</script>',
    ],
    ids=lambda page: page[:20],
)
def test_hostile_pages_end(page: str) -> None:
    """Each of them would take minutes in time that is squared."""
    assert extract_page(page).origin in ("", "noscript")
