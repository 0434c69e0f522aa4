"""Text of a page that stands in its linked data (JSON-LD), in `<meta>` of microdata, and in its description.

What is read are the properties of https://schema.org that hold a text for readers, in an order in which one reads
them. Whatever describes the site and not the page (its organisation, its search, its navigation) is left out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from pipeline.markup.html.elsewhere.loose_json import Word, read_json, scripts_of
from pipeline.markup.html.elsewhere.prose import Writer, names

_AROUND = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/|<!\[CDATA\[)"
    r"|(?:-->|//\s*+\]\]>|/\*\s*+\]\]>\s*+\*/|\]\]>)\s*+;?\s*+$"
)
# Kinds whose `text` is what `articleBody` is of an article: a post by itself.
_POSTS = frozenset({"DiscussionForumPosting", "SocialMediaPosting", "BlogPosting", "LiveBlogPosting", "Article"})
_THREADS = frozenset({"DiscussionForumPosting", "SocialMediaPosting"})  # whose comments are as much the text
_NO_CONTENT = names(
    "Organization NewsMediaOrganization Corporation WebSite BreadcrumbList SearchAction SiteNavigationElement"
    " ImageObject Person Brand Offer AggregateOffer AggregateRating Rating WPHeader WPFooter WPSideBar ContactPoint"
    " PostalAddress InteractionCounter EntryPoint ReadAction CommentAction SpeakableSpecification PropertyValue"
    " OfferShippingDetails MerchantReturnPolicy OpeningHoursSpecification GeoCoordinates MonetaryAmount"
)
_HEADINGS = ("headline", "name", "title")
# Texts, then lists, then what a page is made of, each in the order of reading.
_TEXTS = (
    "articleBody", "text", "reviewBody", "description", "abstract", "responsibilities", "qualifications", "skills",
    "experienceRequirements", "educationRequirements", "jobBenefits", "incentiveCompensation", "lyrics", "transcript",
    "claimReviewed", "releaseNotes", "disambiguatingDescription", "ingredients",
)  # fmt: skip
_LISTS = ("recipeIngredient", "supply", "tool", "featureList", "teaches", "coursePrerequisites", "positiveNotes")
_STEPS = ("recipeInstructions", "step", "steps", "instructions")
_PARTS = (
    "@graph", "mainEntity", "mainEntityOfPage", "hasPart", "itemListElement", "item", "acceptedAnswer",
    "suggestedAnswer", "comment", "liveBlogUpdate", "syllabusSections", "hasMenuSection",
    "hasMenuItem", "subEvent", "itemReviewed", "hasVariant", "sharedContent", "video", "episode", "track",
)  # fmt: skip
_LISTED = frozenset({"ListItem", "MenuItem", "MusicRecording", "DefinedTerm", "ProductGroup", "Product"})
_REVIEWS = ("review", "reviews")  # of what has no other text
_PROPERTIES = frozenset((*_HEADINGS, *_TEXTS, *_LISTS, *_STEPS))
_DESCRIPTIONS = names(
    "og:description description twitter:description dc.description dcterms.description dcterms.abstract"
    " citation_abstract"
)
_MAX_DEPTH = 40


def _kinds(node: dict[str, Any]) -> set[str]:
    kinds = node.get("@type")
    names = kinds if isinstance(kinds, list) else [kinds]
    return {name.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for name in names if isinstance(name, str)}


def _scripts(page: str) -> list[Any]:
    """What the scripts of linked data hold. Where a whole script is written in references, they are decoded."""
    found = []
    for attributes, source in scripts_of(page):
        if "application/ld+json" not in attributes.lower():
            continue
        source = _AROUND.sub("", source).strip()
        if source.startswith(("{&quot;", "[{&quot;", "{ &quot;", "{\n&quot;", "{&#34;", "[{&#34;")):
            source = html.unescape(source)
        found.append(read_json(source))
    return found


def longest_article(page: str) -> str:
    """The longest `articleBody`, or text of a post, of the linked data, as markup; "" where there is none."""
    if "articleBody" not in page and "Posting" not in page:
        return ""
    best: list[str] = []
    for data in _scripts(page):
        best = max([best, *_bodies(data)], key=lambda texts: sum(map(len, texts)))
    writer = Writer()
    for text in best:
        writer.text(text)
    return writer.markup()


def _bodies(data: Any) -> Iterator[list[str]]:
    """The texts of every article and thread in linked data, whatever it is nested in."""
    waiting: list[Any] = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            kinds = _kinds(value)
            if body := _body(value, not _POSTS.isdisjoint(kinds)):
                yield [body, *_replies(value, 0)] if kinds & _THREADS else [body]
            waiting += value.values()


def _body(value: dict[str, Any], is_post: bool) -> str:
    """The text of an article, or of a post if it is one; "" where it has none."""
    found = ("\n".join(_strings(value.get(name))) for name in ("articleBody", "text")[: 1 + is_post])
    return max(found, key=len)


def _replies(value: dict[str, Any], depth: int) -> Iterator[str]:
    """The texts of the comments on a post, and of those on them, in order."""
    comments = value.get("comment")
    for part in comments if isinstance(comments, list) else [comments]:
        if isinstance(part, dict) and depth < _MAX_DEPTH:
            yield _body(part, True)
            yield from _replies(part, depth + 1)


def linked_text(page: str) -> str:
    """All text for readers of a page's linked data, as markup."""
    writer = Writer()
    for data in _scripts(page):
        _write(data, writer, 0)
    return writer.markup()


