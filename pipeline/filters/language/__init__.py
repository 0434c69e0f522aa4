"""Which language a document is in, and whether that is one of those to keep."""

from pipeline.filters.language.block import LanguageFilter
from pipeline.filters.language.identify import identify_language, identify_languages
from pipeline.filters.language.model import (
    UNKNOWN,
    Language,
    LanguageModel,
    language_model_digest,
    language_model_path,
    load_language_model,
)
from pipeline.filters.language.rule import LanguageRule
from pipeline.filters.language.settings import NO_LANGUAGE, LanguageSettings, check_keys, check_languages

__all__ = [
    "NO_LANGUAGE",
    "UNKNOWN",
    "Language",
    "LanguageFilter",
    "LanguageModel",
    "LanguageRule",
    "LanguageSettings",
    "check_keys",
    "check_languages",
    "identify_language",
    "identify_languages",
    "language_model_digest",
    "language_model_path",
    "load_language_model",
]
