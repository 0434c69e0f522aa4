"""The replacement of personal data as a datatrove block."""

from __future__ import annotations

from collections.abc import Callable

from datatrove.data import Document

from pipeline.filters.base import FilterBlock
from pipeline.filters.judgement import Judgement
from pipeline.filters.pii.redact import Redacted, check_placeholders, redact
from pipeline.filters.pii.settings import PiiSettings


class PiiFilter(FilterBlock):
    """Replace personal data in every document; none is dropped.

    A document's `language` and `url` metadata say which national phone numbers are looked for. What is replaced is
    counted in the statistics as `edited_pii_<kind>`, the documents as `edited`.
    """

    name = "pii"

    def __init__(self, settings: PiiSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or PiiSettings(enabled=True)
        chosen = self.settings
        check_placeholders(chosen.email, chosen.ip, chosen.ipv6, chosen.phone, chosen.credit_card)

    def redact(self, text: str, language: str | None = None, url: str | None = None) -> Redacted:
        """The text as it would go on."""
        return redact(text, self.settings, language, url)

    def judge_of_run(self) -> Callable[[Document], Judgement]:
        def judge(document: Document) -> Judgement:
            redacted = self.redact(document.text, document.metadata.get("language"), document.metadata.get("url"))
            return Judgement(redacted.text, edits=redacted.counts)

        return judge
