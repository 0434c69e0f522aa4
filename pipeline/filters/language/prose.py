"""The prose of a text: what is left without its code, markup, addresses, names of things in programs, and numbers.

A language is told by it. Words of a program are English or of no language, so a page in any language that shows much
code looks like English, and one in English like Latin or Catalan. No language is known here: what is taken out is told
by how it is written, and by the line that it stands in. Time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FEWEST_WORDS = 4  # of a line of prose; fewer may be a heading, a cell of a table, or a statement
_FEWEST_CHARACTERS = 12  # of a line of prose in a script without spaces, which is one word
_PROSE_SHARE = 0.6  # of a line's characters
_ENOUGH = 80  # characters of such lines; where there are fewer, words of all lines are looked at

_DIRECTIVE = re.compile(
    r"\.\. (?:code|code-block|sourcecode|parsed-literal|literalinclude|math|doctest|testcode|testoutput|raw|toctree|"
    r"graphviz|image|figure|include|auto\w{1,30})::"
)
_CODE_LINE = re.compile(r"\s*(?:[$%] |>>>|\.\.\. |In ?\[|Out ?\[|#!)|.*(?:&&|\|\||(?:[{}]|[)\]];|\\)\s*$)")
_MARKUP = re.compile(
    r"(?=[<&:`\]\\\[*_])(?:"  # where any of these begins
    r"<!--[^\n]{0,300}?-->|</?[A-Za-z!][^<>\n]{0,2000}>"  # HTML and XML
    r"|&#?\w{1,20};"
    r"|(?::[\w:.-]{1,40}:)?(`{1,2})[^`\n]{1,500}\1_{0,2}"  # code in a line; roles and links of reStructuredText
    r"|\]\([^()\s]{1,2000}(?: \"[^\"\n]{0,200}\")?\)"  # targets of Markdown's links
    r"|\\[A-Za-z]{1,40}\*?(?:\[[^\]\n]{0,200}\])?(?:\{[^{}\n]{0,200}\})?"  # commands of LaTeX
    r"|\[{1,2}(?=[^\W\d_])|(?<=[^\W_])\]{1,2}"
    r"|(?<!\w)(?:\*{1,3}|_)(?=[^\W_])|(?<=[^\W_])(?:\*{1,3}|_)(?!\w))"  # emphasis
)
# Words with what no word of prose has; a space stands before every word.
_NUMBER = re.compile(r" [-+(~]?[0-9][0-9.,:%/-]*[).,;:%]*(?!\S)")
_SYMBOLS = re.compile(r" (?:[^\s0-9_=<>{}\[\]\\|/@#$%^&~+`]*[0-9_=<>{}\[\]\\|/@#$%^&~+`]|-\w)\S*")
_NAMES = re.compile(r" \S*(?:[a-z](?:[A-Z]|[.(;:,\"][A-Za-z(])|::|->|--)\S*")
# Between characters of scripts that stand without spaces and ASCII ones, so that both are words by themselves.
_WITHOUT_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_SPACELESS = re.compile(f"[{_WITHOUT_SPACES}]")
_SEAM = re.compile(f"(?<=[{_WITHOUT_SPACES}])(?=[!-~])|(?<=[!-~])(?=[{_WITHOUT_SPACES}])")
_SPACES = str.maketrans(dict.fromkeys("\t\r\f\v\xa0\u3000", " "))


def prose_of(text: str) -> str:
    """The prose of a text, its lines in order; empty where there is none.

    Lines with mostly words, and at least four of them, are prose. Where these are too few to tell a language by, the
    words of all lines are, as headings and cells of tables have them.
    """
    lines = "\n".join(_outside_blocks(text.translate(_SPACES).split("\n")))
    marked = _MARKUP.sub(" ", lines)
    if _SPACELESS.search(marked):
        marked = _SEAM.sub(" ", marked)
    marked = _NUMBER.sub(" ", " " + marked.replace("\n", "\n "))
    prose: list[str] = []
    words: list[str] = []
    num_characters = 0
    plain = _NAMES.sub(" ", _SYMBOLS.sub(" ", marked))
    for before, after in zip(marked.split("\n"), plain.split("\n"), strict=True):
        if not (found := after.split()):
            continue
        kept = " ".join(found)
        words.append(kept)
        num_kept = len(kept) - len(found) + 1
        if num_kept < _PROSE_SHARE * sum(map(len, before.split())):
            continue
        if len(found) >= _FEWEST_WORDS or (num_kept >= _FEWEST_CHARACTERS and not kept.isascii()):
            prose.append(kept)
            num_characters += num_kept
    return "\n".join(prose if num_characters >= _ENOUGH else words)


def _outside_blocks(lines: list[str]) -> Iterator[str]:
    """The lines that are in no fenced or literal block, and that are no line of a program or a shell."""
    fence, held = "", [""]
    literal_above: int | None = None  # the indentation that a literal block is deeper than
    for line in lines:
        stripped = line.lstrip(" >")
        if fence:
            if stripped.startswith(fence) and not stripped.strip(fence[0]).strip():
                fence, held = "", []
            else:
                held.append(line)
            continue
        if stripped.startswith(("```", "~~~")):
            fence, held = stripped[: len(stripped) - len(stripped.lstrip(stripped[0]))], []
            continue
        indent = len(line) - len(line.lstrip())
        if literal_above is not None:
            if not stripped or indent > literal_above:
                continue
            literal_above = None
        if _DIRECTIVE.match(stripped):
            literal_above = indent
            continue
        if stripped.rstrip().endswith("::"):
            literal_above = indent
        if not _CODE_LINE.match(line):
            yield line
    if fence:
        yield from held  # it was never closed, so it was none