def _write(value: Any, writer: Writer, depth: int, is_listed: bool = False, is_subject: bool = False) -> None:
    """is_listed: a name by itself says enough. is_subject: the page is about it, be it a person or a firm."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for part in value:
            _write(part, writer, depth + 1, is_listed, is_subject)
    if not isinstance(value, dict):
        return
    kinds = _kinds(value)
    if kinds & _NO_CONTENT and not is_subject:
        return
    before = writer.num_texts
    outer = writer.begin(next((text for name in _HEADINGS for text in _strings(value.get(name))), ""))
    if is_listed or kinds & _LISTED:
        writer.heading()
    for name in _TEXTS:
        for text in _strings(value.get(name)):
            writer.text(text)
    for name in _LISTS:
        for text in _strings(value.get(name)):
            writer.item(text)
    for name in _STEPS:
        _steps(value.get(name), writer, depth + 1)
    for name in _PARTS:
        _write(value.get(name), writer, depth + 1, name in ("itemListElement", "item"), name == "mainEntity")
    if writer.num_texts == before:
        for name in _REVIEWS:
            _write(value.get(name), writer, depth + 1)
    writer.end(outer)


def _strings(value: Any) -> Iterator[str]:
    """The strings that a property has: its values, or their texts and names."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            part = part.get("@value") or part.get("text") or part.get("name")
        if isinstance(part, str) and not isinstance(part, Word) and part.strip():
            yield part


def _steps(value: Any, writer: Writer, depth: int) -> None:
    """Instructions: a text, texts, steps with a text or a name, or sections of steps with a heading."""
    if depth > _MAX_DEPTH:
        return
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            inner = part.get("itemListElement") or part.get("step") or part.get("steps")
            text = part.get("text") or part.get("description")
            writer.begin(str(part.get("name") or "") if inner or text else "")
            if inner:
                writer.heading()
                _steps(inner, writer, depth + 1)
            part = text or ("" if inner else part.get("name"))
        if isinstance(part, str) and not isinstance(part, Word):
            writer.item(part) if "<" not in part and "\n" not in part.strip() else writer.text(part)


_PREFIX = re.compile(r"^(?:schema:|https?://schema\.org/)")  # of properties; those of other vocabularies stay
_META = re.compile(rb"<meta(?=[\s/])", re.IGNORECASE)
_REST_OF_TAG = re.compile(rb"(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+>")
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]{1,60})\s{0,16}=\s{0,16}(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'<>]{1,4000}))")


def metas(data: bytes) -> list[tuple[str, str]]:
    """`itemprop`, `property` or `name` of every `<meta>` of a page, and its `content`, in order."""
    found = []
    end = 0
    for match in _META.finditer(data):
        if match.start() < end:
            continue  # inside a value of the one before
        rest = _REST_OF_TAG.match(data, match.end())
        if rest is None:
            break
        end = rest.end()
        tag = rest[0].decode("utf-8", "replace")
        values = {name.lower(): one or two or three for name, one, two, three in _ATTRIBUTE.findall(tag)}
        for kind in ("itemprop", "property", "name"):
            if kind in values:
                found.append((f"{kind} {values[kind].strip()}", html.unescape(values.get("content", ""))))
                break
    return found


def hidden_properties(data: bytes) -> str:
    """The texts of microdata and RDFa that stand in `<meta>`, which no page shows, as markup."""
    writer = Writer()
    for name, content in metas(data):
        kind, *properties = name.split()
        known = () if kind == "name" else _PROPERTIES & {_PREFIX.sub("", prop) for prop in properties}
        prop = min(known, default="")
        if prop in _HEADINGS:
            writer.begin(content)
        elif prop in _TEXTS:
            writer.text(content)
        elif prop in _LISTS or prop in _STEPS:
            writer.item(content)
    return writer.markup()


def description(data: bytes) -> str:
    """What a page says of itself for those who link to it: the longest of its descriptions, as markup."""
    texts = [content for name, content in metas(data) if name.split(" ")[-1].lower() in _DESCRIPTIONS]
    writer = Writer()
    writer.text(max(texts, key=len, default=""))
    return writer.markup()
