"""The decision by URL as a datatrove block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.writers.disk_base import DiskWriter

from pipeline.filters.base import FilterBlock
from pipeline.filters.judgement import Judgement, Verdict
from pipeline.filters.urls.address import read_address
from pipeline.filters.urls.rule import UrlRule, compile_url_rule
from pipeline.filters.urls.settings import UrlSettings


class UrlFilter(FilterBlock):
    """Drop the documents whose `url` metadata the settings refuse.

    Reasons: url_opt_out, url_domain, url_host, url_exact, url_word (the value is 1) and url_soft_words (how many); the
    detail is the category and the entry that matched. A document without a URL, or whose URL names no host, is kept,
    and counted as `no_url` or `unreadable_url`. `folder` is what the settings' paths are relative to; `cache`: see
    `compile_url_rule`. Raises `UserError` for lists that are not there.
    """

    name = "urls"

    def __init__(
        self,
        settings: UrlSettings | None = None,
        folder: str | Path = "",
        cache: str | Path | None = None,
        exclusion_writer: DiskWriter | None = None,
    ) -> None:
        super().__init__(exclusion_writer)
        self.settings = settings or UrlSettings()
        self.folder, self.cache = Path(folder), None if cache is None else Path(cache)
        self._rule()

    def _rule(self) -> UrlRule:
        # Not kept in the block, which travels to other processes.
        return compile_url_rule(self.settings, self.folder, self.cache)

    def verdict(self, url: str | None) -> Verdict | None:
        """Why a document with this URL would be dropped; None where it would be kept."""
        return self._rule().verdict(url)

    def judge_of_run(self) -> Callable[[Document], Judgement]:
        rule = self._rule()

        def judge(document: Document) -> Judgement:
            url = document.metadata.get("url")
            if not url:
                self.stat_update("no_url")
            elif read_address(url) is None:
                self.stat_update("unreadable_url")
            return Judgement(document.text, rule.verdict(url))

        return judge
