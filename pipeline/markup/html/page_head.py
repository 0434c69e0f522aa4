"""What a page's markup says of its type: kinds in its linked data, `og:type`, and the words of its own address."""

from __future__ import annotations

import re

import numpy as np

_KIND = re.compile(rb'"@type"\s*:\s*\[?\s*"(?:https?://schema\.org/)?(\w+)')
_CONTENT = re.compile(rb"(?:content|href)\s*=\s*[\"']?([^\"'\s>]{1,400})", re.IGNORECASE)
_MAX_KINDS = 4096  # of a page that are counted
_MAX_TAG = 600  # bytes
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
NAMES = (
    *(f"kind_{name}" for name in _KINDS),
    *(f"og_{name}" for name in _GRAPH),
    *("has_og", "has_address", "address_parts", "address_length", "address_hyphens", "address_digits", "last_length"),
    *(f"{where}_{word}" for where in ("path", "above", "host") for word in _WORDS),
)


def head_of(data: bytes) -> np.ndarray:
    """A number (float32) for each of NAMES. Kinds are counted (log of 1 + their number), the rest is as it is."""
    kinds = [0] * len(_KINDS)
    start = -1
    for _ in range(_MAX_KINDS):
        start = data.find(b'"@type"', start + 1)
        if start < 0:
            break
        found = _KIND.match(data, start)
        if found is not None and (place := _PLACE_OF_KIND.get(found[1])) is not None:
            kinds[place] += 1
    graph = _attribute(data, b"og:type").lower()
    address = _attribute(data, b'"canonical"') or _attribute(data, b"og:url") or _attribute(data, b"'canonical'")
    host, _, path = address.split("://", 1)[-1].lower().partition("/")
    path = path.split("?", 1)[0].split("#", 1)[0]
    parts = [part for part in path.split("/") if part]
    numbers: list[float] = [graph.startswith(name) for name in _GRAPH]
    numbers += [graph != "", address != "", len(parts), len(path), path.count("-"), sum(map(str.isdigit, path))]
    numbers.append(len(parts[-1]) if parts else 0)
    for text in (path, " ".join(parts[:-1]), host):
        words = set(re.findall("[a-z]+", text))
        numbers += [word in words for word in _WORDS]
    return np.concatenate([np.log1p(np.array(kinds, np.float32)), np.array(numbers, np.float32)])


def _attribute(data: bytes, name: bytes) -> str:
    """`content` or `href` of the first tag that has a name in it; "" where there is none."""
    place = data.find(name)
    if place < 0:
        return ""
    start = data.rfind(b"<", max(0, place - _MAX_TAG), place)
    end = data.find(b">", place, place + _MAX_TAG)
    found = _CONTENT.search(data, max(start, 0), end) if end > 0 else None
    return found[1].decode("utf-8", "replace") if found is not None else ""
