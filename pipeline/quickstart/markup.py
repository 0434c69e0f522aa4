"""Docstrings as HTML: the block structure of reStructuredText, Google, NumPy and Markdown docstrings.

Docstrings follow these conventions loosely, so the reader is a forgiving one: what it does not recognise is a
paragraph. Paragraphs are reflowed, as a browser would. Code, examples and drawn tables keep their lines in `<pre>`.
"""

from __future__ import annotations

import inspect
from html import escape

from pipeline.quickstart.conventions import (
    BULLET,
    DIRECTIVE,
    ENTRY,
    FIELD,
    FIELD_TITLES,
    GRID_TABLE,
    LITERAL_DIRECTIVES,
    LONE_TAG,
    MARKDOWN_TITLE,
    NOTE,
    RULE,
    SECTION,
    SIMPLE_TABLE,
    TABLE_RULE,
    TITLED_PARAMETERS,
    UNPRINTED_DIRECTIVES,
    VERSIONS,
    dedent,
    indent,
    looks_like_code,
    looks_like_columns,
    trim,
)
from pipeline.quickstart.inline import Html, inline_html


def docstring_html(docstring: str, level: int) -> Html:
    """A docstring as HTML. `level` is that of its section titles: 3 gives `<h3>`."""
    html = Html()
    _Reader(inspect.cleandoc(docstring).splitlines(), min(level, 6), html).read()
    return html


