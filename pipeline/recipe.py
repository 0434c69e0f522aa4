"""The typed recipe: one TOML file that says a whole build. Each table's class stands beside the code it steers.

`[model]` and `[train]` belong to the trainer, which reads the same file; here they only pass.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, field_validator

from manifests.errors import UserError
from manifests.paths import is_url, resolve
from manifests.settings import RecipeSettings, Settings, read_recipe, validate
from pipeline.dedup.settings import DedupSettings
from pipeline.documents.page_types import PageType
from pipeline.engine.settings import ClusterSettings
from pipeline.extractors.settings import ExtractSettings
from pipeline.filters.settings import FilterSettings
from pipeline.mirrors.network import AcquireSettings
from pipeline.sources.kinds import Source
from pipeline.sources.settings import WEB_FORMATS


class TokenizerSettings(Settings):
    """How the vocabulary is learned (byte-level BPE), or where a ready one is."""

    path: str | None = None
    """A `tokenizer.json` that exists, relative to the recipe; docs/training.md says which ones can be taken. With it,
    the other keys of this table do nothing."""
    vocab_size: int = Field(default=32_768, ge=257)
    """Tokens of the vocabulary, the 256 bytes and the end-of-text token included."""
    sample_bytes: int = Field(default=1_000_000_000, gt=0)
    """The most UTF-8 bytes of text that merges are learned from; drawn by the seed, a document's source and id."""
    pretokenizer: Literal["gpt2", "gpt4"] = "gpt4"
    """Whose regular expression cuts text into words before pairs are merged."""
    min_frequency: int = Field(default=2, ge=1)
    """Occurrences in the sample below which a pair is never merged."""


class ShardSettings(Settings):
    """How documents become token shards."""

    tokens_per_shard: int = Field(default=100_000_000, gt=0)
    """Tokens of one shard, about: a shard is a range of draws, so sizes vary around the mean."""
    validation_fraction: float = Field(default=0.005, ge=0.0, lt=1.0)
    """Fraction of documents that go to the validation split, drawn by the seed, their source and id; one document at
    least of a corpus that has ten, unless it is 0."""
    page_type_weights: dict[PageType, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default={},
        description="Weights of types of pages of HTML in the training mixture, such as `{forum = 2.0}`: factors on "
        "the weight of their source. Types that are not named, and what is no page, have 1.",
    )


_COPIES_WEIGHTS: dict[str, list[tuple[int, float]]] = {
    # Penedo et al. 2025, arXiv:2506.20920: by how well filters like the pages of clusters of a size.
    "fineweb2": [(1, 1.0), (2, 2.0), (3, 3.0), (5, 5.0), (100, 8.0), (1_000, 1.0)]
}
_ClusterSize = Annotated[int, Field(ge=1)]
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class MixtureSettings(Settings):
    """How often documents are in the training mixture, beside the weights of sources and of types of pages."""

    copies_weight: Literal["fineweb2"] | list[tuple[_ClusterSize, _Weight]] = Field(
        default=[],
        description="Weights by `cluster_size`, the number of documents that one stands for after dedup: pairs of the "
        "smallest size and the weight from there on, such as `[[2, 2.0], [1000, 1.0]]`; below the first it is 1. A "
        "factor on the document's other weights. `fineweb2` is FineWeb-2's: 1, 2, 3 (of 3 or 4), 5 (of 5 to 99), 8 "
        "(of 100 to 999), and 1 of 1,000 and more.",
    )

    @field_validator("copies_weight")
    @classmethod
    def _sizes_ascend(cls, value: str | list[tuple[int, float]]) -> str | list[tuple[int, float]]:
        if not isinstance(value, str) and any(first >= second for (first, _), (second, _) in pairwise(value)):
            raise ValueError("the sizes must grow from pair to pair")
        return value

    def copies_weights(self) -> list[tuple[int, float]]:
        """The pairs of `copies_weight`, of a table that it names, too."""
        return _COPIES_WEIGHTS[self.copies_weight] if isinstance(self.copies_weight, str) else self.copies_weight


class Recipe(RecipeSettings):
    """A whole build. Unknown keys and wrong types are refused."""

    pin: str | None = None
    """A file that `groundup pin` wrote, relative to the recipe: the build gets just the files in it, or fails."""
    max_dropped_fraction: float = Field(default=0.99, ge=0.0, le=1.0)
    """Largest fraction of a source's documents that one stage may drop; beyond it the build stops. 1 never stops."""
    sources: list[Source] = Field(min_length=1)
    """One table `[[sources]]` for each source; names differ."""
    acquire: AcquireSettings = AcquireSettings()
    extract: ExtractSettings = ExtractSettings()
    filter: FilterSettings = FilterSettings()
    dedup: DedupSettings = DedupSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    mixture: MixtureSettings = MixtureSettings()
    shards: ShardSettings = ShardSettings()
    executor: ClusterSettings = ClusterSettings()
    model: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)

    _folder: Path = PrivateAttr(default=Path("."))

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: list[Source]) -> list[Source]:
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are named {twice[0]!r}; names must differ")
        return sources

    @field_validator("sources")
    @classmethod
    def _records_have_digests(cls, sources: list[Source]) -> list[Source]:
        for source in sources:
            if source.verify_records and (source.format not in ("warc", "wet") or getattr(source, "index", None)):
                raise ValueError(
                    f"source {source.name!r}: verify_records is for whole WARC and WET files; leave it out here"
                )
        return sources

    @property
    def folder(self) -> Path:
        """The folder of the recipe file: what its relative paths start from."""
        return self._folder

    def resolve(self, path: str) -> str:
        """A path of the recipe as it can be opened: relative ones start at the recipe's folder."""
        return resolve(path, self._folder)

    def filter_settings(self, source: Source) -> FilterSettings:
        """The filter's settings for one source: what is written, the source's own keys laid over those of all.

        What is not written is the web's default for web pages and wikis, and judges nothing else.
        """
        overrides: dict[str, Any] = dict(source.filter)
        if source.rules is not None:
            overrides["rules"] = source.rules
        return self.filter.of_source(overrides, is_web=source.format in WEB_FORMATS)


def load_recipe(path: Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe and lay `key=value` overrides over it.

    Raises `UserError` with the key path of each thing that is wrong.
    """
    recipe = validate(Recipe, read_recipe(path, overrides or ()), str(path))
    recipe._folder = path.resolve().parent
    tokenizer = recipe.resolve(recipe.tokenizer.path) if recipe.tokenizer.path else None
    if tokenizer and not is_url(tokenizer) and not Path(tokenizer).is_file():  # said now, not after hours of extraction
        raise UserError(
            f"{path}: tokenizer.path: {tokenizer}: no such file. Give the path of a tokenizer.json, relative to the "
            "recipe, or leave it out and one is trained."
        )
    for source in recipe.sources:
        try:
            recipe.filter_settings(source)
        except UserError as error:
            raise UserError(f"{path}: source {source.name!r}: {error}") from None
    return recipe
