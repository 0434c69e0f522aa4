"""Settings of the optimizers, and the table of those that there are. Nothing here needs PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from manifests.settings import Settings

ROLES = (
    "matrices",
    "embeddings",
    "value_embeddings",
    "head",
    "vectors",
    "residual_scalars",
    "input_scalars",
)
"""What weights are for; each may have its own table `[train.ROLE]`. `train.optim.groups` says which are which."""


@dataclass(frozen=True)
class OptimizerRow:
    """An optimizer of `train.optimizer`.

    module: its file, which has `role_defaults` and `build` as `train.optim.adamw` has them. learning_rate: what
    `train.learning_rate` is where it is not written. reads: the settings of [train] that no other optimizer reads.
    """

    module: str
    learning_rate: float
    reads: frozenset[str] = frozenset()


OPTIMIZERS = {
    "adamw": OptimizerRow("train.optim.adamw", 1e-3, frozenset({"betas"})),
    "muon": OptimizerRow("train.optim.muon", 0.02, frozenset({"muon"})),
}


def betas_fit(betas: tuple[float, float] | None) -> None:
    """Raises `ValueError` for decay rates that AdamW cannot take."""
    if betas is not None and not all(0 <= beta < 1 for beta in betas):
        raise ValueError("betas must lie in [0, 1)")


class RoleSettings(Settings):
    """How the weights of one role learn. What is not set is the optimizer's own value for the role."""

    learning_rate: float | None = Field(default=None, ge=0)
    """Learning rate at the peak of the schedule."""
    betas: tuple[float, float] | None = None
    """Decay rates of AdamW's running means of the gradient and of its square, each in [0, 1)."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Weight decay; a step takes away learning rate times this of a weight."""
    epsilon: float | None = Field(default=None, gt=0)
    """Added to the root that AdamW divides by."""

    @model_validator(mode="after")
    def _values_fit(self) -> RoleSettings:
        betas_fit(self.betas)
        return self


class MuonSettings(Settings):
    """Muon, which `optimizer = "muon"` uses for matrices (Jordan et al., 2024)."""

    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Nesterov momentum between its warm-up and the decay of the learning rate."""
    momentum_start: float = Field(default=0.85, ge=0, lt=1)
    """Momentum of the first step."""
    momentum_warmup_steps: int = Field(default=300, ge=0)
    """Steps in which the momentum goes from `momentum_start` to `momentum`."""
    momentum_end: float = Field(default=0.90, ge=0, lt=1)
    """Momentum of the last step; it goes there while `schedule = "constant_decay"` decays, with "cosine" it stays."""
    method: Literal["polar_express", "newton_schulz"] = "polar_express"
    """The iteration that makes an update orthogonal: Polar Express (Amsel et al., 2025) or Jordan's Newton-Schulz."""
    iterations: int = Field(default=5, ge=1, le=20)
    """Iterations of `method`."""
    normuon_beta2: float = Field(default=0.0, ge=0, lt=1)
    """Decay rate of the running mean square of each neuron's update, which NorMuon divides by (Li et al., 2025). 0 is
    off; 0.95 and 0.9 are published."""
    cautious_decay: bool = False
    """Let a weight decay only where the update makes it smaller, too (Chen et al., 2025)."""
