"""Going on with a run: what must be as it was, what may change where it is asked for, and the record of it."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Collection
from typing import Any

from manifests.errors import UserError
from manifests.settings import canonical_json
from model import GPTConfig
from train.settings import CHANGEABLE_SETTINGS, OPERATIONAL_SETTINGS, STEERING_SETTINGS, TrainSettings

LENGTH = "train.max_tokens"
_MAY_DIFFER = CHANGEABLE_SETTINGS | {"max_tokens"}  # `train.optim.plan` says when the latter may
# Fields that every run has written down. A younger field counts where it is not at its default: a run that was begun
# before the field was there goes on, and its digests stay.
_FIRST_MODEL_FIELDS = (
    "vocab_size sequence_length num_layers num_heads num_kv_heads width mlp_ratio norm positions activation tied_head "
    "bias qk_norm attention dropout zero_init"
)
_FIRST_TRAIN_FIELDS = (
    "sequence_length batch_tokens micro_batch_sequences max_tokens learning_rate min_learning_rate_fraction "
    "warmup_fraction warmup_tokens schedule decay_fraction weight_decay betas gradient_clip precision compile "
    "validate_every_steps validation_tokens checkpoint_every_steps keep_checkpoints sample_every_steps sample_prompts "
    "sample_tokens"
)
_TRAIN_DEFAULTS = json.loads(canonical_json(TrainSettings().model_dump(mode="json")))


def deciding(config: dict[str, Any], apart_from: frozenset[str] = OPERATIONAL_SETTINGS) -> dict[str, Any]:
    """Seed, data, whole model, how each role learns and the training settings but for some, by key path."""
    flat = {"seed": config.get("seed"), "data.manifest_sha256": config.get("data", {}).get("manifest_sha256")}
    model = _deciding(config.get("resolved_model", {}), frozenset(_FIRST_MODEL_FIELDS.split()), GPTConfig.defaults())
    train = _deciding(config.get("train", {}), frozenset(_FIRST_TRAIN_FIELDS.split()), _TRAIN_DEFAULTS)
    flat |= {f"model.{key}": value for key, value in model.items()}
    flat |= _flat("train", {key: value for key, value in train.items() if key not in apart_from})
    flat |= _flat("roles", config.get("resolved_roles", {}))
    return {key: value for key, value in json.loads(canonical_json(flat)).items() if value is not None}


def _deciding(table: dict[str, Any], first: frozenset[str], defaults: dict[str, Any]) -> dict[str, Any]:
    """The fields of a table but for younger ones that are at their default."""
    table = json.loads(canonical_json(table))
    return {key: value for key, value in table.items() if key in first or value != defaults.get(key)}


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs in two configurations and is not free to, as "train.learning_rate 0.001 -> 0.002"."""
    return [show(*entry) for entry in differing(old, new)]


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The same as key path, value before and value after.

    How roles learn follows from [model] and [train]: it is named where neither differs.
    """
    before, after = (deciding(config, _MAY_DIFFER) for config in (old, new))
    keys = _differing(before, after)
    keys = [key for key in keys if not key.startswith("roles.")] or keys
    defaults = _flat("train", _TRAIN_DEFAULTS) | _flat("model", json.loads(canonical_json(GPTConfig.defaults())))
    entries = [(key, before.get(key, defaults.get(key)), after.get(key, defaults.get(key))) for key in keys]
    return [(key, was, is_now) for key, was, is_now in entries if was != is_now]


def check_allowed(old: dict[str, Any], new: dict[str, Any], step: int, asked: Collection[str], where: str) -> None:
    """Raises `UserError` for a configuration with which a run does not go on after `step`.

    asked: the keys that were set in this call (`--set`); those among them that steer learning may differ.
    """
    found = differing(old, new)
    fixed = [entry for entry in found if not is_steering(entry[0])]
    refused = fixed or [entry for entry in found if not is_asked(entry[0], asked)]
    if not refused:
        return
    since = {change["setting"]: f", since step {change['step']}" for change in old.get("changes", [])}
    lengths = [config["train"].get("max_tokens") for config in (old, new)]
    if LENGTH in since and lengths[0] != lengths[1] and not fixed and not is_asked(LENGTH, asked):
        refused.append((LENGTH, *lengths))
    lines = [show(*entry) + since.get(entry[0], "") for entry in refused]
    # A key can be given a value with --set, and none can be taken out.
    keep, change = (
        " ".join(as_set(key, value) for key, value in values) if all(value is not None for _, value in values) else ""
        for values in ([(key, was) for key, was, _ in refused], [(key, is_now) for key, _, is_now in refused])
    )
    advice = ["use --run for another folder, or train anew with --restart (or delete the folder)"]
    if not fixed and change and refused[-1][0] != LENGTH:
        advice.insert(0, f"give {change} to change that from step {step} on")
    if not fixed and keep and any(entry[0] in since for entry in refused):
        advice.insert(0, f"give {keep} to go on as the run is")
    else:
        advice.insert(0, "undo the change")
    text = ", ".join(advice)
    raise UserError(f"{where}: holds a run of another configuration ({'; '.join(lines)}). {text[0].upper()}{text[1:]}.")


def is_steering(key: str) -> bool:
    """Whether a key path is that of a setting that may begin a new segment."""
    table, _, rest = key.partition(".")
    return table == "train" and (rest in STEERING_SETTINGS or rest.partition(".")[0] in STEERING_SETTINGS)


def is_asked(key: str, asked: Collection[str]) -> bool:
    """Whether a key was set, or a table that it is in; the last entry of a schedule of batches is `batch_tokens`."""
    if key == "train.batch_tokens" and "train.batch_schedule" in asked:
        return True
    return any(key == one or key.startswith(f"{one}.") for one in asked)


def as_set(key: str, value: Any) -> str:
    """The option that sets a key, as a shell takes it."""
    return "--set " + shlex.quote(f"{key}={value if isinstance(value, str) else json.dumps(value)}")


def steering_changes(old: dict[str, Any], new: dict[str, Any], step: int) -> dict[str, str]:
    """The settings that steer learning and are others in `new` than those that step `step` of a run was done with.

    Each with its change in one line.
    """
    before, after = _undone(old, step, frozenset()), deciding(new, frozenset())
    keys = [key for key in _differing(before, after) if is_steering(key)]
    return {key: show(key, before.get(key), after.get(key)) for key in keys}


def lasting_sha256(config: dict[str, Any], step: int | None = None) -> str:
    """Digest of what `differences` compares: a checkpoint carries it. step: that it had when this step was done."""
    flat = deciding(config, _MAY_DIFFER) if step is None else _undone(config, step, _MAY_DIFFER)
    return hashlib.sha256(canonical_json(flat).encode()).hexdigest()


def _undone(config: dict[str, Any], step: int, apart_from: frozenset[str]) -> dict[str, Any]:
    """What `deciding` gives, without the changes after step `step`."""
    flat = deciding(config, apart_from)
    for change in reversed(config.get("changes", [])):
        key = change["setting"]
        if change["step"] >= step and key.removeprefix("train.").partition(".")[0] not in apart_from:
            flat[key] = change.get("before")
    return {key: value for key, value in flat.items() if value is not None}


def recorded(old: dict[str, Any] | None, new: dict[str, Any], step: int) -> list[dict[str, Any]]:
    """The changes of a run that goes on after `step` with a new configuration, those before included.

    Each has `step`, after which it holds, `setting`, `before` and `after`; a value that was not set is left out. What
    was changed after steps that are now done again counts from here on.
    """
    if old is None or step == 0:
        return []
    before, after = (deciding(config, frozenset()) for config in (old, new))
    changes = [change | {"step": min(int(change["step"]), step)} for change in old.get("changes", [])]
    changes += [
        {"step": step, "setting": key, "before": before.get(key), "after": after.get(key)}
        for key in _differing(before, after)
    ]
    merged: dict[tuple[int, str], dict[str, Any]] = {}
    for change in changes:
        first = merged.setdefault((change["step"], change["setting"]), change)
        merged[change["step"], change["setting"]] = first | {"after": change.get("after")}
    effective = [change for change in merged.values() if change.get("before") != change["after"]]
    return [{key: value for key, value in change.items() if value is not None} for change in effective]


def show(key: str, before: Any, after: Any) -> str:
    """A change in one line."""
    return f"{key} {_show(before)} -> {_show(after)}"


def _flat(path: str, value: Any) -> dict[str, Any]:
    """The values of tables in tables, by key path."""
    if not isinstance(value, dict):
        return {path: value}
    return {name: item for key, below in value.items() for name, item in _flat(f"{path}.{key}", below).items()}


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]


def _show(value: Any) -> str:
    if isinstance(value, str) and len(value) > 40:  # a digest
        return f"{value[:12]}..."
    return "(none)" if value is None else repr(value)
