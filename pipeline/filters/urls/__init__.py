"""Which documents are refused by their URL: block lists, those who asked not to be used, adult words."""

from pipeline.filters.urls.address import Address, read_address
from pipeline.filters.urls.block import UrlFilter
from pipeline.filters.urls.rule import UrlRule, compile_url_rule
from pipeline.filters.urls.settings import UrlSettings, digests

__all__ = ["Address", "UrlFilter", "UrlRule", "UrlSettings", "compile_url_rule", "digests", "read_address"]
