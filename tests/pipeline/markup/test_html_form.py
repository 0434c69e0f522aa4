"""What the text of a page looks like: one page for each construct, and what no reader sees."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.markup.html import extract_main_text, extract_page, model
from pipeline.markup.html.layout import B_END, B_START, HIDDEN, N_FLAGS, N_PARENT
from pipeline.markup.html.render import render
from pipeline.markup.html.scan import scan_page

_HEADLINE = "How to bake bread at home"
_BEFORE = (
    "Bread is one of the oldest foods that people make, and with a little patience anyone can bake a loaf at home.",
    "Before you begin, read the whole recipe once, and put everything that you need on the table in front of you.",
    "The water should be warm, not hot, because the yeast dies where you would not like to hold your finger.",
)
_AFTER = (
    "When the crust is brown and the loaf sounds hollow when you knock on it, take it out and let it cool for an hour.",
    "A loaf keeps for three days in a linen bag, and after that it still makes a good soup or a pudding.",
)
_UNSEEN = "A sentence that stands in the page, but that nobody who reads the page should ever get to see."


def _page(body: str, *, before: tuple[str, ...] = _BEFORE, after: tuple[str, ...] = _AFTER) -> str:
    """A page as sites have them now, around a body of an article."""
    menu = "".join(f'<li><a href="/{name}">{name}</a></li>' for name in ("Home", "Recipes", "About us", "Contact"))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{_HEADLINE} | Kitchen Notes</title>'
        "<script>window.page = {'body': '<p>no</p>'};</script><style>p { color: red }</style></head><body>"
        '<div id="cookie-banner" class="cookie-consent"><p>We use cookies to improve your experience. By continuing '
        "you agree to our cookie policy.</p><button>Accept all</button></div>"
        f'<header class="site-header"><a href="/">Kitchen Notes</a><nav class="menu"><ul>{menu}</ul></nav></header>'
        f'<main><article class="post"><h1>{_HEADLINE}</h1><div class="entry-content">'
        + "".join(f"<p>{text}</p>" for text in before)
        + body
        + "".join(f"<p>{text}</p>" for text in after)
        + '</div><div class="share-buttons"><a href="#f">Share on Facebook</a> <a href="#t">Tweet</a></div></article>'
        '<section class="related"><h3>Related posts</h3><ul><li><a href="/1">Ten kinds of flour you should know</a>'
        '</li><li><a href="/2">Why your sourdough is flat</a></li></ul></section>'
        '<section id="comments"><h3>2 comments</h3><div class="comment"><b>Sam</b>'
        "<p>Great recipe, I made it twice last week and it was lovely!</p></div></section></main>"
        '<aside class="sidebar"><h3>Newsletter</h3><p>Subscribe to our newsletter and never miss a recipe.</p></aside>'
        '<footer class="footer"><p>&copy; 2024 Kitchen Notes. All rights reserved. <a href="/privacy">Privacy'
        "</a></p></footer></body></html>"
    )


def _rendered(html: str) -> str:
    """All blocks of a page as text, main content or not."""
    scanned = scan_page(html.encode("utf-8"), model.load().tables)
    return render(scanned, np.arange(len(scanned.blocks)))


def _blocks(html: str) -> list[str]:
    """The texts of all blocks of a page, main content or not."""
    scanned = scan_page(html.encode("utf-8", "replace"), model.load().tables)
    text = scanned.text.tobytes()
    return [text[row[B_START] : row[B_END]].decode("utf-8") for row in scanned.blocks]


_FORMS = {
    "headings": (
        "<h2>The dough</h2><p>Mix the flour with the water, and wait until it has come together.</p>"
        "<h3>The salt</h3><p>Salt comes last, because it slows the yeast.</p>",
        "The dough\nMix the flour with the water, and wait until it has come together.\n"
        "The salt\nSalt comes last, because it slows the yeast.",
    ),
    "list": (
        "<h2>What you need</h2><ul><li>500 g of flour</li><li>350 ml of <b>warm</b> water</li><li>10 g of salt</ul>",
        "What you need\n- 500 g of flour\n- 350 ml of warm water\n- 10 g of salt",
    ),
    "ordered list": (
        "<ol><li>Mix the flour and the water.</li><li>Add the salt and knead.</li><li>Bake for 40 minutes.</li></ol>",
        "1. Mix the flour and the water.\n2. Add the salt and knead.\n3. Bake for 40 minutes.",
    ),
    "nested list": (
        "<ul><li>Dry things<ul><li>flour from the mill</li><li>10 g of salt</li></ul></li>"
        "<li>Wet things<ol><li>water</li><li>oil</li></ol></li></ul>",
        "- Dry things\n  - flour from the mill\n  - 10 g of salt\n- Wet things\n  1. water\n  2. oil",
    ),
    "items of paragraphs": (
        "<ul><li><p>The first point has a paragraph of its own.</p><p>And a second one below it.</p></li>"
        "<li><p>The second point has one.</p></li></ul>",
        "- The first point has a paragraph of its own.\nAnd a second one below it.\n- The second point has one.",
    ),
    "table": (
        "<table><caption>Baking times</caption><thead><tr><th>Loaf</th><th>Minutes</th><th>Degrees</th></tr></thead>"
        "<tbody><tr><td>Small</td><td>25</td><td>230</td></tr><tr><td>Large</td><td>45</td><td>210</td></tr></tbody>"
        "</table>",
        "Baking times\nLoaf | Minutes | Degrees\nSmall | 25 | 230\nLarge | 45 | 210",
    ),
    "quotation": (
        "<blockquote><p>Good bread is the most fundamentally satisfying of all foods.</p>"
        "<p>And good bread with fresh butter is the greatest of feasts.</p></blockquote>",
        "Good bread is the most fundamentally satisfying of all foods.\n"
        "And good bread with fresh butter is the greatest of feasts.",
    ),
    "code": (
        "<p>This program tells you when the bread is done:</p><pre><code>def bake(minutes):\n"
        "    for minute in range(minutes):\n        wait()\n\n    return &quot;bread&quot;\n</code></pre>",
        "This program tells you when the bread is done:\ndef bake(minutes):\n    for minute in range(minutes):\n"
        '        wait()\n\n    return "bread"',
    ),
    "highlighted code": (
        '<p>The same in two lines:</p><div class="highlight"><pre><span></span><span class="k">def</span> '
        '<span class="nf">bake</span><span class="p">():</span>\n    <span class="k">return</span> '
        '<span class="mi">1</span>\n</pre></div>',
        "The same in two lines:\ndef bake():\n    return 1",
    ),
    "code in a line": (
        "<p>Call <code>bake()</code> twice, and use <kbd>Ctrl</kbd>+<kbd>C</kbd> to stop it before it burns.</p>",
        "Call bake() twice, and use Ctrl+C to stop it before it burns.",
    ),
    "poem": (
        "<p>The oven glows,<br>the dough, it grows,<br/>and soon we shall<br />have bread for all.</p>",
        "The oven glows,\nthe dough, it grows,\nand soon we shall\nhave bread for all.",
    ),
    "terms": (
        "<dl><dt>Crumb</dt><dd>The inside of the loaf, soft and full of holes.</dd>"
        "<dt>Crust</dt><dd>The outside of the loaf, brown and hard.</dd></dl>",
        "Crumb\nThe inside of the loaf, soft and full of holes.\nCrust\nThe outside of the loaf, brown and hard.",
    ),
    "figure": (
        '<figure><img src="loaf.jpg" alt="no"><figcaption>A loaf of bread, fresh from the oven.</figcaption></figure>',
        "A loaf of bread, fresh from the oven.",
    ),
    "details": (
        "<details><summary>Why so much water?</summary>"
        "<p>A wet dough makes larger holes, and the crust gets thinner.</p></details>",
        "Why so much water?\nA wet dough makes larger holes, and the crust gets thinner.",
    ),
    "references": (
        "<p>Fish &amp; chips &lt;b&gt; &quot;so&quot; &hellip; &eacute;t&eacute; &#8364;5 &#x2014; done&nbsp;here.</p>",
        'Fish & chips <b> "so" … été €5 — done here.',
    ),
    "anchors of headings": (
        '<h2>The oven<a class="headerlink" href="#oven" title="Link to this heading">¶</a></h2>'
        '<p>Heat it well before the bread goes in.</p><h2>The loaf<a href="#loaf">#</a></h2><p>Shape it with care.</p>',
        "The oven\nHeat it well before the bread goes in.\nThe loaf\nShape it with care.",
    ),
}


@pytest.mark.parametrize("name", _FORMS)
def test_form_of_main_content(name: str) -> None:
    body, expected = _FORMS[name]
    assert extract_main_text(_page(body)) == "\n".join((_HEADLINE, *_BEFORE, expected, *_AFTER))


@pytest.mark.parametrize(
    "hidden",
    [
        f"<p hidden>{_UNSEEN}</p>",
        f'<div style="color: red; DISPLAY : none"><p>{_UNSEEN}</p></div>',
        f"<div style='visibility:hidden'><p>{_UNSEEN}</p></div>",
        f'<p aria-hidden="true">{_UNSEEN}</p>',
        f'<p class="note visually-hidden">{_UNSEEN}</p>',
        f"<noscript><p>{_UNSEEN}</p></noscript>",
        f"<template><p>{_UNSEEN}</p></template>",
        f"<!-- <p>{_UNSEEN}</p> -->",
        f"<svg><title>{_UNSEEN}</title><text>{_UNSEEN}</text></svg>",
        f"<textarea>{_UNSEEN}</textarea>",
        f"<select><option>{_UNSEEN}</select>",
    ],
)
def test_what_a_page_hides(hidden: str) -> None:
    assert extract_main_text(_page(hidden)) == "\n".join((_HEADLINE, *_BEFORE, *_AFTER))


def test_page_that_hides_all_is_read() -> None:
    """Scripts show what styles hide; where all is hidden, that is what happens."""
    text = extract_main_text(_page("").replace("<body>", '<body style="visibility:hidden">'))
    assert [line for line in text.split("\n") if line in (*_BEFORE, *_AFTER)] == [*_BEFORE, *_AFTER]


_SCRIPTS = {
    "zh": (
        "面包是人类最古老的食物之一，只要有一点耐心，任何人都可以在家里烤出一个面包。",
        "混合面粉和水",
        "加盐揉面",
    ),
    "ja": (
        "パンは人類最古の食べ物の一つで、少しの忍耐があれば、だれでも家で焼くことができます。",
        "粉と水を混ぜる",
        "塩を入れてこねる",
    ),
    "ko": (
        "빵은 인류가 만든 가장 오래된 음식 중 하나이며, 조금만 참으면 누구나 집에서 빵을 구울 수 있습니다.",
        "밀가루와 물을 섞는다",
        "소금을 넣는다",
    ),
    "ar": (
        "الخبز من أقدم الأطعمة التي يصنعها الناس، ويمكن لأي شخص أن يخبز رغيفا في المنزل بقليل من الصبر.",
        "اخلط الدقيق والماء",
        "أضف الملح",
    ),
    "he": (
        "לחם הוא אחד המאכלים העתיקים ביותר, ובקצת סבלנות כל אחד יכול לאפות כיכר בבית.",
        "לערבב קמח ומים",
        "להוסיף מלח",
    ),
    "fa": (
        "نان یکی از کهن\u200cترین خوراک\u200cهایی است که مردم می\u200cپزند، و "
        "با اندکی شکیبایی هر کسی می\u200cتواند آن را در خانه بپزد.",
        "آرد و آب را بیامیزید",
        "نمک بیفزایید",
    ),
    "hi": (
        "रोटी मनुष्य द्वारा बनाए गए सबसे पुराने खाद्य पदार्थों में से एक है, और थोड़े धैर्य के साथ कोई भी इसे बना सकता है।",
        "आटा और पानी मिलाएँ",
        "नमक डालें",
    ),
    "th": (
        "ขนมปังเป็นหนึ่งในอาหารที่เก่าแก่ที่สุดที่มนุษย์ทำขึ้น และทุกคนก็สามารถอบขนมปังที่บ้านได้",
        "ผสมแป้งกับน้ำ",
        "ใส่เกลือ",
    ),
    "ru": (
        "Хлеб — одна из древнейших пищ человека, и при некотором терпении каждый может испечь его дома.",
        "Смешайте муку с водой",
        "Добавьте соль",
    ),
    "el": (
        "Το ψωμί είναι μια από τις παλαιότερες τροφές, και με λίγη υπομονή ο καθένας μπορεί να το ψήσει στο σπίτι.",
        "Ανακατέψτε το αλεύρι",
        "Προσθέστε αλάτι",
    ),
    "ka": (
        "პური ერთ-ერთი უძველესი საკვებია, და ცოტა მოთმინებით ყველას შეუძლია მისი სახლში გამოცხობა.",
        "აურიეთ ფქვილი და წყალი",
        "დაუმატეთ მარილი",
    ),
    "am": (
        "ዳቦ ሰዎች ከሚሠሯቸው ጥንታዊ ምግቦች አንዱ ነው፤ በትንሽ ትዕግሥት ማንም ሰው በቤቱ መጋገር ይችላል።",
        "ዱቄትና ውኃ ቀላቅል",
        "ጨው ጨምር",
    ),
}


@pytest.mark.parametrize("language", _SCRIPTS)
def test_text_in_any_script(language: str) -> None:
    prose, first, second = _SCRIPTS[language]
    paragraphs = tuple(f"{prose} {number}" for number in range(1, 4))
    text = extract_main_text(_page(f"<ol><li>{first}</li><li>{second}</li></ol>", before=paragraphs, after=(prose,)))
    lines = text.split("\n")
    assert lines[-6:] == [*paragraphs, f"1. {first}", f"2. {second}", prose]
    assert set(lines[:-6]) <= {_HEADLINE}


def test_little_text_is_not_taken_for_its_surroundings() -> None:
    """Where hardly anything is main content, boxes and navigation are none either."""
    for number in (1, 2):
        lines = extract_main_text(_page("", before=_BEFORE[:number], after=())).split("\n")
        assert [line for line in lines if line in _BEFORE] == list(_BEFORE[:number])
        assert set(lines) <= {*_BEFORE, _HEADLINE}


def test_titles() -> None:
    assert extract_page(_page("")).title == _HEADLINE
    assert extract_page("<title>A &amp; B\n  tale</title><p>x").title == "A & B tale"
    assert extract_page("<p>x").title == ""
    assert extract_page("<title>Kitchen Notes - Bread</title><h1>Bread</h1><h1>Notes</h1>").title


def test_headline_stands_once() -> None:
    crumbs = f'<ul class="path"><li><a href="/">Home</a></li><li>{_HEADLINE}</li></ul>'
    assert extract_main_text(_page("").replace("<h1>", crumbs + "<h1>")).split("\n").count(_HEADLINE) == 1


def test_numbers_of_items() -> None:
    assert _rendered('<ol start="5"><li>a<li>b<li value=9>c<li>d</ol>') == "5. a\n6. b\n9. c\n10. d"
    assert _rendered("<ol reversed><li>a<li>b<li>c</ol>") == "3. a\n2. b\n1. c"
    assert _rendered("<ol reversed start=10><li>a<li>b</ol>") == "10. a\n9. b"
    assert _rendered('<ol type="a"><li>x<li>y</ol><ol type=I><li>x<li>y<li>z<li>w</ol>') == (
        "a. x\nb. y\nI. x\nII. y\nIII. z\nIV. w"
    )
    assert _rendered("<ol start=-1><li>a<li><img><li>c</ol><ul><li>d</ul>") == "-1. a\n1. c\n- d"
    assert _rendered('<ol start="99999999999999999999"><li value="x">a</ol><menu><li>b</menu>') == "99999999. a\n- b"
    assert _rendered("<ol><li><h3>Head</h3><p>Text</ol>") == "Head\nText"


def test_rows_of_tables() -> None:
    table = "<table><tr><th>Name<th>Age<tr><td>Ada<td>36</table><table><tr><td>Next</table>"
    assert _rendered(table) == "Name | Age\nAda | 36\nNext"
    assert _rendered("<table><tr><td><p>Ada<br>Lovelace</p><td><div>36</div><tr><td>x") == "Ada Lovelace | 36\nx"
    assert _rendered("<table><tr><td>a<td><td>c<tr><td><td>b<td>c<tr><td>a<td>b<td></table>") == (
        "a |  | c\n| b | c\na | b"
    )
    long = "A paragraph that is long enough to be one of the main column, not a word in a cell of a table of data. " * 2
    layout = f"<table><tr><td><a href=x>Home</a><br><a href=y>Blog</a><td><p>{long}</p><p>{long}</p></table>"
    assert _rendered(layout) == "\n".join(("Home", "Blog", long.strip(), long.strip()))
    assert _rendered("<table><tr><td>a<table><tr><td>b<td>c</table><td>d</table>") == "a\nb | c\nd"
    assert _rendered("<table><tr><td><pre>x\n  y</pre><td>z</table>") == "x\n  y\nz"
    assert (
        _rendered("<table><tr><td><pre>git init</pre><td>makes a repository</table>") == "git init | makes a repository"
    )
    assert _rendered("<table><tr><td>12<td><pre>x = 1</pre></table>") == "12\nx = 1"  # a number of a line


def test_preformatted_text_keeps_its_spaces() -> None:
    assert _rendered("<pre>\ndef f():\n    return 1\n</pre>") == "def f():\n    return 1"
    assert _rendered("<pre>\n  Roses are red,\n    violets  are blue\n\n\tTab</pre>") == (
        "  Roses are red,\n    violets  are blue\n\n\tTab"
    )
    assert _rendered("<pre>a<br>  b<br>\n    c</pre>") == "a\n  b\n    c"
    assert _rendered("<pre><div>if x:</div><div>    y()</div></pre><p>  after  </p>") == "if x:\n    y()\nafter"
    assert _rendered("<pre>a\r\n  b\rc</pre>") == "a\n  b\nc"
    assert _rendered("<pre>  &lt;b&gt;\n   é</pre>") == "  <b>\n   é"


def test_text_of_blocks_is_what_a_reader_sees() -> None:
    assert _blocks("<p> a \n\t b&nbsp;<b>c</b>d <!-- no --> e</p>") == ["a b cd e"]
    assert _blocks("&lt;&eacute;&#233;&#xE9;&#150;&amp;&copy &notit; &nosuch; &") == ["<ééé–&© ¬it; &nosuch; &"]
    assert _blocks("1 < 2 <3 a</ p>b") == ["1 < 2 <3 ab"]
    assert _blocks("<p>日本　語、<ruby>漢<rp>（</rp><rt>かん</rt><rp>）</rp></ruby>。</p>") == ["日本 語、漢。"]
    assert _blocks("Brot&shy;back\u00adauto\u200bmat \u2060ist\ufeff \u200eda\u202c") == ["Brotbackautomat ist da"]
    assert _blocks("<p>\u200d</p><p>می\u200cخواهم</p><p>\U0001f469\u200d\U0001f52c</p>") == [
        "می\u200cخواهم",
        "\U0001f469\u200d\U0001f52c",
    ]
    inline = '<span class="sr-only"> no</span><span aria-hidden=true>no</span><i hidden>no</i>'
    assert _blocks(f"<p>a{inline} b</p>") == ["a b"]
    formula = '<math><mi>x</mi><mo>=</mo><mn>2</mn><annotation encoding="application/x-tex">no</annotation></math>'
    assert _blocks(f'<p>So {formula}<span aria-hidden="true">x=2</span>.</p>') == ["So x=2."]


@pytest.mark.parametrize(
    "markup",
    [
        "<script>if (a < b) { '<p>no</p>' }</script>",
        "<SCRIPT type='x'>no</scripty></SCRIPT\n>",
        "<style>p::before { content: '</p>no' }</style >",
        "<!-- > no -- > <p>no</p> -->",
        "<!-->",
        "<!--->",
        "<![CDATA[no]]>",
        "<?php no ?>",
        "<noscript><p>no</p></noscript>",
        "<textarea><p>no</textarea>",
        "<svg><title/><text>no</text></svg>",
        "<select><option>no</select>",
        "<template><p>no</p></template>",
        "<iframe><p>no</p></iframe>",
        "<title>no</title>",
        "<a title=\"> no <p>\" class='x>y' href=x/y></a>",
        "<a href='#top'>#</a>",
        "<a href=#top> &para; </a>",
        "<img alt='no'>",
        '<p title="no"no="no">',
    ],
)
def test_what_is_no_text(markup: str) -> None:
    assert "".join(_blocks(f"<p>a{markup}<p>b")) == "ab"


def test_implied_ends_and_scopes() -> None:
    scanned = scan_page(b"<p>a<div>b</p>c</div><table><td>d</div><tr><td>e</table>f", model.load().tables)
    text = scanned.text.tobytes()
    assert [text[row[B_START] : row[B_END]] for row in scanned.blocks] == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert (scanned.nodes[1:, N_PARENT] < np.arange(1, len(scanned.nodes))).all()


def test_flags_come_down() -> None:
    scanned = scan_page(b"<div hidden><p>x", model.load().tables)
    assert scanned.nodes[2, N_FLAGS] & HIDDEN


_NESTED = (
    "<ul><li>Fruit<ul><li>Apples</li><li>Pears</li></ul></li><li>Greens<ul><li>Kale</li><li>Chard</li></ul></li></ul>"
)
_NESTED_TEXT = "- Fruit\n  - Apples\n  - Pears\n- Greens\n  - Kale\n  - Chard"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>These go into the soup:</p>" + _NESTED, "These go into the soup:\n" + _NESTED_TEXT),
        (
            "<ul><li>Fruit that grows on trees, for example<ul><li>Apples</li><li>Pears</li></ul></li>"
            "<li>Greens that grow in the ground, for example<ul><li>Kale</li></ul></li></ul>",
            "- Fruit that grows on trees, for example\n  - Apples\n  - Pears\n"
            "- Greens that grow in the ground, for example\n  - Kale",
        ),
        ("<p>What you need:</p><ol><li>Flour</li><li>Salt</li></ol>", "What you need:\n1. Flour\n2. Salt"),
    ],
)
@pytest.mark.parametrize("after", [(), _AFTER])
def test_items_of_a_word_stay_also_where_nothing_kept_follows(body: str, text: str, after: tuple[str, ...]) -> None:
    assert extract_main_text(_page(body, after=after)) == "\n".join((_HEADLINE, *_BEFORE, text, *after))
