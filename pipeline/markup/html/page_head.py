"""What a page's markup says of its type: kinds in its linked data, `og:type`, and the words of its own address."""

from __future__ import annotations

import re

import numpy as np

_KIND = re.compile(rb'@type"\s*:\s*\[?\s*"(?:https?://schema\.org/)?(\w+)')
_CONTENT = re.compile(rb"(?:content|href)\s*=\s*[\"']?([^\"'\s>]{1,400})", re.IGNORECASE)
_MAX_TAG = 600  # bytes
_MAX_HEAD = 1 << 17  # bytes of a page in which its head is looked for
# Kinds of https://schema.org that are counted.
_KINDS = (
    *("Product", "Offer", "AggregateRating", "Review", "Brand", "Article", "NewsArticle", "BlogPosting"),
    *("TechArticle", "APIReference", "DiscussionForumPosting", "QAPage", "Question", "Answer", "Comment", "FAQPage"),
    *("HowTo", "Recipe", "ItemList", "ListItem", "CollectionPage", "SearchResultsPage", "JobPosting", "Event"),
    *("VideoObject", "Person", "ImageObject", "WebPage", "WebSite", "Organization", "Corporation", "LocalBusiness"),
    *("PostalAddress", "Place", "Service", "SoftwareApplication", "ProfilePage", "AboutPage", "ContactPage"),
    "BreadcrumbList",
)
_GRAPH = ("article", "product", "website", "profile")  # https://ogp.me/#types
# Words of addresses that say what stands there: in the path, before its last part, in the host.
_WORDS = (
    *("forum", "forums", "thread", "threads", "topic", "topics", "t", "viewtopic", "showthread", "discussion", "c"),
    *("r", "discussions", "community", "questions", "comments", "user", "docs", "documentation", "doc", "api"),
    *("reference", "guide", "manual", "help", "wiki", "tutorial", "learn", "support", "product", "products", "p"),
    *("dp", "item", "shop", "store", "collections", "collection", "category", "categories", "tag", "tags", "search"),
    *("list", "listing", "best", "listings", "directory", "archive", "index", "events", "jobs", "job", "careers"),
    *("blog", "news", "article", "post", "articles", "posts", "story", "recipes", "reviews", "services", "service"),
    *("about", "pricing", "solutions", "repo", "features", "platform", "dataset", "models", "package", "packages"),
    *("profile", "html", "php"),
)
_PLACE_OF_KIND = {kind.encode(): place for place, kind in enumerate(_KINDS)}
_PLACE_OF_WORD = {word: place for place, word in enumerate(_WORDS)}
_LETTERS = re.compile("[a-z]+")
NAMES = (
    *(f"kind_{name}" for name in _KINDS),
    *(f"og_{name}" for name in _GRAPH),
    *("has_og", "has_address", "address_parts", "address_length", "address_hyphens", "address_digits", "last_length"),
    *(f"{where}_{word}" for where in ("path", "above", "host") for word in _WORDS),
)
_WORDS_AT = len(NAMES) - 3 * len(_WORDS)


def head_of(data: bytes) -> np.ndarray:
    """A number (float32) for each of NAMES. Kinds are counted (log of 1 + their number), the rest is as it is."""
    numbers = np.zeros(len(NAMES), np.float32)
    for kind in _KIND.findall(data):
        if (place := _PLACE_OF_KIND.get(kind)) is not None:
            numbers[place] += 1
    numbers[: len(_KINDS)] = np.log1p(numbers[: len(_KINDS)])
    head = data[:_MAX_HEAD]
    graph = _attribute(head, b"og:type").lower()
    address = _attribute(head, b'"canonical"') or _attribute(head, b"og:url") or _attribute(head, b"'canonical'")
    host, _, path = address.split("://", 1)[-1].lower().partition("/")
    path = path.split("?", 1)[0].split("#", 1)[0]
    parts = [part for part in path.split("/") if part]
    last = len(parts[-1]) if parts else 0
    numbers[len(_KINDS) : _WORDS_AT] = (
        *(graph.startswith(name) for name in _GRAPH),
        *(graph != "", address != "", len(parts), len(path), path.count("-"), sum(map(str.isdigit, path)), last),
    )
    for where, text in enumerate((path, " ".join(parts[:-1]), host)):
        for word in _LETTERS.findall(text):
            if (place := _PLACE_OF_WORD.get(word)) is not None:
                numbers[_WORDS_AT + where * len(_WORDS) + place] = 1
    return numbers


def _attribute(data: bytes, name: bytes) -> str:
    """`content` or `href` of the first tag that has a name in it; "" where there is none."""
    place = data.find(name)
    if place < 0:
        return ""
    start = data.rfind(b"<", max(0, place - _MAX_TAG), place)
    end = data.find(b">", place, place + _MAX_TAG)
    found = _CONTENT.search(data, max(start, 0), end) if end > 0 else None
    return found[1].decode("utf-8", "replace") if found is not None else ""
