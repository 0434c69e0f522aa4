"""Phase `background`: keys of a few parts -> the expected number of false partners of a document, as a fact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.background import MOST_PARTS, documents_a_source, expected_partners
from pipeline.dedup.phases.layout import Layout, LayoutPhase
from pipeline.dedup.settings import DedupSettings
from pipeline.engine.tasks import Task, TaskOutput


class Background(LayoutPhase):
    """See the module. Documents are drawn by the smallest hashes of their texts, from at most 64 parts (or one of each
    source)."""

    name = "background"

    def __init__(self, layout: Layout, settings: DedupSettings) -> None:
        super().__init__(layout)
        self._settings = settings

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "dedup": self._settings.model_dump()}

    def ordinals(self) -> dict[str, list[int]]:
        """The parts to draw from, by source: spread evenly over its parts."""
        found: dict[str, list[int]] = {}
        for ordinal, part in enumerate(self._layout.parts):
            if part.num_documents:
                found.setdefault(part.source, []).append(ordinal)
        most = max(1, MOST_PARTS // max(1, len(found)))
        return {
            source: [all_[at * len(all_) // min(most, len(all_))] for at in range(min(most, len(all_)))]
            for source, all_ in found.items()
        }

    def process(self, task: Task, output: TaskOutput) -> None:
        ordinals = self.ordinals()
        number = documents_a_source(max(1, len(ordinals)), self._settings)
        signatures: list[NDArray[Any]] = [np.empty((0, self._settings.minhash.num_hashes), dtype=np.uint16)]
        sources: list[str] = []
        for source, chosen in ordinals.items():
            content, rows = [], []
            for ordinal in chosen:
                part = self._layout.parts[ordinal]
                hashes = part.array(output, "documents")["content"]
                least = np.argsort(hashes, kind="stable")[:number]
                content.append(hashes[least])
                rows.append(part.array(output, "signatures")[least])
            drawn = np.concatenate(rows)[np.argsort(np.concatenate(content), kind="stable")[:number]]
            drawn = drawn[drawn.any(axis=1)]  # documents without a word have no signature
            signatures.append(drawn)
            sources += [source] * len(drawn)
        num_documents: dict[str, int] = {}
        for part in self._layout.parts:
            num_documents[part.source] = num_documents.get(part.source, 0) + part.num_documents
        output.facts.update(expected_partners(np.concatenate(signatures), sources, num_documents, self._settings))
