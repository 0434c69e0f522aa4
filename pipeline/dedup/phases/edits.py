"""What is cut out of the documents that a part keeps, and which of them go because nothing would be left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import xxhash
from datatrove.data import Document

from pipeline.dedup.decontaminate import CONTAMINATED
from pipeline.dedup.lines import cut, places_to_cut, says_nothing, whole, with_signs
from pipeline.dedup.phases.contaminated import found_in
from pipeline.dedup.phases.lines import repeats_in, units_of
from pipeline.dedup.schema import EDIT_SCHEMA, EDITS
from pipeline.dedup.settings import DedupSettings
from pipeline.documents.parts import PartWriter, RowWriter, encodable
from pipeline.documents.schema import document_row
from pipeline.engine.tasks import Task, TaskOutput

REPEATED_LINES = "repeated_lines"
_MOST_CHARACTERS = 300  # of the shared words that a drop shows


class Editor:
    """Edits the documents of a part, one after the other, and writes down what it cut out; see `editing`."""

    def __init__(self, task: Task, output: TaskOutput, settings: DedupSettings) -> None:
        self._output = output
        self._settings = settings
        self._found = found_in(task, output)
        self._repeats = repeats_in(task, output, task.settings["ordinal"])
        self._first = task.settings["ordinal"] << 32  # the number of the part's first document
        self.edits: RowWriter

    def drops(self, row: int, document: Document, writer: PartWriter) -> bool:
        """Whether the document of a row goes because of the items that it holds; it is dropped then."""
        found = self._found.get(row, [])
        if not found or not found[0]["drops"]:
            return False
        longest = max(found, key=lambda one: one["num_words"])
        shared = " ".join(document.text[longest["start"] : longest["end"]].split())
        detail = f"{longest['item']}: {shared[:_MOST_CHARACTERS]}{'…' if len(shared) > _MOST_CHARACTERS else ''}"
        writer.add(document, CONTAMINATED, longest["num_words"], detail)
        return True

    def edit(self, row: int, document: Document, writer: PartWriter, is_named: bool) -> bool:
        """Cut out of a document that stays what is not to be in it. False where it was dropped: nothing was left.

        is_named: it stands for others that went, so it keeps its lines where nothing but them would be left.
        """
        text, found = document.text, self._found.get(row, [])
        spans = [with_signs(text, one["start"], one["end"]) for one in found]
        notes: list[dict[str, Any]] = [{"reason": CONTAMINATED, "detail": one["item"]} for one in found]
        first, last = np.searchsorted(self._repeats["document"], [self._first + row, self._first + row + 1]).tolist()
        if first < last:
            mine = self._repeats[first:last]
            keys, starts, ends = units_of(document_row(document), self._settings)
            for place, which in places_to_cut(keys, mine):
                spans.append(whole(text, int(starts[place]), int(ends[place])))
                notes.append({"reason": REPEATED_LINES, "num_documents": int(mine["num_documents"][which])})
        if not spans:
            return True
        left, cuts = cut(text, spans)
        if says_nothing(left):
            if not is_named:
                reason = REPEATED_LINES if len(spans) > len(found) else CONTAMINATED
                writer.add(document, reason, len(cuts))
                return False
            left, cuts = cut(text, spans[: len(found)])
        for one in cuts:
            hashed = xxhash.xxh3_64_intdigest(text[one.start : one.end].encode("utf-8", "surrogatepass"))
            numbers = {"row": writer.num_kept, "input_row": row, "start": one.start, "end": one.end, "hash": hashed}
            self.edits.write(encodable({**numbers, "id": document.id, **notes[one.place]}))
            self._output.counts.edited(document.metadata["source"], notes[one.place]["reason"], 1)
        document.text = left
        return True


@contextmanager
def editing(task: Task, output: TaskOutput, settings: DedupSettings) -> Iterator[Editor]:
    """The editor of a task's part. Where nothing can be cut out, it does nothing and writes no file."""
    made = Editor(task, output, settings)
    if not settings.lines.enabled and not settings.decontaminate.files:
        yield made
        return
    with output.publish(f"{EDITS}/part-{task.name}.parquet") as file:
        made.edits = RowWriter(file, EDIT_SCHEMA)
        yield made
        made.edits.close()
