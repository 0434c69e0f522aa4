"""The `[filter.classifier]` table of a recipe: which model scores documents, and which it keeps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from manifests.settings import Settings

RuleOfClassifier = Literal["threshold", "pareto"]


class ClassifierSettings(Settings):
    """Which documents a trained model keeps.

    `threshold` keeps those whose score is at least `min_score`. `pareto` is GPT-3's rule (Brown et al. 2020,
    arXiv:2005.14165, appendix A): a document is kept where a number drawn from a Pareto distribution is greater than
    1 - score, so some of what scores low stays and the corpus keeps its breadth. The draw here follows from `seed` and
    the document's id: the same document is always decided the same way.
    """

    model: str | None = Field(
        default=None,
        description="File that `groundup classifier train` wrote, relative to the recipe; off where empty.",
    )
    rule: RuleOfClassifier = Field(default="threshold", description="The rule that keeps by the score, as above.")
    min_score: float = Field(
        default=0.5, ge=0.0, le=1.0, description="Smallest score to keep, a probability (rule threshold)."
    )
    pareto_alpha: float = Field(default=9.0, gt=0.0, description="Shape of the distribution (rule pareto); GPT-3's.")
    min_pareto_margin: float = Field(
        default=0.0, description="Smallest draw - (1 - score) to keep (rule pareto); 0 is GPT-3's rule."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the draws (rule pareto).")

    @field_validator("model")
    @classmethod
    def _empty_is_off(cls, model: str | None) -> str | None:
        """TOML has no null: so a source switches off what the recipe's own table names."""
        return model or None
