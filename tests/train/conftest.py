"""Fixtures of the trainer's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.train.builds import REPOSITORY, paragraphs, write_build


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and losses are compared to the last digit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def documents() -> list[str]:
    """Real prose that is in every checkout: the trainer's own source and that of the shards."""
    sources = [*sorted((REPOSITORY / "train").glob("*.py")), *sorted((REPOSITORY / "tokenizer").glob("*.py"))]
    return paragraphs("\n\n".join(path.read_text(encoding="utf-8") for path in sources))


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, documents: list[str]) -> Path:
    """A build with byte-level shards. Tests only read it; runs go elsewhere."""
    return write_build(tmp_path_factory.mktemp("build"), documents)
