"""Fixtures of the trainer's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.one_thread import one_thread
from tests.train.builds import REPOSITORY, paragraphs, write_build

__all__ = ["build", "documents", "one_thread"]


@pytest.fixture(scope="session")
def documents() -> list[str]:
    """Real prose that is in every checkout: the trainer's own source and that of the shards."""
    sources = [*sorted((REPOSITORY / "train").rglob("*.py")), *sorted((REPOSITORY / "tokenizer").rglob("*.py"))]
    return paragraphs("\n\n".join(path.read_text(encoding="utf-8") for path in sources))


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, documents: list[str]) -> Path:
    """A build with byte-level shards. Tests only read it; runs go elsewhere."""
    return write_build(tmp_path_factory.mktemp("build"), documents)
