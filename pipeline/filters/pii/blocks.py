"""The replacement of personal data as a datatrove block."""

from __future__ import annotations

from datatrove.data import DocumentsPipeline
from datatrove.utils.typeshelper import StatHints

from pipeline.documents.schema import Block
from pipeline.filters.pii.redact import Redacted, check_placeholders, redact
from pipeline.filters.pii.settings import PiiSettings


class PiiFilter(Block):
    """Replace personal data in every document; none is dropped.

    A document's `language` and `url` metadata say which national phone numbers are looked for. What is replaced is
    counted in the statistics as `edited_pii_<kind>`, the documents as `edited`.
    """

    type = "filter"
    name = "pii"

    def __init__(self, settings: PiiSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or PiiSettings(enabled=True)
        chosen = self.settings
        check_placeholders(chosen.email, chosen.ip, chosen.ipv6, chosen.phone, chosen.credit_card)

    def redact(self, text: str, language: str | None = None, url: str | None = None) -> Redacted:
        """The text as it would go on."""
        return redact(text, self.settings, language, url)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for document in data or ():
            self.stat_update(StatHints.total)
            with self.track_time():
                redacted = self.redact(document.text, document.metadata.get("language"), document.metadata.get("url"))
            if redacted.counts:
                document.text = redacted.text
                self.stat_update("edited")
                for edit, number in sorted(redacted.counts.items()):
                    self.stat_update(f"edited_{edit}", value=number)
            self.stat_update(StatHints.forwarded)
            self.update_doc_stats(document)
            yield document
