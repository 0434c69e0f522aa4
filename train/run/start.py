"""The start of a call: a run begins, goes on as it was, goes on with other settings, or is refused.

What follows is a function of the folder and the arguments, and `config.toml` is written last: a call that is killed at
any moment, and given again, does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from manifests.errors import UserError
from manifests.paths import relative_to
from manifests.storage import Folder
from train.objectives.base import Objective
from train.optim.optimizer import recorded_roles
from train.optim.plan import Plan, change_length, describe_rates, make_plan
from train.run import checkpoint, rollback
from train.run.branch import Branch, Source, check_origin
from train.run.changes import (
    LENGTH,
    as_set,
    check_allowed,
    differing,
    is_asked,
    is_steering,
    recorded,
    show,
    steering_changes,
)
from train.run.folder import RunFolder, read_metrics
from train.settings import TrainRecipe


@dataclass(frozen=True)
class Asked:
    """What a call asks for besides the recipe.

    settings: key paths that were set in this call (`--set`). source: where a branch begins, as "RUN@STEP", "RUN" or
    the folder of a checkpoint. restart: remove the run that is there.
    """

    settings: Collection[str] = ()
    source: str | None = None
    restart: bool = False


def make_config(recipe: TrainRecipe, objective: Objective, plan: Plan, folder: RunFolder) -> dict[str, Any]:
    """What `config.toml` says: the recipe's training part in full, and what follows from it and the data."""
    # "resolved_model" is the whole model, so that a preset that changes is seen.
    config = recipe.model_dump(mode="json") | {"data": dict(objective.data)}
    # A run beside its shards is the same wherever the command was given, and may be moved with them.
    config["output"] = relative_to(config["output"], folder.path)
    config["data"]["shards"] = relative_to(config["data"]["shards"], folder.path)
    config["resolved_model"] = objective.model_config.to_dict()
    config |= recorded_roles(recipe.train, objective.model_config)
    return config | {"plan": plan.recorded(recipe.train)}


def is_finished(folder: RunFolder, num_steps: int) -> bool:
    """True where the manifest is there, and the checkpoint that it stands for."""
    return folder.manifest is not None and last_step(folder) == num_steps


def last_step(folder: RunFolder) -> int:
    """The step of the last checkpoint, 0 where there is none."""
    found = checkpoint.list_checkpoints(folder.checkpoints)
    return checkpoint.read_state(found[-1]).step if found else 0