class _Reader:
    """Reads the lines of one block and appends to `html`. Nested blocks get a reader of their own."""

    def __init__(self, lines: list[str], level: int, html: Html, depth: int = 0) -> None:
        self.lines, self.level, self.html, self.depth = lines, level, html, depth
        self.at = 0
        self.literal_next = False  # the paragraph before ended in "::"

    def read(self) -> None:
        while self.at < len(self.lines):
            if not self.lines[self.at].strip():
                self.at += 1
            elif not self._one_block():
                self._paragraph()

    def _nested(self, lines: list[str]) -> None:
        # Past this depth it is no structure any more, only odd indentation.
        if self.depth > 8:
            self.html.prose(f"<p>{inline_html(' '.join(lines))}</p>")
        else:
            _Reader(dedent(lines), self.level, self.html, self.depth + 1).read()

    def _one_block(self) -> bool:
        line = self.lines[self.at]
        if line[0].isspace():
            self._indented()
            return True
        self.literal_next = False
        if line.startswith(">>>"):
            self._doctest()
        elif line.startswith("```"):
            self._fence()
        elif SIMPLE_TABLE.match(line) or GRID_TABLE.match(line):
            self._drawn_table()
        elif RULE.match(line):
            self._rule()
        elif self._underlined():
            self.at += 2
            self._section(line.strip())
        elif line.startswith("..") and (len(line.strip()) == 2 or line[2] == " "):
            self._explicit()
        elif LONE_TAG.match(line):
            self.at += 1
        elif (title := MARKDOWN_TITLE.match(line)) is not None:
            self.at += 1
            self._title(title["title"])
        elif line.startswith("|") and line.rstrip().endswith("|") and len(line) > 2:
            self._markdown_table()
        elif (found := FIELD.match(line)) is not None and (found["argument"] or found["kind"].islower()):
            self._fields()
        elif BULLET.match(line) and (line[0] in "-*+\u2022" or self._is_numbered_item()):
            self._bullets()
        elif (titled := SECTION.match(line)) is not None and self._block_below():
            self.at += 1
            self._titled_block(titled["title"])
        else:
            return False
        return True

    # What is below a line

    def _take_indented(self, margin: int = 1) -> list[str]:
        """The lines from here that are blank or indented by `margin` or more, without the blank ones at the end."""
        start = self.at
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and indent(line) < margin:
                break
            self.at += 1
        taken = self.lines[start : self.at]
        while taken and not taken[-1].strip():
            taken.pop()
        return taken

    def _block_below(self) -> bool:
        """Whether the next line that is not blank is indented."""
        for line in self.lines[self.at + 1 :]:
            if line.strip():
                return line[0].isspace()
        return False

    def _underlined(self) -> bool:
        if self.at + 1 >= len(self.lines):
            return False
        title, rule = self.lines[self.at].rstrip(), self.lines[self.at + 1].rstrip()
        return bool(RULE.match(rule)) and len(rule) >= min(3, len(title)) and len(title) <= len(rule) + 20

    def _is_numbered_item(self) -> bool:
        """Whether a line that starts with a number or letter is an item, and not the rest of a sentence."""
        match = BULLET.match(self.lines[self.at])
        assert match is not None
        number = match["marker"].strip("().")
        return number in ("#", "a", "A", "i") or (number.isdigit() and len(number) <= 2)

    # Blocks

    def _title(self, title: str) -> None:
        self.html.raw(f"<h{self.level}>{inline_html(title.rstrip(':'))}</h{self.level}>")

    def _pre(self, lines: list[str]) -> None:
        body = escape("\n".join(line.rstrip() for line in dedent(lines)), quote=False)
        if body.strip():
            self.html.raw(f"<pre>{body}\n</pre>")

    def _indented(self) -> None:
        literal, self.literal_next = self.literal_next, False
        lines = dedent(self._take_indented())
        if literal or looks_like_code(lines):
            self._pre(lines)
        else:
            self.html.raw("<blockquote>")
            self._nested(lines)
            self.html.raw("</blockquote>")

    def _doctest(self) -> None:
        taken: list[str] = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line.strip():
                following = next((later for later in self.lines[self.at :] if later.strip()), "")
                if not following.startswith(">>>"):
                    break
            taken.append(line)
            self.at += 1
        self._pre(taken)

    def _fence(self) -> None:
        mark = self.lines[self.at][:3]
        self.at += 1
        start = self.at
        while self.at < len(self.lines) and not self.lines[self.at].startswith(mark):
            self.at += 1
        self._pre(self.lines[start : self.at])
        self.at += 1

    def _drawn_table(self) -> None:
        start = self.at
        grid = self.lines[start].startswith("+")
        rules = 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if grid and not line.startswith(("+", "|")):
                break
            if not grid:
                rules += bool(SIMPLE_TABLE.match(line))
                if not line.strip() and rules >= 2:
                    break
            self.at += 1
        self._pre(self.lines[start : self.at])

    def _markdown_table(self) -> None:
        rows: list[str] = []
        while self.at < len(self.lines) and self.lines[self.at].startswith("|"):
            cells = [cell.strip() for cell in self.lines[self.at].strip().strip("|").split("|")]
            if not all(TABLE_RULE.fullmatch(cell) for cell in cells):
                rows.append("<tr>" + "".join(f"<td>{inline_html(cell)}</td>" for cell in cells) + "</tr>")
            self.at += 1
        self.html.raw("<table>\n" + "\n".join(rows) + "\n</table>")

    def _rule(self) -> None:
        lines, at = self.lines, self.at
        overlined = at + 2 < len(lines) and lines[at + 1].strip() and RULE.match(lines[at + 2])
        if overlined and lines[at + 2][0] == lines[at][0]:
            self.at += 3
            self._section(lines[at + 1].strip())
        else:
            self.at += 1
            self.html.raw("<hr>")

    def _section(self, title: str) -> None:
        """A NumPy section: its title was underlined, and it ends at the next underlined title."""
        if title.lower().rstrip(":") not in TITLED_PARAMETERS:
            self._title(title)
            return
        start = self.at
        while self.at < len(self.lines) and not (self.lines[self.at].strip() and self._underlined()):
            self.at += 1
        self._title(title)
        _definitions(dedent(self.lines[start : self.at]), self.level, self.html)

    def _titled_block(self, title: str) -> None:
        """A Google section: a title with a colon and an indented block."""
        lines = dedent(self._take_indented())
        self._title(title)
        if title.lower() in TITLED_PARAMETERS:
            _entries(lines, self.level, self.html)
        elif title.lower().startswith(("example", "usage")) and looks_like_code(lines):
            self._pre(lines)
        else:
            self._nested(lines)

    def _explicit(self) -> None:
        """Explicit markup of reStructuredText: directives, footnotes, link targets and comments."""
        line = self.lines[self.at]
        self.at += 1
        body = dedent(self._take_indented())
        note = NOTE.match(line)
        if note is not None:
            self.html.prose(f"<p>[{escape(note['label'])}] {inline_html(' '.join([note['text'], *body]))}</p>")
            return
        directive = DIRECTIVE.match(line)
        if directive is None:  # a link target or a comment, which no page shows
            return
        name, argument = directive["name"].lower(), directive["argument"]
        while body and FIELD.match(body[0]):  # options of the directive
            body.pop(0)
        if name in LITERAL_DIRECTIVES:
            self._pre([argument, *body] if name == "math" and argument else body)
        elif name in VERSIONS:
            version, _, rest = argument.partition(" ")
            text = " ".join([rest, *body]).strip()
            rest = f": {inline_html(text)}" if text else "."
            self.html.prose(f"<p><em>{VERSIONS[name]} {escape(version)}</em>{rest}</p>")
        elif name not in UNPRINTED_DIRECTIVES:
            self.html.raw(f'<div class="admonition"><p class="title">{escape(name.title())}</p>')
            self._nested([argument, "", *body] if name == "rubric" else [argument, *body])
            self.html.raw("</div>")

    def _fields(self) -> None:
        """Sphinx fields, `:param x: text`; a `:type x:` joins its parameter."""
        fields: list[tuple[str, str, str]] = []
        while self.at < len(self.lines) and (match := FIELD.match(self.lines[self.at])) is not None:
            self.at += 1
            text = " ".join([match["text"] or "", *self._take_indented()])
            fields.append((match["kind"].lower(), (match["argument"] or "").strip(), text))
            while self.at < len(self.lines) and not self.lines[self.at].strip():
                self.at += 1
        kinds = {argument: text.strip() for kind, argument, text in fields if kind == "type"}
        previous = ""
        for kind, argument, text in fields:
            if kind in ("type", "rtype", "meta"):
                continue
            title = FIELD_TITLES.get(kind, kind.title())
            if title != previous:
                self.html.raw(f'{"</ul>" if previous else ""}<p class="title">{escape(title)}</p><ul>')
                previous = title
            words = argument.split()
            name = words[-1] if words else ""
            kind_text = kinds.get(name, "") or " ".join(words[:-1])
            self.html.prose(f"<li>{_entry_html(name, kind_text, text)}</li>")
        if previous:
            self.html.raw("</ul>")

    def _bullets(self) -> None:
        first = BULLET.match(self.lines[self.at])
        assert first is not None
        tag = "ul" if first["marker"] in "-*+\u2022" else "ol"
        self.html.raw(f"<{tag}>")
        while self.at < len(self.lines) and (match := BULLET.match(self.lines[self.at])) is not None:
            head = self.lines[self.at][match.end() :]
            self.at += 1
            body = self._take_indented()
            while self.at < len(self.lines) and not self.lines[self.at].strip():
                self.at += 1
            if any(not line.strip() for line in body) or any(BULLET.match(line.lstrip()) for line in body):
                self.html.raw("<li>")
                self._nested([head, *dedent(body)])
                self.html.raw("</li>")
            else:
                self.html.prose(f"<li>{inline_html(' '.join([head, *body]))}</li>")
        self.html.raw(f"</{tag}>")

    def _paragraph(self) -> None:
        start = self.at
        self.at += 1
        while self.at < len(self.lines) and self.lines[self.at].strip() and not self._paragraph_ends(start):
            self.at += 1
        lines = self.lines[start : self.at]
        below = self.at < len(self.lines) and self.lines[self.at][:1].isspace() and self.lines[self.at].strip()
        text = " ".join(lines).rstrip()
        if below and len(lines) == 1 and not text.endswith((":", ".", ",", ";")) and len(text) <= 60:
            self.html.raw(f"<dl><dt>{inline_html(text)}</dt><dd>")
            self._nested(self._take_indented())
            self.html.raw("</dd></dl>")
            return
        if below and not text.endswith(":"):  # a hanging indent: the same paragraph goes on
            while self.at < len(self.lines) and self.lines[self.at][:1].isspace() and self.lines[self.at].strip():
                lines.append(self.lines[self.at])
                self.at += 1
            text = " ".join(lines).rstrip()
        if len(lines) > 1 and looks_like_columns(lines):
            self._pre(lines)
            return
        self.literal_next = text.endswith("::")
        if self.literal_next:
            text = text[:-1] if len(text) > 2 and not text[-3].isspace() else text[:-2].rstrip()
        if text.strip():
            self.html.prose(f"<p>{inline_html(text)}</p>")

    def _paragraph_ends(self, start: int) -> bool:
        line = self.lines[self.at]
        if line[0].isspace() or line.startswith((">>>", "```", ".. ", "|")) or self._underlined():
            return True
        if FIELD.match(line) is not None or (SECTION.match(line) is not None and self._block_below()):
            return True
        bullet = BULLET.match(line)
        if bullet is None:
            return False
        ended = self.lines[self.at - 1].rstrip().endswith((":", ".", ";"))
        return ended and (line[0] in "-*+\u2022" or self._is_numbered_item())


