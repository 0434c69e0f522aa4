"""What the filters have in common as datatrove blocks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from datatrove.data import Document, DocumentsPipeline
from datatrove.utils.typeshelper import StatHints

from pipeline.documents.schema import Block
from pipeline.filters.judgement import Judgement


class FilterBlock(Block):
    """Keeps, edits or drops each document as its judge says.

    A dropped document keeps the text it came with, and goes to the exclusion writer with `filter_reason` and
    `filter_value` in its metadata. A kept document whose text changed is counted in the statistics as `edited`, and
    each kind of edit as `edited_<edit>`.
    """

    type = "filter"

    @abstractmethod
    def judge_of_run(self) -> Callable[[Document], Judgement]:
        """Return the function that judges a document.

        It is made for each run, so it may hold what cannot travel to another process, such as a loaded model.
        """

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        judge = self.judge_of_run()
        with self.excluding(rank):
            for document in data or ():
                self.stat_update(StatHints.total)
                with self.track_time():
                    judgement = judge(document)
                if judgement.verdict is not None:
                    self.drop(document, *judgement.verdict)
                    continue
                if judgement.text != document.text:
                    document.text = judgement.text
                    self.stat_update("edited")
                    for edit, number in sorted(judgement.edits.items()):
                        self.stat_update(f"edited_{edit}", value=number)
                self.stat_update(StatHints.forwarded)
                self.update_doc_stats(document)
                yield document
