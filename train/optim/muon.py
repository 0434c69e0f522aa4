"""Muon for matrices: momentum, made orthogonal (Jordan et al., 2024). AdamW for all other weights.

Every direction of a matrix's update so becomes equally large. The rates beside the matrices' are nanochat's, which were
found with it at width 768.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.adamw import adamw

from model import GPTConfig
from train.optim.settings import MuonSettings, RoleSettings
from train.settings import TrainSettings

_MATRIX_RATE, _TUNED_WIDTH, _EPSILON = 0.02, 768, 1e-10
# Role: rate where that of matrices is _MATRIX_RATE, AdamW's betas, weight decay. From nanochat's setup_optimizer;
# vectors, which its models have none of, from the tuned baseline of modded-nanogpt (0.015 beside 0.025).
_PUBLISHED: dict[str, tuple[float, tuple[float, float], float]] = {
    "embeddings": (0.3, (0.8, 0.995), 0.001),
    "value_embeddings": (0.15, (0.8, 0.995), 0.01),
    "head": (0.008, (0.8, 0.96), 0.01),
    "vectors": (0.012, (0.8, 0.95), 0.0),
    "residual_scalars": (0.005, (0.8, 0.95), 0.05),
    "input_scalars": (0.5, (0.96, 0.95), 0.0),
}
_TABLES = ("embeddings", "value_embeddings", "head")

# Factors (a, b, c) of one iteration, X <- a X + (b A + c A^2) X with A = X X^T. Jordan's are steepest at 0 and end
# between 0.7 and 1.2; https://kellerjordan.github.io/posts/muon/.
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
# Amsel et al., 2025 (arXiv:2505.16932), for five iterations, safety factor 0.02 and cushion 2. After those the plain
# iteration of that degree, which converges to 1.
_POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
_CONVERGING = (1.875, -1.25, 0.375)


def orthogonalise(matrices_NRC: torch.Tensor, method: str, iterations: int, dtype: torch.dtype) -> torch.Tensor:
    """U V^T of each matrix U S V^T of a stack, nearly: all singular values come close to 1. Returns `dtype`."""
    x = matrices_NRC.to(dtype)
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:
        x = x.mT  # the smaller of the two products
    # No singular value is above the Frobenius norm; Polar Express asks for a margin against rounding.
    margin = 1.01 if method == "polar_express" else 1.0
    norms_N11 = matrices_NRC.float().square().sum(dim=(-2, -1), keepdim=True).sqrt()
    x = x / (norms_N11 * margin).clamp_min(1e-7).to(dtype)
    for step in range(iterations):
        a, b, c = _NEWTON_SCHULZ
        if method == "polar_express":
            a, b, c = _POLAR_EXPRESS[step] if step < len(_POLAR_EXPRESS) else _CONVERGING
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


def even_out(update_RC: torch.Tensor, mean_square: torch.Tensor, beta2: float) -> torch.Tensor:
    """NorMuon (Li et al., 2025; arXiv:2510.05491): each neuron's update over its running root mean square.

    The whole keeps its Frobenius norm. `mean_square` is (R, 1), or (1, C) of a wide matrix as nanochat has it, and is
    brought forward in place.
    """
    dim = -1 if mean_square.shape[-1] == 1 else -2
    mean_square.lerp_(update_RC.square().mean(dim=dim, keepdim=True), 1 - beta2)
    evened_RC = update_RC * mean_square.clamp_min(1e-10).rsqrt()
    evened_RC *= torch.linalg.matrix_norm(update_RC) / torch.linalg.matrix_norm(evened_RC).clamp_min(1e-10)
    return evened_RC


class Muon(torch.optim.Optimizer):
    """Muon on the groups whose role is "matrices", AdamW on the others; one object, so that one state is saved."""

    def __init__(self, groups: list[dict[str, Any]], settings: MuonSettings, dtype: torch.dtype) -> None:
        """dtype: of the iteration that makes updates orthogonal. Raises `ValueError` for a matrix that is none."""
        self._settings, self._dtype = settings, dtype
        for group in groups:
            if group["role"] != "matrices":
                # Where the fused kernel needs the counter of steps: loading a state reads this.
                group["fused"] = group["params"][0].device.type in ("cpu", "cuda")
                continue
            group["momentum"] = settings.momentum
            if wrong := [name for name, p in zip(group["names"], group["params"], strict=True) if p.dim() != 2]:
                raise ValueError(f"Muon is for weights of two dimensions, and {wrong[0]} has others")
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of all weights that have a gradient. Each group has the values of the step already."""
        for group in self.param_groups:
            members = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["role"] != "matrices":
                self._step_adamw(group, members)
                continue
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in members:
                shapes.setdefault(parameter.shape, []).append(parameter)
            for same in shapes.values():  # one product for all of a shape
                self._step_matrices(group, same)
        return None

    def _step_matrices(self, group: dict[str, Any], members: list[nn.Parameter]) -> None:
        rows, columns = members[0].shape
        updates = []
        for parameter in members:
            state = self.state[parameter]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
                if self._settings.normuon_beta2:
                    state["mean_square"] = parameter.new_zeros((rows, 1) if rows >= columns else (1, columns))
            buffer, gradient = state["momentum_buffer"], parameter.grad
            buffer.lerp_(gradient, 1 - group["momentum"])
            updates.append(gradient.lerp(buffer, group["momentum"]))  # type: ignore[union-attr]
        orthogonal = orthogonalise(
            torch.stack(updates), self._settings.method, self._settings.iterations, self._dtype
        ).to(updates[0].dtype)
        # Jordan's: a matrix with more rows than columns puts out as much as a square one. torch.optim.Muon has it too.
        rate = group["lr"] * max(1.0, rows / columns) ** 0.5
        decay = group["lr"] * group["weight_decay"]
        for parameter, update in zip(members, orthogonal, strict=True):
            if self._settings.normuon_beta2:
                update = even_out(update, self.state[parameter]["mean_square"], self._settings.normuon_beta2)
            if self._settings.cautious_decay:
                parameter.sub_(parameter * (update * parameter >= 0), alpha=decay)
            else:
                parameter.mul_(1 - decay)
            parameter.sub_(update, alpha=rate)

    def _step_adamw(self, group: dict[str, Any], members: list[nn.Parameter]) -> None:
        for parameter in members:
            if not (state := self.state[parameter]):
                state["step"] = torch.zeros((), device=parameter.device if group["fused"] else None)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in members]
        adamw(
            list(members),
            [parameter.grad for parameter in members if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=group["fused"],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def role_defaults(settings: TrainSettings, model: GPTConfig) -> dict[str, RoleSettings]:
    """How each role learns where [train.ROLE] does not say otherwise.

    `train.learning_rate` is the matrices'; the others keep the published ratio to it, and tables of tokens times
    (width / 768)^-0.5. A tied head learns as a head: at the rate of an embedding its logits diverge.
    """
    published = _PUBLISHED | ({"embeddings": _PUBLISHED["head"]} if model.tied_head else {})
    defaults = {"matrices": RoleSettings(learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)}
    for role, (rate, betas, decay) in published.items():
        ratio = rate / _MATRIX_RATE * ((model.width / _TUNED_WIDTH) ** -0.5 if role in _TABLES else 1.0)
        defaults[role] = RoleSettings(
            learning_rate=settings.learning_rate * ratio, betas=betas, weight_decay=decay, epsilon=_EPSILON
        )
    return defaults


def build(groups: list[dict[str, Any]], settings: TrainSettings, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer over groups that `train.optim.groups` made; its iteration is in bfloat16 on a GPU."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return Muon(groups, settings.muon or MuonSettings(), dtype)
