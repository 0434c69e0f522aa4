"""The `[filter]` table of a recipe: which rules judge a document, and their thresholds.

A document that is exactly on a threshold is kept. Gopher's paper says so ("at most"); FineWeb's drops at equality,
and there datatrove's code is followed, which keeps. Where a paper leaves a detail open, datatrove's reading is
followed, too, since most published corpora were filtered by it. To switch one comparison off, set the threshold to
where it cannot be broken: 0 for a minimum, 1.0 for a largest fraction.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from manifests.settings import Settings, validate
from pipeline.documents.page_types import PageType
from pipeline.filters.classifier.settings import ClassifierSettings
from pipeline.filters.custom.settings import CustomSettings
from pipeline.filters.language.settings import LanguageSettings
from pipeline.filters.pii.settings import PiiSettings
from pipeline.filters.urls.settings import UrlSettings

RuleName = Literal["gopher_repetition", "gopher_quality", "c4", "fineweb"]
RULE_NAMES: tuple[RuleName, ...] = ("gopher_repetition", "gopher_quality", "c4", "fineweb")


class GopherRepetitionSettings(Settings):
    """Gopher: the largest share of a text that may be repetition (Rae et al. 2021, arXiv:2112.11446, table A1).

    A line or paragraph is a duplicate where the same one stood before. The share of an n-gram is the number of its
    characters, spaces included, times its occurrences, over all characters of the text; that of duplicate n-grams is
    the characters of words inside an n-gram that stood before, each counted once.
    """

    max_duplicate_line_fraction: float = 0.30
    """Largest fraction of lines that are duplicates."""
    max_duplicate_paragraph_fraction: float = 0.30
    """Largest fraction of paragraphs that are duplicates."""
    max_duplicate_line_character_fraction: float = 0.20
    """Largest fraction of characters that are in duplicate lines."""
    max_duplicate_paragraph_character_fraction: float = 0.20
    """Largest fraction of characters that are in duplicate paragraphs."""
    max_top_2gram_fraction: float = 0.20
    """Largest fraction of characters that are in the commonest run of 2 words."""
    max_top_3gram_fraction: float = 0.18
    """Largest fraction of characters that are in the commonest run of 3 words."""
    max_top_4gram_fraction: float = 0.16
    """Largest fraction of characters that are in the commonest run of 4 words."""
    max_duplicate_5gram_fraction: float = 0.15
    """Largest fraction of characters that are in runs of 5 words which stood before."""
    max_duplicate_6gram_fraction: float = 0.14
    """Largest fraction of characters that are in runs of 6 words which stood before."""
    max_duplicate_7gram_fraction: float = 0.13
    """Largest fraction of characters that are in runs of 7 words which stood before."""
    max_duplicate_8gram_fraction: float = 0.12
    """Largest fraction of characters that are in runs of 8 words which stood before."""
    max_duplicate_9gram_fraction: float = 0.11
    """Largest fraction of characters that are in runs of 9 words which stood before."""
    max_duplicate_10gram_fraction: float = 0.10
    """Largest fraction of characters that are in runs of 10 words which stood before."""


class GopherQualitySettings(Settings):
    """Gopher: what prose looks like (Rae et al. 2021, arXiv:2112.11446, section A1.1, "Quality Filtering").

    The number of words and their mean length leave out words that are punctuation only; symbols and alphabetic words
    are shares of all words, punctuation included (datatrove's reading; in others than English, German, Spanish and
    French, letters are sought in words only). A document whose language is not sure or has no list of stop words is not
    judged by them, and one in a language without spaces is not judged by word length.
    """

    min_words: int = 50
    """Fewest words of a text, without those that are punctuation only."""
    max_words: int = 100_000
    """Most words of a text, counted in the same way."""
    min_mean_word_length: float = 3.0
    """Smallest mean length of these words, in characters."""
    max_mean_word_length: float = 10.0
    """Largest mean length of these words, in characters."""
    max_symbol_fraction: float = Field(
        default=0.1, description="Most number signs for each word; most ellipses for each word."
    )
    max_bullet_line_fraction: float = 0.9
    """Largest fraction of lines that begin with a bullet."""
    max_ellipsis_line_fraction: float = 0.3
    """Largest fraction of lines that end with an ellipsis."""
    min_alphabetic_word_fraction: float = 0.8
    """Smallest fraction of all words, punctuation included, that have a letter."""
    min_stop_words: int = Field(
        default=2, description="Different stop words of the text's language that must occur in it."
    )
    stop_words: dict[str, list[str]] = Field(
        default={}, description="Stop words by language code, in place of the lists that come along; [] is no list."
    )


class C4Settings(Settings):
    """C4: lines and pages that are no prose (Raffel et al. 2020, JMLR 21:140, section 2.2, and its published code).

    FineWeb uses all of them but terminal punctuation (Penedo et al. 2024, arXiv:2406.17557), so that one is off here.
    Lines are removed; the text that is kept is without them and without citation marks such as `[1]`. In a language
    without spaces, characters count as words. Bad words are looked for in the text that is left.
    """

    require_terminal_punctuation: bool = False
    """Remove lines that do not end with a terminal mark."""
    min_words_per_line: int = 3
    """Words; a line with fewer is removed."""
    max_word_length: int = Field(default=1000, description="Characters; a line with a longer word is removed.")
    min_sentences: int = 5
    """Sentences that must be left in a text."""
    remove_citations: bool = True
    """Remove citation marks such as `[1]` from lines that stay."""
    remove_javascript_lines: bool = True
    """Remove lines that name JavaScript."""
    remove_policy_lines: bool = True
    """Remove lines about terms of use, privacy or cookies."""
    max_lorem_ipsum_lines: int = 0
    """Lines with "lorem ipsum" that a text may have."""
    max_curly_bracket_lines: int = 0
    """Lines with a curly bracket that a text may have."""
    min_lines: int = 1
    """Lines that must be left in a text."""
    bad_words: dict[str, str] = Field(
        default={}, description="Paths of lists by language code, relative to the recipe; a word or phrase a line."
    )
    max_bad_words: int = Field(default=0, description="Different words of the list that a text may have.")


class FineWebSettings(Settings):
    """The three rules that FineWeb found by comparing corpora (Penedo et al. 2024, arXiv:2406.17557).

    The share of characters in duplicated lines is the paper's 0.1 (datatrove's code says 0.01, which FineWeb-2's
    authors correct). The paper drops at <= 0.12, >= 0.1 and >= 0.67; here, as in datatrove, a document on one of these
    thresholds is kept. `max_new_lines_per_word` is datatrove's, not the paper's.
    """

    min_punctuated_line_fraction: float = 0.12
    """Smallest fraction of lines that end with a terminal mark."""
    max_duplicate_line_character_fraction: float = 0.1
    """Largest fraction of characters that are in duplicate lines."""
    max_short_line_fraction: float = 0.67
    """Largest fraction of lines that are short."""
    short_line_length: int = Field(default=30, description="Characters; a line up to this long is short.")
    max_new_lines_per_word: float = 0.3
    """Most line breaks for each word."""


class FilterSettings(LanguageSettings):
    """Everything the filter stage decides by."""

    rules: list[RuleName] = Field(
        default=list(RULE_NAMES),
        description="Rules that judge a text, in this order; [] applies none. Where it is not written, they judge web "
        "pages and wikis; another source is judged only by rules that have a table of their own in the recipe.",
    )
    page_types: list[PageType] = Field(
        default=[],
        description="Types of pages of HTML to keep; `[]` keeps all. What is no page of HTML has no type and is kept.",
    )
    min_text_words: int = Field(
        default=1, description="Fewest words of any text that rules judge, punctuation included."
    )
    gopher_repetition: GopherRepetitionSettings = GopherRepetitionSettings()
    gopher_quality: GopherQualitySettings = GopherQualitySettings()
    c4: C4Settings = C4Settings()
    fineweb: FineWebSettings = FineWebSettings()
    urls: UrlSettings = UrlSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    custom: CustomSettings = CustomSettings()
    pii: PiiSettings = PiiSettings()

    def of_source(self, overrides: dict[str, Any], is_web: bool) -> FilterSettings:
        """The settings that judge one source. `overrides`: the source's own keys; `is_web`: it is web pages or a wiki.

        The defaults were made for the web. Another source is judged by what is written for it or for all sources: a
        rule whose table is written, and `languages`, whose default holds where only the threshold is written.
        Raises `UserError` as `merged` does.
        """
        written = self.model_fields_set | overrides.keys()
        defaults: dict[str, Any] = {}
        if not is_web and "rules" not in written:
            defaults["rules"] = [rule for rule in RULE_NAMES if rule in written]
        if not is_web and not written & {"languages", "language_threshold"}:
            defaults["languages"] = []
        return self.merged(defaults | overrides) if defaults or overrides else self

    def merged(self, overrides: dict[str, Any], where: str = "source") -> FilterSettings:
        """These settings with a source's own over them, table by table; a list replaces a list.

        Thresholds of a custom rule are of its module: a source that names another module has none of these.
        Raises `UserError` for an unknown key or a wrong type; `where` says in whose settings.
        """
        base, custom = self.model_dump(), overrides.get("custom")
        if isinstance(custom, dict) and custom.get("module", self.custom.module) != self.custom.module:
            base["custom"]["thresholds"] = {}
        return validate(FilterSettings, _merge(base, overrides), where)


def _merge(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in overrides.items():
        below = result.get(key)
        result[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
