"""A file of prompts: a text file, one a line, or JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

from manifests.errors import UserError


def read_prompts(path: Path) -> list[str]:
    """The prompts of a file, in order; empty lines are none. Lines of a `.jsonl` are objects with a "prompt".

    Raises `UserError` for a file that cannot be read or has none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not valid UTF-8 at byte {error.start}. Write the prompts in UTF-8.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give a file of prompts.") from None
    found = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise UserError(f"{path}: no prompts. Write one a line.")
    return [_of_json(f"{path}:{number}", line) if path.suffix == ".jsonl" else line for number, line in found]


def _of_json(where: str, line: str) -> str:
    try:
        row = json.loads(line)
        prompt = row["prompt"]
        if not isinstance(prompt, str):
            raise TypeError
        prompt.encode("utf-8")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UserError(f'{where}: no object with a text "prompt". Write {{"prompt": "..."}} on each line.') from None
    return prompt
