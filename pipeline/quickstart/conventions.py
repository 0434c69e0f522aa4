"""What docstring conventions look like: the forms that `markup` recognises, line by line."""

from __future__ import annotations

import re

RULE = re.compile(r"^([=\-~^*#\"'+`.:_])\1{2,}\s*$")  # underlines a title
SIMPLE_TABLE = re.compile(r"^=+(?: +=+)+\s*$")
GRID_TABLE = re.compile(r"^\+[-=+]{3,}\+\s*$")
FIELD = re.compile(r"^:(?P<kind>\w[\w-]*)(?:\s+(?P<argument>[^:`]*))?:(?:\s+(?P<text>.*))?$")
BULLET = re.compile(r"^(?P<marker>[-*+\u2022]|\(?(?:\d{1,3}|[a-zA-Z]|#)[.)])(?P<space>\s+)(?=\S)")
DIRECTIVE = re.compile(r"^\.\. (?P<name>[\w:.+-]+)::\s*(?P<argument>.*)$")
NOTE = re.compile(r"^\.\. \[(?P<label>[^\]]+)\]\s*(?P<text>.*)$")
MARKDOWN_TITLE = re.compile(r"^#{1,6}\s+(?P<title>[A-Z`].*?)\s*#*$")
TABLE_RULE = re.compile(r":?-+:?")  # a cell below the head of a Markdown table
LONE_TAG = re.compile(r"^</?[A-Za-z][^<>]*>$")
SECTION = re.compile(
    r"^(?P<title>Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters|Attributes|Inputs?"
    r"|Outputs?|Returns?|Yields?|Raises|Warns|Examples?|Example usage|Usage|Notes?|Warnings?|References|See Also|Todo"
    r"|Shape|Methods|Properties):{1,2}\s*$",
    re.IGNORECASE,
)
ENTRY = re.compile(
    r"^(?P<name>[`*]{0,2}[A-Za-z_][\w.\[\]]*[`*]{0,2}(?:\s*,\s*[`*]{0,2}[\w.]+[`*]{0,2})*)"
    r"(?:\s*\((?P<kind>[^()]*(?:\([^()]*\)[^()]*)*)\))?\s*:(?:\s+(?P<text>.*))?$"
)
COLUMNS = re.compile(r"[^\s.!?:] {3,}\S|\t\S")  # a gap inside a line that is not the one after a sentence
CODE = re.compile(
    r"^\s*(?:>>>|\$ |% |@\w|#!|(?:import|from|def|class|return|for|while|if|with|try|except|print|assert|async|await)\b"
    r".*[:()=\w]$|[\w.\[\]'\"]+\s*=\s|[\w.]+\(|[{}\[\]()<]|</?\w)"
)
TITLED_PARAMETERS = {
    *("args", "arguments", "parameters", "params", "keyword args", "keyword arguments", "other parameters"),
    *("attributes", "returns", "return", "yields", "yield", "raises", "warns", "see also", "methods", "properties"),
    *("input", "inputs", "output", "outputs"),
}
FIELD_TITLES = {
    **dict.fromkeys(("param", "parameter", "arg", "argument", "key", "keyword", "kwarg"), "Parameters"),
    **dict.fromkeys(("raises", "raise", "except", "exception"), "Raises"),
    **dict.fromkeys(("return", "returns"), "Returns"),
    **dict.fromkeys(("yield", "yields"), "Yields"),
    **dict.fromkeys(("var", "ivar", "cvar"), "Variables"),
}
LITERAL_DIRECTIVES = {"code", "code-block", "sourcecode", "ipython", "doctest", "math", "parsed-literal", "plot"}
UNPRINTED_DIRECTIVES = {
    *("currentmodule", "module", "autosummary", "toctree", "automodule", "autoclass", "autofunction", "automethod"),
    *("image", "figure", "testsetup", "testcleanup", "highlight", "index", "contents", "include", "graphviz", "raw"),
}
VERSIONS = {
    "versionadded": "New in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
}


def looks_like_code(lines: list[str]) -> bool:
    written = [line for line in lines if line.strip()]
    if written and written[0].lstrip().startswith(">>>"):
        return True
    code = sum(bool(CODE.match(line)) or line.rstrip().endswith((";", "{", "}", "\\", "):")) for line in written)
    return bool(written) and (2 * code >= len(written) or looks_like_columns(written))


def looks_like_columns(lines: list[str]) -> bool:
    """Whether the white space inside the lines carries meaning, as in a drawn table."""
    return 2 * sum(bool(COLUMNS.search(line.strip())) for line in lines) > len(lines)


def indent(line: str) -> int:
    """How many blanks the line starts with."""
    return len(line) - len(line.lstrip())


def dedent(lines: list[str]) -> list[str]:
    """The lines without the indentation that all of them share."""
    margin = min((indent(line) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]


def trim(lines: list[str]) -> list[str]:
    """The lines without blank ones at either end."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    while lines and not lines[0].strip():
        lines = lines[1:]
    return lines
