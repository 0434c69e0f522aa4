"""Text that Markdown would read as its own, with backslashes: CommonMark, and the tables of GitHub.

https://spec.commonmark.org/0.31.2/ and https://github.github.com/gfm/. A backslash stands only where a parser would
take a character for markup: not in `snake_case`, in `5 * 3`, or before a lone star.
"""

from __future__ import annotations

import re
import unicodedata

# Marks for what is no text in a line that is escaped: a code span, where a link begins and ends, a formula. Beside
# them stand a backtick, a bracket or a dollar sign, so they count as punctuation.
SPAN, LINK, END_LINK, FORMULA = "\x00", "\x01", "\x02", "\x04"
_MARKS = SPAN + LINK + END_LINK + FORMULA

_SPECIAL = re.compile(r"[\\`*_<&\]~]")
_INLINE = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|$)|<(?=[!?]|/?[a-zA-Z][^<>]*>)|\](?=\()"
    r"|&(?=(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});)",
    re.MULTILINE,
)
_RUN = re.compile(r"\*+|_+")
_LINE = re.compile(
    r"^(?:(?=[ \t]*[|:-][|: \t-]*$)(?=.*-)[ \t]*|(?=\#{1,6}(?:\s|$)|>|[-+*](?:\s|$)|=+[ \t]*$|~~~|:\s|<[a-zA-Z/!?]"
    r"|([*_-])[ \t]*(?:\1[ \t]*){2,}$|\[[^\]\n]+\]:)|([0-9]{1,9})(?=[.)](?:\s|$)))",
    re.MULTILINE,
)
_BRACKET = re.compile(r"(?<!\\)[\[\]]")
_BACKTICKS = re.compile(r"`+")
_CLOSING = re.compile(r"(?:(?<=[ \t])|^)(?=#+[ \t]*$)")


def escaped(text: str, *, begins_line: bool = True) -> str:
    """Text of a paragraph that a parser of Markdown reads as these characters.

    begins_line: whether its lines begin lines of Markdown, where more is markup. Marks of this module stay.
    """
    if _SPECIAL.search(text) is not None:
        text = _INLINE.sub(r"\\\g<0>", text)
        if "`" in text and (text.count("`") > 1 or SPAN in text):
            text = text.replace("`", "\\`")
        if "*" in text or "_" in text:
            text = _without_emphasis(text)
        if text.count("~~") > 1:
            text = text.replace("~~", "\\~~")
    return escaped_start(text) if begins_line else text


def escaped_start(text: str) -> str:
    """Text that is escaped in its lines, escaped where these begin, too."""
    return _LINE.sub(r"\g<0>\\", text)


def escaped_heading(text: str) -> str:
    """Text of a heading behind its number signs."""
    text = escaped(text, begins_line=False)
    return _CLOSING.sub(r"\\", text) if text.endswith("#") else text


def escaped_link_text(text: str) -> str:
    """Escaped text that stands in the brackets of a link."""
    return _BRACKET.sub(r"\\\g<0>", text)


def _without_emphasis(text: str) -> str:
    """Text whose stars and underscores mean themselves: where one could begin emphasis and one after it end that."""
    runs: dict[str, list[tuple[int, bool, bool]]] = {"*": [], "_": []}
    for run in _RUN.finditer(text):
        start, end = run.span()
        before, after = text[start - 1 : start] or " ", text[end : end + 1] or " "
        left = not after.isspace() and (not _is_punctuation(after) or before.isspace() or _is_punctuation(before))
        right = not before.isspace() and (not _is_punctuation(before) or after.isspace() or _is_punctuation(after))
        if run[0][0] == "_":
            left, right = (
                left and (not right or _is_punctuation(before)),
                right and (not left or _is_punctuation(after)),
            )
        runs[run[0][0]] += [(place, left, right) for place in range(start, end)]
    places: list[int] = []
    for found in runs.values():
        first = next((place for place, left, _ in found if left), len(text))
        if any(right and place > first for place, _, right in found):
            places += [place for place, left, right in found if left or right]
    places.sort()
    parts = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    return "\\".join(parts)


def _is_punctuation(character: str) -> bool:
    return character in _MARKS or unicodedata.category(character)[0] in "PS"


def code_span(code: str) -> str:
    """Code in a line, between as many backticks as it takes."""
    code = " ".join(code.split("\n"))
    ticks = "`"
    if "`" in code:
        ticks = "`" * (1 + max(len(run[0]) for run in _BACKTICKS.finditer(code)))
    padding = " " if code[0] == "`" or code[-1] == "`" or (code[0] == code[-1] == " ") else ""
    return f"{ticks}{padding}{code}{padding}{ticks}"


def fence(code: str, language: str) -> list[str]:
    """Lines of a code block, between fences longer than those it holds."""
    longest = max((len(run[0]) for run in _BACKTICKS.finditer(code)), default=0)
    ticks = "`" * max(3, longest + 1)
    return [ticks + language, *code.split("\n"), ticks]


def pipe_table(rows: list[list[str]]) -> list[str]:
    """Lines of a table of GitHub's: rows of as many cells each, their pipes escaped. The first row is its header."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]]
