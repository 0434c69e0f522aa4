"""The GPT, in plain PyTorch: its configuration, its forward pass, and how it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model.config import PRESETS, GPTConfig, preset

# Here and not below: importing the module of that name later would put it in the function's place.
from model.generate import generate

if TYPE_CHECKING:
    from model.gpt import GPT

__all__ = ["GPT", "PRESETS", "GPTConfig", "generate", "preset"]


def __getattr__(name: str) -> Any:
    """Imports what needs PyTorch when it is asked for: a corpus build checks `[model]` and never runs one."""
    if name == "GPT":
        from model.gpt import GPT

        return GPT
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
