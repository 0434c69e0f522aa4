"""Articles of wikis as Markdown."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from pipeline.extractors.wikitext import WikitextExtractor, to_text
from pipeline.markup.wikitext.text import wikitext_to_text

_PARSER = MarkdownIt("commonmark").enable("table")


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("Text\n== Head ==\nmore\n=== ''Low'' #===\nx", "Text\n\n## Head\n\nmore\n\n### Low \\#\n\nx"),
        ("== Gone ==\n{{foo}}\n== Stays ==\nx", "## Stays\n\nx"),
        ("* a\n* b\npara", "- a\n- b\n\npara"),
        ("# a\n# b\n\n# c", "1. a\n2. b\n\n1. c"),
        ("* a\n** b\n*** c\n* d", "- a\n  - b\n    - c\n- d"),
        ("# a\n#* b\n#* c\n# d\n## e", "1. a\n   - b\n   - c\n2. d\n   1. e"),
        ("# a\n" * 10 + "#* x", "".join(f"{number}. a\n" for number in range(1, 11)) + "    - x"),
        (":* a\n::* b", "- a\n- b"),
        ("* {{foo}}\n* a", "- a"),
        ("*** deep", "- deep"),
        ("# a\n#: more *of* it\n# b\n#* c\n#*: d\n# e", "1. a\n\n   more \\*of\\* it\n2. b\n   - c\n\n     d\n3. e"),
        ("* a\n*: {{foo}}\n* b\n\n*: alone", "- a\n- b\n\nalone"),
        ("* a\n\np\n*: q", "- a\n\np\nq"),
        ("** a\n*: b\n*: c\n** d", "- a\n\nb\nc\n\n- d"),  # of an item that is not there
        ("*# a\n*: b\n#: c", "1. a\n\nb\nc"),
        ("x <blockquote>one\n\n# two</blockquote> y", "x\n\n> one\n>\n> 1. two\n\ny"),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n>\n> > b"),
        ("<blockquote>{{foo}}</blockquote>a</blockquote>", "a"),
        ("a\n== H ==\n<blockquote>{{foo}}</blockquote>", "a"),
        ("<blockquote class=x>a\n\nb", "a\n\nb"),
        ("{|\n! a !! b\n|-\n| <blockquote>q</blockquote> || 2\n|}", "| a | b |\n| --- | --- |\n| q | 2 |"),
        ("* a\n*** b", "- a\n  - b"),
        ('<syntaxhighlight lang="python">\nf():\n    "*x*"\n</syntaxhighlight>', '```python\nf():\n    "*x*"\n```'),
        ("<source lang=C>\nx;\n</source>", "```c\nx;\n```"),
        ("<pre>\na\n```\n</pre>", "````\na\n```\n````"),
        ("see <syntaxhighlight lang=c inline>int x;</syntaxhighlight>.", "see `int x;`."),
        ("the <code>a*b*c</code> and <kbd>&lt;x&gt;</kbd>", "the `a*b*c` and `<x>`"),
        ("the <code>a [[b]]</code>", "the a b"),
        (" if  x:\n   y", "```\nif  x:\n  y\n```"),
        ("5 * 3 and <nowiki>x</nowiki> __x__ 1. a", "5 * 3 and x \\_\\_x\\_\\_ 1. a"),
        ("1. no item\n\n> no quote", "1\\. no item\n\n\\> no quote"),
        ("{|\n! a !! b\n|-\n| 1 || x&#124;y\n|}", "| a | b |\n| --- | --- |\n| 1 | x\\|y |"),
        ("x\n{|\n|+ Cap\n! a !! b\n|-\n| 1 || 2\n|}\ny", "x\n\nCap\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\ny"),
        (
            '{|\n! rowspan="2" | N !! colspan=2 | Y\n|-\n! 19 !! 20\n|-\n| Ada || 1 || 2\n|}',
            "| N | Y |  |\n| --- | --- | --- |\n|  | 19 | 20 |\n| Ada | 1 | 2 |",
        ),
        ("{|\n! a !! b !! c\n|-\n| 1 || || 3\n|}", "| a | b | c |\n| --- | --- | --- |\n| 1 |  | 3 |"),
        ("{|\n| one || row\n|}", "one | row"),
        ("{|\n! a !! b\n|-\n| <math>|x|</math> || 2\n|}", "| a | b |\n| --- | --- |\n| $\\|x\\|$ | 2 |"),
    ],
)  # fmt: skip
def test_markdown(wikitext: str, markdown: str) -> None:
    assert wikitext_to_text(wikitext, "en", markdown=True) == markdown


def test_what_a_parser_reads() -> None:
    text = "* a\n** b\n# c\n== h ==\n{|\n! a !! b\n|-\n| 1 || 2\n|}\n<pre>\nx\n\ny\n</pre>\npara"
    kinds = [token.type for token in _PARSER.parse(wikitext_to_text(text, markdown=True)) if "_open" in token.type]
    assert [kind for kind in kinds if kind.startswith(("bullet", "ordered", "heading", "table"))] == [
        "bullet_list_open", "bullet_list_open", "ordered_list_open", "heading_open", "table_open",
    ]  # fmt: skip


def test_the_plain_form_is_as_it_was() -> None:
    text = "* a\n** b\n# c\n== h ==\n{|\n! rowspan=2 | a !! b\n|-\n| 1 || 2\n|}\n<pre>\nx\n</pre>\n<code>a*b</code>"
    assert wikitext_to_text(text) == "- a\n- b\n- c\n\nh\n\na | b\n1 | 2\n\nx\n\na*b"


def test_the_extractor_asks_for_its_form() -> None:
    for form, text in (("text", "h\n\n- a"), ("markdown", "## h\n\n- a")):
        extractor = WikitextExtractor(form=form)
        note = '["en", [], true, true]' if form == "markdown" else '["en", [], true, false]'
        assert extractor.form == form
        assert to_text(b"== h ==\n* a", note) == ("", text)