def prepare(
    recipe: TrainRecipe, objective: Objective, folder: RunFolder, asked: Asked, say: Callable[[str], None]
) -> dict[str, Any]:
    """Prepare the folder of a run for its next steps, and return its configuration. Only the first rank does.

    A run that is finished stays as it is. Raises `UserError` where the folder holds another run, where the source of a
    branch does not fit, and where the settings do not fit to the steps that are done.
    """
    source = None if asked.source is None else Source.parse(asked.source)
    if source is not None and source.is_in(folder):
        raise UserError(f"{folder.path}: is the run that --from names. Give --run NEW, the folder of the branch.")
    old, branch = None, None
    rows: list[dict[str, Any]] = []
    step = 0
    if not asked.restart:  # what is there goes only when nothing is refused any more
        if (old := folder.config()) is not None:
            rollback.settle(folder, old.get("rollbacks", []), say)
        rows, step = read_metrics(folder.path), last_step(folder)
    if source is not None and old is None:
        branch = Branch.open(source)
    elif source is not None and old is not None:  # it has begun, and stands by itself
        check_origin(old, source, folder)
    has_checkpoints = not asked.restart and bool(checkpoint.list_checkpoints(folder.checkpoints))
    if branch is None and old is None and has_checkpoints:
        raise UserError(
            f"{folder.path}: has checkpoints but no config.toml, so what they are is not known. Restore it, "
            "or train anew with --restart (or delete the folder)."
        )
    objective.loader.take(recipe.train.batches)  # the run may have had others until now
    plan = make_plan(recipe.train, objective.loader.tokens_per_epoch)
    config = make_config(recipe, objective, plan, folder)
    if branch is not None:
        branch.check(config, Folder(recipe.output), folder if has_checkpoints else None)
        if branch.is_whole(config):
            old, rows, step = branch.config, branch.rows, branch.state.step
    elif old is not None:
        check_allowed(old, config, step, asked.settings, str(folder.path))
        if step == 0 and old.get("origin", {}).get("whole"):
            raise UserError(
                f"{folder.path}: its checkpoints are gone, and it began with one of another run. Give --from again, "
                "with --restart."
            )
    checkpoint.remove_incomplete(folder.checkpoints, say)
    lines = [] if branch is None else [branch.describe(config)]
    if old is not None and step:
        plan, more = _go_on(recipe, objective, old, rows, step, None if branch else asked.settings, folder)
        config = make_config(recipe, objective, plan, folder)
        if changes := recorded(old, config, step):
            config["changes"] = changes
        here = (change for change in changes if change["step"] == step)
        lines += [f"from step {step} on: {show(one['setting'], one.get('before'), one.get('after'))}" for one in here]
        lines += more
    if branch is not None:
        config["origin"] = branch.origin(config, folder)
    elif old is not None and "origin" in old:
        config["origin"] = old["origin"]
    if old is not None and old.get("rollbacks"):
        config["rollbacks"] = old["rollbacks"]
        if any(is_steering(key) for key, _, _ in differing(old, config)):
            config["rollbacks"] = [one | {"settled": True} for one in old["rollbacks"]]
    if asked.restart:
        folder.clear()
    if is_finished(folder, plan.num_steps):
        return config
    for line in lines:
        say(line)
    folder.remove_manifest()
    folder.folder.remove_unpublished()
    if branch is not None:
        branch.copy(config, folder)
    folder.write_config(config)
    folder.copy_tokenizer(Folder(recipe.output))
    return config


def _go_on(
    recipe: TrainRecipe,
    objective: Objective,
    old: dict[str, Any],
    rows: list[dict[str, Any]],
    step: int,
    asked: Collection[str] | None,
    folder: RunFolder,
) -> tuple[Plan, list[str]]:
    """The plan of a run of which `step` steps are done, and lines on a new segment.

    asked: the keys that were set in this call; None where all may differ.
    """
    settings, before = recipe.train, Plan.of_run(old).until(step)
    batches = before.batches.followed_by(settings.batches, step)
    objective.loader.take(batches)
    plan = make_plan(settings, objective.loader.tokens_per_epoch, batches)
    changed = steering_changes(old, make_config(recipe, objective, plan, folder), step)
    lengths = {LENGTH, "train.tokens_per_parameter"}
    refusal = f"{LENGTH} is another than that of the run."
    if not set(changed) - lengths:
        try:
            return change_length(settings, before, plan, step), []
        except UserError as error:
            refusal = str(error)
            if asked is not None and any(change["setting"] == LENGTH for change in old.get("changes", [])):
                refusal += f" To go on as the run is, give {as_set(LENGTH, old['train'].get('max_tokens'))}."
            if step >= plan.num_steps:
                raise UserError(f"{folder.path}: {refusal}") from None
    is_new = settings.max_tokens != old["train"].get("max_tokens")
    if is_new and asked is not None and not any(is_asked(key, asked) for key in lengths):
        to_set = as_set(LENGTH, settings.max_tokens)
        raise UserError(f"{folder.path}: {refusal} To go on with the new one from step {step} on, give {to_set}.")
    if step >= plan.num_steps:
        raise UserError(
            f"{folder.path}: {step:,} steps are done, and {plan.num_steps:,} are asked for: none is left for a change "
            f"({'; '.join(changed.values())}). Raise train.max_tokens too, or undo the change."
        )
    row = next((row for row in reversed(rows) if row["kind"] == "train" and row["step"] == step), None)
    if row is None:
        raise UserError(
            f"{folder.path}: metrics.jsonl has no row of step {step}, whose learning rate a new segment begins with. "
            "Restore it, or undo the change."
        )
    plan = before.followed_by(plan, step, float(row["learning_rate"]))
    return plan, [describe_rates(settings, plan)]
