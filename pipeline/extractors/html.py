"""HTML to the text of its main content."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from datatrove.data import Document
from resiliparse.extract.html2text import extract_plain_text

from manifests.errors import UserError
from pipeline.documents import Block
from pipeline.extractors.warc import PLAIN_TEXT_KEY
from pipeline.extractors.wiki_names import WIKI_NAMES_KEY
from pipeline.extractors.wikitext import wikitext_to_text

MAX_HTML_CHARACTERS = 16 << 20
# The parser's time grows with the square of the depth: 0.2 s at 5,000 levels, minutes at 200,000.
MAX_DEPTH = 5000
# A comment, or a tag with its attributes; nothing in them is given back, so the scan is linear.
_TAG = re.compile(
    r"<(?:!--(?:-?>|.*?(?:--!?>|\Z))|(/?)([a-zA-Z][^\s/>]*+)"
    r"(?:[\s/]++|[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|(?![\"'])[^\s>]*+))?+)*+)",
    re.DOTALL,
)
_NEVER_DEEP = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
    | {"p", "li", "dt", "dd", "option", "tr", "td", "th", "thead", "tbody"}
)
# Elements whose content is text up to their end tag.
_RAW_TEXT = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
# No end tag inside one of these closes an element around it.
_SCOPES = frozenset({"table", "caption", "object", "applet", "marquee", "template", "svg", "math", "foreignobject"})
# Nor does the end tag of an element that is not among these close one around them (HTML standard, "special").
_BLOCKS = _SCOPES | frozenset(
    {"address", "article", "aside", "blockquote", "body", "button", "center", "details", "dir", "div", "dl"}
    | {"fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head"}
    | {"header", "hgroup", "html", "main", "menu", "nav", "noscript", "ol", "pre", "search", "section", "select"}
    | {"summary", "ul"}
)


def extract_main_text(html: str) -> str:
    """The main content of a page as plain text: see `pipeline.extractors.html_main`."""
    from pipeline.extractors.html_main import extract_main_text as extract  # loads compiled code: half a second

    return extract(html)


def weights_digest() -> str:
    """The sha256 of what `extract_main_text` learned: its data files take part in a build's fingerprint."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "html_main").glob("*.json")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _resiliparse_text(html: str) -> str:
    # Measured on 990 pages with gold segments: F1 0.864 at 820 pages/s, against 0.842 with the library's defaults.
    # Comments and alternative texts cost 1.3 and 0.7 points, footers that pass for content 0.3.
    return extract_plain_text(
        html,
        preserve_formatting=True,
        main_content=True,
        list_bullets=True,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
        comments=False,
        hidden_elements=False,
        skip_elements=["footer"],
    )


def _trafilatura_text(html: str) -> str:
    import trafilatura

    # deduplicate stays off: it would make a page's text depend on the pages before it.
    return trafilatura.extract(html, include_comments=False, deduplicate=False) or ""


def html_backend(name: str) -> Callable[[str], str]:
    """The function behind `extract.html`: "groundup", "resiliparse" or "trafilatura"."""
    if name == "groundup":
        return extract_main_text
    if name == "resiliparse":
        return _resiliparse_text
    if name == "trafilatura":
        if importlib.util.find_spec("trafilatura") is None:
            raise UserError(
                'extract.html = "trafilatura" needs trafilatura: pip install trafilatura, or use "groundup".'
            )
        return _trafilatura_text
    raise UserError(f'extract.html: no extractor {name!r}. Use "groundup", "resiliparse" or "trafilatura".')


class TextExtractor(Block):
    """Base of the extractors: replaces a document's text by what `extract` makes of it.

    Documents that a reader marked as plain text pass as they are. Reasons of drops: empty_text, extraction_error
    (detail: the error), page_too_large (value: characters).
    """

    type = "extractor"

    def __init__(self, max_characters: int = MAX_HTML_CHARACTERS) -> None:
        super().__init__()
        self.max_characters = max_characters

    def extract(self, document: Document) -> str:
        raise NotImplementedError

    def refuse(self, document: Document) -> tuple[str, float] | None:
        """The reason and value for which a document is not even tried."""
        if len(document.text) > self.max_characters:
            return "page_too_large", len(document.text)
        return None

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        for document in data or ():
            if document.metadata.pop(PLAIN_TEXT_KEY, False):
                text = document.text
            elif (refused := self.refuse(document)) is not None:
                document.text = ""
                self.drop(document, *refused)
                continue
            else:
                try:
                    text = self.extract(document)
                except (Exception, RecursionError) as error:  # parsers state no narrower type; every one is a drop
                    document.text = ""
                    self.drop(document, "extraction_error", detail=f"{type(error).__name__}: {error}"[:500])
                    continue
            document.text = normalise(text)
            if not document.text:
                self.drop(document, "empty_text")
                continue
            self.stat_update("documents")
            yield document


