"""The GPT, in plain PyTorch: its configuration, its forward pass, and how it writes."""

from __future__ import annotations

from model.config import PRESETS, GPTConfig, preset
from model.generate import generate
from model.gpt import GPT

__all__ = ["GPT", "PRESETS", "GPTConfig", "generate", "preset"]