def _entry_html(name: str, kind: str, text: str) -> str:
    """One parameter the way documentation generators print it: name, kind in brackets, dash, description."""
    head = f"<strong>{escape(name.strip('`*: '), quote=False)}</strong>" if name else ""
    if kind:
        head += f" (<em>{inline_html(kind)}</em>)"
    body = inline_html(text)
    return f"{head} \u2013 {body}" if head and body else head or body


def _put_entries(entries: list[tuple[str, str, list[str]]], level: int, html: Html) -> None:
    html.raw("<ul>")
    for name, kind, lines in entries:
        # The first paragraph stands beside the name; what follows it has a structure of its own.
        first = next((at for at, line in enumerate(lines) if _starts_block(line)), len(lines))
        if first == len(lines):
            html.prose(f"<li>{_entry_html(name, kind, ' '.join(lines))}</li>")
            continue
        html.raw("<li>")
        html.prose(f"<p>{_entry_html(name, kind, ' '.join(lines[:first]))}</p>")
        _Reader(dedent(lines[first:]), level, html, depth=1).read()
        html.raw("</li>")
    html.raw("</ul>")


def _entries(lines: list[str], level: int, html: Html) -> None:
    """The body of a Google section: `name (kind): text`, wrapped lines indented. Prose where it has no such form."""
    entries: list[tuple[str, str, list[str]]] = []
    for line in lines:
        match = ENTRY.match(line) if line.strip() and not line[0].isspace() else None
        if match is not None:
            entries.append((match["name"], match["kind"] or "", [match["text"] or ""]))
        elif not entries or (line.strip() and not line[0].isspace()):
            _Reader(lines, level, html, depth=1).read()
            return
        else:
            entries[-1][2].append(line)
    _put_entries([(name, kind, trim(body)) for name, kind, body in entries], level, html)


def _definitions(lines: list[str], level: int, html: Html) -> None:
    """The body of a NumPy section: `name : kind` with its description indented below. Prose where it has none."""
    if not any(line.strip() and line[0].isspace() for line in lines):
        _Reader(lines, level, html, depth=1).read()
        return
    entries: list[tuple[str, str, list[str]]] = []
    for line in lines:
        if line.strip() and not line[0].isspace():
            name, _, kind = line.partition(" : ") if " : " in line else line.partition(":")
            entries.append((name, kind.strip(), []))
        elif entries:
            entries[-1][2].append(line)
    _put_entries([(name, kind, trim(dedent(body))) for name, kind, body in entries], level, html)


def _starts_block(line: str) -> bool:
    start = line.lstrip()
    return not start or BULLET.match(start) is not None or start.startswith((">>>", "```", ".. "))
