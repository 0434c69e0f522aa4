"""What a page is that says it is HTML and is not: data, feeds, scripts and files that servers send under its name."""

from __future__ import annotations

import re

_HEAD = 4096  # characters that are looked at
_STRING = r'"(?:[^"\\\n]|\\.){0,200}+"'
_JSON = re.compile(
    rf"\{{\s*(?:{_STRING}\s*:|\}})|\[\s*(?:\{{\s*{_STRING}\s*:|(?:\[\s*)?(?:{_STRING}|-?\d[\d.eE+-]*+)\s*,|\]\s*\Z)"
)
_CALLBACK = re.compile(rf"(?:/\*\*/\s*)?[\w$.\[\]]{{1,100}}+\s*\(\s*[\[{{]\s*(?:{_STRING}|\{{)")
_GUARD = re.compile(r"\)\]\}',?\s*|while\s*\(1\);\s*|for\s*\(;;\);\s*")  # before JSON, against its use as a script
_BEFORE_ROOT = re.compile(
    r"(?:<\?.{0,500}?\?>\s*|<!--.{0,2000}?-->\s*|<!DOCTYPE\s+(?!html)[^>]{0,500}>\s*)*+", re.DOTALL | re.IGNORECASE
)
_ROOT = re.compile(r"<((?:[\w-]+:)?[A-Za-z]+)(?=[\s>/])")
_ROOTS = {
    "rss": "application/rss+xml", "rdf:rdf": "application/rdf+xml", "feed": "application/atom+xml",
    "entry": "application/atom+xml", "urlset": "sitemap", "sitemapindex": "sitemap", "opml": "text/x-opml",
    "opensearchdescription": "application/opensearchdescription+xml", "kml": "application/vnd.google-earth.kml+xml",
    "gpx": "application/gpx+xml", "oembed": "application/xml", "svg": "image/svg+xml", "error": "application/xml",
    "response": "application/xml", "soap:envelope": "application/xml", "oai-pmh": "application/xml",
}  # fmt: skip
# Else they are of a page's own tags.
_NEEDS_DECLARATION = frozenset({"feed", "entry", "error", "response", "svg", "kml", "opml"})
_COMMENTS = re.compile(r"(?:/\*.{0,3000}?\*/\s*|//[^\n]{0,500}\n\s*)*+", re.DOTALL)
_SCRIPT = re.compile(
    r"[;!(]*\s*function\s*[\w$]*\s*\(|[!(]+\s*(?:async\s*)?(?:\([^()]{0,100}\)|\w+)\s*=>|[\"']use strict[\"']|"
    r"(?:var|let|const)\s+[\w$]+\s*(?:=|;|,)|(?:window|document|self|this|module)\.[\w$.]+\s*(?:=|\()|(?:define|require)\(|(?:jQuery|\$)\(\s*(?:function|document|window|[\"'(])|"
    r"import\s[^\n;]{1,200}from\s*[\"']|export\s+(?:default|const|function|class)\s|if\s*\(\s*(?:typeof|window|self)\b"
)
_STYLES = re.compile(
    r"@(?:charset|import|media|font-face)\b|[.#*\w][\w.#:,>*\s\[\]=\"'~+()-]{0,300}\{\s*(?:-?[\w-]+\s*:|\})"
)
_HTML = re.compile(r"<(?:!doctype html|html|head|body|title|div|p|table|h1)(?=[\s>/])", re.IGNORECASE)
_MAGIC = {"%PDF-": "application/pdf", "{\\rtf": "text/rtf", "PK\x03\x04": "application/zip", "GIF8": "image/gif"}


def other_type(text: str) -> str:
    """The media type of what is no HTML page, by how it begins; "" for one that may be a page."""
    head = text[: _HEAD + 64].lstrip("\ufeff \t\r\n")[:_HEAD]
    first = head[:1]
    if first == "<":
        return _type_of_xml(head)
    if not first:
        return ""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if (guard := _GUARD.match(head)) is not None:
        head = head[guard.end() :]
    if _JSON.match(head) is not None:
        return "application/json"
    if _CALLBACK.match(head) is not None:
        return "application/javascript"
    code = head[_end(_COMMENTS, head) :]
    if _SCRIPT.match(code) is not None and not _starts_page(head):
        return "application/javascript"
    return "text/css" if _STYLES.match(code) is not None and not _starts_page(head) else ""


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found is not None else 0


def _starts_page(head: str) -> bool:
    """Whether tags of a page stand on lines of their own: not in the strings of a script."""
    return any(_HTML.match(line.lstrip()) is not None for line in head.split("\n"))


def _type_of_xml(head: str) -> str:
    start = _end(_BEFORE_ROOT, head)
    root = _ROOT.match(head, start)
    if root is None:
        return ""
    name = root[1].lower()
    kind = _ROOTS.get(name, "")
    is_declared = head.startswith("<?xml") or "xmlns" in head[start : start + 500]
    return "" if name in _NEEDS_DECLARATION and not is_declared else kind
