"""The `[filter.custom]` table of a recipe: the user's own rule."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from manifests.settings import Settings


class CustomSettings(Settings):
    """A rule of the user's own: a file of Python with a function `signals` and a list `COMPARISONS`."""

    module: str | None = Field(
        default=None, description="The file, relative to the recipe; its digest takes part in the fingerprint."
    )
    thresholds: dict[str, float] = Field(default={}, description="By reason, instead of the file's thresholds.")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_off(cls, data: Any) -> Any:
        """TOML has no null: so a source switches off what the recipe's own table names."""
        return {} if isinstance(data, dict) and data.get("module") == "" else data

    @model_validator(mode="after")
    def _thresholds_have_a_module(self) -> CustomSettings:
        if self.thresholds and self.module is None:
            raise ValueError("thresholds are given without a module; name its file, or take them out")
        return self
