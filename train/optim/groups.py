"""Groups of weights by their role, each with its own rate, betas and weight decay."""

from __future__ import annotations

from typing import Any

from torch import nn

from manifests.errors import UserError
from train.optim.settings import ROLES, RoleSettings
from train.settings import TrainSettings


def role_of(name: str, num_dimensions: int) -> str:
    """The role of a parameter of `model.GPT` by its name, and of any other by its shape.

    A tied head is the token table, so an embedding. Gates of value embeddings are matrices, but of some dozen weights
    and without a direction of their own to keep apart: they count with gains and biases.
    """
    parts = name.split(".")
    if parts[-1] in ("residual_scalars", "input_scalars"):
        return parts[-1]
    if any(part.startswith("value_embedding") for part in parts):
        return "value_embeddings"
    if parts[0] in ("token_embedding", "position_embedding"):
        return "embeddings"
    if parts[0] == "head" and num_dimensions >= 2:
        return "head"
    return "matrices" if num_dimensions >= 2 and "value_gate" not in parts else "vectors"


def by_role(model: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """The trained parameters of each role that the model has, by name; a tied weight appears once."""
    found: dict[str, dict[str, nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found.setdefault(role_of(name, parameter.dim()), {})[name] = parameter
    return {role: found[role] for role in ROLES if role in found}


def resolve(
    settings: TrainSettings, defaults: dict[str, RoleSettings], roles: dict[str, Any]
) -> dict[str, RoleSettings]:
    """How each of a model's roles learns: the optimizer's defaults, and what tables [train.ROLE] say otherwise.

    Raises `UserError` for a table of a role that the model does not have, and a key that its optimizer does not read.
    """
    resolved = {}
    for role in ROLES:
        written = getattr(settings, role)
        if role not in roles:
            if written is not None:
                lacks = f"the model has no {role.replace('_', ' ')}. Remove the table, or change [model]"
                if role == "head":  # a model has a head or has it tied
                    lacks = "the head is the token embedding. Set [train.embeddings], or model.tied_head = false"
                raise UserError(f"[train.{role}] has no effect: {lacks}; it has {', '.join(roles)}.")
            continue
        values = {} if written is None else written.model_dump(exclude_none=True)
        for key in values:
            if getattr(defaults[role], key) is None:
                raise UserError(
                    f'train.{role}.{key} has no effect: train.optimizer = "{settings.optimizer}" does not read it for '
                    f"{role}. Remove it."
                )
        resolved[role] = defaults[role].model_copy(update=values)
    return resolved


def param_groups(model: nn.Module, resolved: dict[str, RoleSettings]) -> list[dict[str, Any]]:
    """Parameter groups of PyTorch, one for each role; `names` are in the order of `params`.

    `initial_lr` and `initial_weight_decay` are what the schedules multiply.
    """
    groups = []
    for role, members in by_role(model).items():
        values = resolved[role]
        group = {"params": list(members.values()), "names": list(members), "role": role}
        group |= {"lr": values.learning_rate, "initial_lr": values.learning_rate}
        group |= {"weight_decay": values.weight_decay, "initial_weight_decay": values.weight_decay}
        if values.betas is not None:
            group |= {"betas": values.betas, "eps": values.epsilon}
        groups.append(group)
    return groups
