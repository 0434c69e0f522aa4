"""Which documents are refused by their URL: block lists, those who asked not to be used, adult words."""

from pipeline.filters.urls.address import Address, read_address
from pipeline.filters.urls.block import UrlFilter
from pipeline.filters.urls.rule import UrlMatch, UrlRule, compile_url_rule, url_comparisons
from pipeline.filters.urls.settings import UrlSettings, digests

__all__ = [
    "Address",
    "UrlFilter",
    "UrlMatch",
    "UrlRule",
    "UrlSettings",
    "compile_url_rule",
    "digests",
    "read_address",
    "url_comparisons",
]
