"""Which languages are kept: settings that a recipe's `[filter]` table has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from manifests.errors import UserError
from manifests.settings import Settings
from pipeline.filters.language.model import UNKNOWN, LanguageModel, load_language_model
from pipeline.filters.language.names import code_of_name, nearest_code
from pipeline.filters.language.tags import lookup_order

NO_LANGUAGE = "en"
"""A text of no known language is judged as English is: the published rules know nothing else."""


class LanguageSettings(Settings):
    """Languages to keep and how sure their identification must be."""

    languages: list[str] = Field(
        default=["en"],
        description="Codes to keep, ISO 639-1 where there is one; [] keeps all. Where neither this nor the threshold "
        "is written, only web pages and wikis are judged by their language.",
    )
    language_threshold: float = Field(
        default=0.65, ge=0.0, le=1.0, description="Smallest probability of the label to keep (FineWeb's)."
    )
    language_thresholds: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] = Field(
        default={}, description="Smallest probability for documents in single languages instead, by code."
    )
    language_model: str | None = Field(
        default=None, description="A fastText model's file, relative to the recipe; lid.176.ftz where none is named."
    )

    @model_validator(mode="after")
    def _languages_exist(self) -> LanguageSettings:
        # What another model knows is not to be seen from here: its path is the recipe's to resolve.
        if self.language_model is None and (self.model_fields_set & {"languages", "language_thresholds"}):
            _check(self, load_language_model())
        return self


def check_languages(settings: LanguageSettings, model: str | Path | None = None) -> None:
    """Refuse codes that the model never answers. `model` is the path of `settings.language_model`, resolved.

    Raises `UserError`, with the nearest code, or when the model cannot be read.
    """
    try:
        _check(settings, load_language_model(model or settings.language_model))
    except ValueError as error:
        raise UserError(f"filter.{error}.") from None


def check_keys(table: str, keys: Iterable[str], model: LanguageModel) -> None:
    """Refuse keys of a table by language that no document's label would find. `table`: its place below `[filter]`.

    Raises `UserError` with the nearest code.
    """
    for key in keys:
        # A text of no language is judged as English is, and a language speaks for those of its scripts.
        if key != NO_LANGUAGE and all(key not in lookup_order(code) for code in model.codes):
            raise UserError(f"filter.{table}: {_unknown(key, model)}.")


def _check(settings: LanguageSettings, model: LanguageModel) -> None:
    for key in ("languages", "language_thresholds"):
        for code in getattr(settings, key):
            if code != UNKNOWN and code not in model.codes:
                raise ValueError(f"{key}: {_unknown(code, model)}")


def _unknown(code: str, model: LanguageModel) -> str:
    near = code_of_name(code, model.codes) or nearest_code(code, model.codes)
    hint = f" (did you mean {near!r}?)" if near else "; give ISO 639-1 codes where there are, such as en"
    return f"the language model knows no language {code!r}{hint}"
