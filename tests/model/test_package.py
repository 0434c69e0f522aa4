"""What the package exports, and that it does without PyTorch until a model is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "code",
    [
        "from model import preset; preset('tiny', 300); assert 'torch' not in sys.modules",
        "import model.generate; from model import generate; assert generate.__name__ == 'generate'",
        "from model import generate, GPT; import model.generate; assert model.generate is generate",
        "from model import *; assert all(map(callable, (GPT, GPTConfig, generate, preset))); assert PRESETS",
    ],
)
def test_exports_do_not_depend_on_the_order_of_imports(code: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
