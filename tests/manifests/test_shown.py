"""What strangers wrote is shown on one line that no terminal takes for a command."""

from __future__ import annotations

import pytest

from manifests.errors import shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  document  a b", "  document  a b"),
        ("new\nline.jsonl#1", r"new\nline.jsonl#1"),
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("exe\u202efdp.txt", r"exe\u202efdp.txt"),
        ("one\u2028two\x85three\x9b1m", r"one\u2028two\x85three\x9b1m"),
        ("می\u200cخواهم 👩\u200d🔬 e\u0301", "می\u200cخواهم 👩\u200d🔬 e\u0301"),  # joiners and marks are letters
    ],
)
def test_shown(text: str, line: str) -> None:
    assert shown(text) == line
