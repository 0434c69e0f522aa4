"""The extractors that the bench compares and that training asks for their opinion, each as HTML to text."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from bench.data import OUTPUT, data_folder
from bench.extraction_data import GoldPage

Extract = Callable[[str], str]
HELD_OUT_WEIGHTS = Path(__file__).with_name("held_out_model.json")
MODULES = ("trafilatura", "readability", "justext", "lxml")


def groundup() -> Extract:
    """With all that the stage asks of a page: its title and whatever else is told of it."""
    from pipeline.markup.html import extract_page

    return lambda html: extract_page(html).text


def groundup_held_out() -> Extract:
    """groundup with weights that have not seen the pages of held-out hosts."""
    from pipeline.markup.html import model, page

    weights = model.load(HELD_OUT_WEIGHTS)
    return lambda html: page.text_with(html, weights)


def resiliparse() -> Extract:
    from resiliparse.extract.html2text import extract_plain_text

    return lambda html: str(extract_plain_text(html, main_content=True, alt_texts=False, comments=False))


def _trafilatura(**options: bool) -> Extract:
    import trafilatura

    return lambda html: trafilatura.extract(html, include_comments=False, **options) or ""


def trafilatura() -> Extract:
    return _trafilatura()


def trafilatura_fast() -> Extract:
    return _trafilatura(fast=True)


def trafilatura_precision() -> Extract:
    return _trafilatura(favor_precision=True)


def readability() -> Extract:
    from lxml import html as lxml_html
    from readability import Document

    def extract(html: str) -> str:
        summary = Document(html).summary(html_partial=True)
        return str(lxml_html.fromstring(summary).text_content()) if summary else ""

    return extract


def justext() -> Extract:
    import justext as library

    def extract(html: str) -> str:
        # Without stop words, as for a language that it has no list of.
        paragraphs = library.justext(html, frozenset(), stopwords_low=0, stopwords_high=0)
        return "\n".join(paragraph.text for paragraph in paragraphs if not paragraph.is_boilerplate)

    return extract


def rs_trafilatura() -> Extract:
    """Rules and a model by the page's type, of the makers of WCXB, whose development half they learned from."""
    import rs_trafilatura as library

    return lambda html: library.extract(html).main_content or ""


def magic_html() -> Extract:
    """Its reading of forums: on forums much better than its reading of articles, on others the same."""
    from magic_html import GeneralExtractor
    from resiliparse.extract.html2text import extract_plain_text

    extractor = GeneralExtractor()

    def extract(html: str) -> str:
        main = extractor.extract(html, html_type="forum")["html"]
        return str(extract_plain_text(main, main_content=False, alt_texts=False)) if main.strip() else ""

    return extract


EXTRACTORS: dict[str, Callable[[], Extract]] = {
    "groundup": groundup,
    "groundup, held out": groundup_held_out,
    "resiliparse": resiliparse,
    "trafilatura": trafilatura,
    "trafilatura fast": trafilatura_fast,
    "trafilatura precision": trafilatura_precision,
    "readability-lxml": readability,
    "jusText": justext,
    "rs-trafilatura": rs_trafilatura,
    "magic-html": magic_html,
}
_OPTIONAL = {"rs-trafilatura": "rs_trafilatura", "magic-html": "magic_html"}
_DISTRIBUTIONS = {"resiliparse": "resiliparse", "readability-lxml": "readability-lxml", "jusText": "jusText"}


def missing_extractors() -> list[str]:
    """Names of the peers that are not installed. The registry has these two for Python 3.12 only."""
    return [name for name, module in _OPTIONAL.items() if importlib.util.find_spec(module) is None]


def run(name: str, pages: list[GoldPage]) -> tuple[list[str], float]:
    """The texts of the pages ("" where the extractor fails) and the seconds it took, start-up left out."""
    extract = EXTRACTORS[name]()
    texts = []
    extract("<html><body><p>Warm-up, so that caches are filled.</p></body></html>")
    started = time.perf_counter()
    for page in pages:
        try:
            texts.append(extract(page.html))
        except Exception:  # a peer that fails on a page has no text for it; they raise whatever their parsers raise
            texts.append("")
    return texts, time.perf_counter() - started


def saved_run(name: str, set_name: str, pages: list[GoldPage]) -> list[str]:
    """The texts of a peer for a whole set, from `build/bench/data` where an earlier run left them."""
    version = importlib.metadata.version(_DISTRIBUTIONS.get(name, "trafilatura"))
    manifest = (data_folder() / "web" / set_name / "manifest.jsonl").read_bytes()
    digest = hashlib.sha256(manifest + version.encode()).hexdigest()[:8]
    target = OUTPUT / "data" / f"texts-{set_name}-{name.replace(' ', '-')}-{digest}.json"
    if target.exists():
        return list(json.loads(target.read_text(encoding="utf-8")))
    texts, _ = run(name, pages)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(f"{target}.unfinished")
    unfinished.write_text(json.dumps(texts), encoding="utf-8")
    os.replace(unfinished, target)
    return texts