class HtmlExtractor(TextExtractor):
    """Replaces a document's HTML by the text of its main content, with the backend that the recipe names.

    Besides the reasons of `TextExtractor`: nested_too_deep (value: levels), for pages that would hold up the parser of
    resiliparse or trafilatura.
    """

    name = "HTML main content"

    def __init__(self, backend: str = "groundup", max_characters: int = MAX_HTML_CHARACTERS) -> None:
        super().__init__(max_characters)
        self.backend = backend
        self._extract = html_backend(backend)

    def extract(self, document: Document) -> str:
        return str(self._extract(document.text))

    def refuse(self, document: Document) -> tuple[str, float] | None:
        refused = super().refuse(document)
        if (
            refused is None
            and self.backend != "groundup"  # whose time is linear
            and document.text.count("<") > MAX_DEPTH
            and (depth := nesting_depth(document.text)) > MAX_DEPTH
        ):
            return "nested_too_deep", depth
        return refused


class PlainTextExtractor(TextExtractor):
    """Keeps text as it is; drops empty documents."""

    name = "plain text"

    def __init__(self) -> None:
        super().__init__(max_characters=1 << 40)

    def extract(self, document: Document) -> str:
        return str(document.text)


class WikitextExtractor(TextExtractor):
    """Replaces a page's wikitext by plain text; `tables`: whether tables stay, as rows of cells ("keep", "drop")."""

    name = "wikitext"

    def __init__(self, tables: str = "keep", max_characters: int = MAX_HTML_CHARACTERS) -> None:
        super().__init__(max_characters)
        self.tables = tables

    def extract(self, document: Document) -> str:
        language: str | None = document.metadata.get("language")
        names = tuple(document.metadata.pop(WIKI_NAMES_KEY, ()))
        return wikitext_to_text(document.text, language, names=names, keep_tables=self.tables == "keep")


def nesting_depth(html: str) -> int:
    """How deep elements nest, at most, in time linear in the page.

    An end tag closes the innermost element of its name with all inside it, or nothing: where none is open, or where
    the HTML standard's parser would not look past an element in between. Elements of `_NEVER_DEEP` do not count.
    """
    open_names: list[str] = []
    levels: dict[str, list[int]] = {}  # where in `open_names` a name stands
    scopes, blocks = [-1], [-1]  # where the elements stand that end tags do not reach beyond
    deepest = position = 0
    while (tag := _TAG.search(html, position)) is not None:
        position = tag.end()
        if tag[2] is None or (name := tag[2].lower()) in _NEVER_DEEP:
            continue
        if not tag[1]:
            level = len(open_names)
            if name in _RAW_TEXT and not levels.get("svg") and not levels.get("math"):
                deepest = max(deepest, level + 1)
                ended = re.compile(f"</{name}(?=[\\s/>])", re.IGNORECASE).search(html, position)
                if ended is None:
                    break
                position = ended.end()
                continue
            open_names.append(name)
            levels.setdefault(name, []).append(level)
            if name in _BLOCKS:
                blocks.append(level)
            if name in _SCOPES:
                scopes.append(level)
            deepest = max(deepest, level + 1)
        elif (standing := levels.get(name)) and standing[-1] >= (scopes if name in _BLOCKS else blocks)[-1]:
            level = standing[-1]
            while len(open_names) > level:
                levels[open_names.pop()].pop()
            while blocks[-1] >= level:
                blocks.pop()
            while scopes[-1] >= level:
                scopes.pop()
    return deepest


def normalise(text: str) -> str:
    """Line ends as `\\n`, no NULs or lone surrogates (Arrow refuses them), nothing around the text."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        text = text.replace("\x00", "")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text.strip()
