"""Checkpoints: written whole or not at all, and loaded only where they belong.

A checkpoint is a folder `step-00000100` (after 100 steps) with:

- `model.safetensors`: the weights under the model's own names; a tied weight once;
- `optimizer.pt`: the optimizer's state, parameters by name (read without executing code);
- `state.json`: step, tokens, the loader's and the random generators' state, the model's configuration, the digests
  of the data and of the settings, and size and sha256 of the two files.

It is written under a temporary name, flushed to the disk and renamed. Random numbers of a step are seeded by
(seed, step, rank), so the state of loader and generators is the seed and the step.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from manifests.errors import UserError
from manifests.manifest import json_bytes
from manifests.storage import TEMPORARY_SUFFIX, write_error
from model import GPTConfig

MODEL_FILE, OPTIMIZER_FILE, STATE_FILE = "model.safetensors", "optimizer.pt", "state.json"
FORMAT_VERSION = 1
_NAME = re.compile(r"step-(\d{8,})")
_SET_ASIDE = ".not-finite"
_WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:(?:_orig_mod|module)\.)+")


@dataclass(frozen=True)
class CheckpointState:
    """The content of `state.json`. `step` counts finished steps, `tokens` those they trained on."""

    step: int
    tokens: int
    seed: int
    model_config: dict[str, Any]
    data_sha256: str
    settings_sha256: str
    num_ranks: int = 1
    loss: float | None = None  # of the last step
    num_rollbacks: int = 0  # that the run had made before


def checkpoint_path(checkpoints: Path, step: int) -> Path:
    return checkpoints / f"step-{step:08d}"


def list_checkpoints(checkpoints: Path) -> list[Path]:
    """The complete checkpoints, oldest first."""
    found = [path for path in _entries(checkpoints) if _NAME.fullmatch(path.name) and (path / STATE_FILE).is_file()]
    return sorted(found, key=step_of)


def is_name(name: str) -> bool:
    """Whether a name is that of a checkpoint's folder."""
    return _NAME.fullmatch(name) is not None


def step_of(path: Path) -> int:
    """The step that the name of a checkpoint's folder says."""
    return int(path.name.removeprefix("step-"))


def remove_incomplete(checkpoints: Path, say: Callable[[str], None]) -> None:
    """Remove what an interrupted run left of a checkpoint, with a line for each."""
    complete = set(list_checkpoints(checkpoints))
    for path in _entries(checkpoints):
        unfinished = path.name.endswith(TEMPORARY_SUFFIX) or (_NAME.fullmatch(path.name) and path not in complete)
        if unfinished and path.is_dir():
            shutil.rmtree(path)
            say(f"removed an incomplete checkpoint: {path}")


def save_checkpoint(
    checkpoints: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: CheckpointState
) -> Path:
    """Publish the checkpoint of `state.step`.

    Raises `UserError` when the disk is full or cannot be written; the checkpoints before it stay.
    """
    target = checkpoint_path(checkpoints, state.step)
    temporary = target.with_name(target.name + TEMPORARY_SUFFIX)
    name = MODEL_FILE
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file(plain_state(model), temporary / MODEL_FILE, metadata={"format": "pt"})
        name = OPTIMIZER_FILE
        torch.save(_optimizer_by_name(optimizer), temporary / OPTIMIZER_FILE)
        name = STATE_FILE
        files = {name: _size_and_digest(temporary / name) for name in (MODEL_FILE, OPTIMIZER_FILE)}
        (temporary / STATE_FILE).write_bytes(json_bytes({"format": FORMAT_VERSION, **asdict(state), "files": files}))
        _publish(temporary, target)
    except (OSError, SafetensorError, RuntimeError) as error:
        refusal = write_error(str(target), name, _cause(error, temporary))
        shutil.rmtree(temporary, ignore_errors=True)  # what has room for nothing keeps none
        raise refusal from error
    return target


def prune(checkpoints: Path, keep: int, needed_step: int | None = None) -> None:
    """Remove all complete checkpoints but the last `keep`, and the newest up to `needed_step` where that is given."""
    found = list_checkpoints(checkpoints)
    needed = None if needed_step is None else newest_until(checkpoints, needed_step)
    for old in found[:-keep]:
        if old != needed:
            remove(old)


def newest_until(checkpoints: Path, step: int) -> Path | None:
    """The newest complete checkpoint of at most so many steps; None without one."""
    return next((path for path in reversed(list_checkpoints(checkpoints)) if step_of(path) <= step), None)


def remove(path: Path) -> None:
    """Remove a checkpoint: first what makes it complete."""
    (path / STATE_FILE).unlink(missing_ok=True)
    shutil.rmtree(path)


def copy_checkpoint(path: Path, target: Path, with_optimizer: bool = True) -> None:
    """Copy a checkpoint to the folder `target`, whole or not at all, or its weights and state without the optimizer's.

    Raises `UserError` when it is damaged, and when the disk is full or cannot be written.
    """
    temporary = target.with_name(target.name + TEMPORARY_SUFFIX)
    names = (MODEL_FILE, OPTIMIZER_FILE, STATE_FILE) if with_optimizer else (MODEL_FILE, STATE_FILE)
    for name in names[:-1]:
        _check_digest(path, name)
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name in names:
            shutil.copyfile(path / name, temporary / name)
        _publish(temporary, target)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise write_error(str(target), name, error) from error


def _publish(temporary: Path, target: Path) -> None:
    """Bring a folder to the disk and give it its name."""
    for path in [*sorted(temporary.iterdir()), temporary]:
        _flush(path)
    if target.exists():
        shutil.rmtree(target)
    os.replace(temporary, target)
    _flush(target.parent)


def set_aside(checkpoints: Path, step: int) -> Path | None:
    """Rename the checkpoint of a step, so that nothing goes on from it; returns where it is, None without one."""
    path = checkpoint_path(checkpoints, step)
    aside = path.with_name(path.name + _SET_ASIDE)
    if not path.is_dir():
        return None
    shutil.rmtree(aside, ignore_errors=True)
    return path.rename(aside)


def first_not_finite(model: nn.Module, optimizer: torch.optim.Optimizer) -> str | None:
    """The name of the first weight, or number of the optimizer, that is infinite or not a number; None without one."""
    tensors = dict(plain_state(model))
    for parameter, state in _optimizer_by_name(optimizer).items():
        tensors |= {f"the optimizer's {key} of {parameter}": value for key, value in state.items()}
    return next((name for name, tensor in tensors.items() if not _is_finite(tensor)), None)


def read_state(path: Path) -> CheckpointState:
    """Read `state.json` and check the size of the files beside it. Raises `UserError` when it is no checkpoint."""
    try:
        data = _read_json(path)
        files = {name: _checked_entry(data["files"][name]) for name in (MODEL_FILE, OPTIMIZER_FILE)}
        if data.pop("format") != FORMAT_VERSION:
            raise UserError(f"{path}: written by another version of groundup; use that version, or train anew.")
        del data["files"]
        state = CheckpointState(**data)
        _check_types(state)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no checkpoint here (no {STATE_FILE}). Give a run's or a checkpoint's folder."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(path / STATE_FILE, f"cannot be read ({error})") from None
    for name, (num_bytes, _) in files.items():
        size = (path / name).stat().st_size if (path / name).is_file() else None
        if size != num_bytes:
            raise damaged(path / name, "missing" if size is None else f"{size} bytes long, not {num_bytes}")
    return state


def weights_sha256(path: Path) -> str:
    """The digest of a checkpoint's weights, as its state says it."""
    return _checked_entry(_read_json(path)["files"][MODEL_FILE])[1]


def _read_json(path: Path) -> dict[str, Any]:
    data = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise TypeError("no JSON object")
    return data


def _checked_entry(entry: Any) -> tuple[int, str]:
    num_bytes, sha256 = entry
    if not isinstance(num_bytes, int) or not isinstance(sha256, str):
        raise TypeError("a file's size and sha256 are a number and a text")
    return num_bytes, sha256


def _check_types(state: CheckpointState) -> None:
    """JSON gives any types: those of the fields are simple enough to compare."""
    kinds: dict[str, Any] = {"int": int, "str": str, "dict[str, Any]": dict, "float | None": (float, int, type(None))}
    for field in fields(state):
        value = getattr(state, field.name)
        if not isinstance(value, kinds[str(field.type)]) or isinstance(value, bool):
            raise TypeError(f"{field.name} is {value!r}, not of type {field.type}")


def shapes_of(path: Path) -> dict[str, list[int]]:
    """The shapes of a checkpoint's weights by name, from the head of their file. Raises `UserError`."""
    try:
        with safe_open(path / MODEL_FILE, framework="pt") as file:
            return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise damaged(path / MODEL_FILE, f"cannot be read ({error})") from None


def check_shapes(path: Path, model: nn.Module) -> None:
    """Raises `UserError` that names the first tensor whose name or shape is another in the checkpoint's weights."""
    shapes = shapes_of(path)
    mine = {name: list(tensor.shape) for name, tensor in plain_state(model).items()}
    for name in sorted({*shapes, *mine}):
        if name not in shapes or name not in mine:
            where = "model" if name in mine else "checkpoint"
            raise UserError(f"{path}: does not match its model: only the {where} has the tensor {name}. {_ADVICE}")
        if shapes[name] != mine[name]:
            both = f"{shapes[name]} in the checkpoint and {mine[name]} in the model"
            raise UserError(f"{path}: does not match its model: {name} is {both}. {_ADVICE}")


def load_model(path: Path, model: nn.Module) -> None:
    """Load a checkpoint's weights into `model`.

    Raises `UserError` that names the first tensor whose name or shape differs, or the file that is damaged.
    """
    _check_digest(path, MODEL_FILE)
    check_shapes(path, model)
    try:
        tensors = load_file(path / MODEL_FILE)
    except (SafetensorError, OSError) as error:
        raise damaged(path / MODEL_FILE, f"cannot be read ({error})") from None
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise damaged(path / MODEL_FILE, f"{name} holds {tensor.dtype}, not floating-point numbers")
        if not _is_finite(tensor):
            raise damaged(path / MODEL_FILE, f"{name} holds numbers that are not finite (NaN or infinity)")
    mine = plain_state(model)
    with torch.no_grad():
        for name, tensor in mine.items():
            tensor.copy_(tensors[name])


def load_optimizer(path: Path, optimizer: torch.optim.Optimizer) -> None:
    """Load the optimizer's state of the same parameters. Raises `UserError` where it does not fit or is not finite."""
    _check_digest(path, OPTIMIZER_FILE)
    try:
        saved = torch.load(path / OPTIMIZER_FILE, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is not its own
        raise damaged(path / OPTIMIZER_FILE, f"cannot be read ({type(error).__name__})") from None
    names = [name for group in optimizer.param_groups for name in group["names"]]
    if not isinstance(saved, dict) or not all(_is_state(name, state) for name, state in saved.items()):
        raise damaged(path / OPTIMIZER_FILE, "holds no state by the names of parameters")
    if sorted(saved) != sorted(names):
        other = sorted(set(saved) ^ set(names))[0]
        raise UserError(f"{path}: the optimizer's state does not match the model: see {other}. {_ADVICE}")
    for name in names:
        if not all(_is_finite(value) for value in saved[name].values()):
            raise damaged(path / OPTIMIZER_FILE, f"the state of {name} is not finite (NaN or infinity)")
    state = optimizer.state_dict()
    state["state"] = {number: saved[name] for number, name in enumerate(names)}
    optimizer.load_state_dict(state)


def check_matches(path: Path, state: CheckpointState, model_config: dict[str, Any], data_sha256: str) -> None:
    """Refuse a checkpoint of another model or of other data, naming the first thing that differs."""
    saved = GPTConfig.defaults() | state.model_config  # a younger field of the model is not in it
    for key in sorted({*saved, *model_config}):
        theirs, ours = saved.get(key), model_config.get(key)
        if theirs != ours:
            raise UserError(
                f"{path}: does not match its model: {key} is {theirs!r} in the checkpoint and {ours!r} in the recipe. "
                f"{_ADVICE}"
            )
    if state.data_sha256 != data_sha256:
        raise UserError(
            f"{path}: was trained on other data: the shards' manifest has digest {data_sha256[:16]} now and had "
            f"{state.data_sha256[:16]}. Restore those shards, or train anew with --restart."
        )


_ADVICE = "Use the recipe it was made with, or train anew with --restart."


def plain_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and persistent buffers under the model's own names, each once, without the names of wrappers."""
    seen: set[int] = set()
    plain: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            plain[_WRAPPERS.sub("", name)] = tensor.detach()
    return plain


def damaged(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}. Delete this checkpoint's folder and go on from the one before, or train anew.")


def _optimizer_by_name(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, torch.Tensor]]:
    state = optimizer.state_dict()["state"]
    names = [name for group in optimizer.param_groups for name in group["names"]]
    return {name: {key: value.cpu() for key, value in state[number].items()} for number, name in enumerate(names)}


def _check_digest(path: Path, name: str) -> None:
    try:
        expected = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))["files"][name]
        found = _size_and_digest(path / name)
    except (OSError, ValueError, KeyError) as error:
        raise damaged(path / name, f"cannot be read ({error})") from None
    if found != expected:
        raise damaged(path / name, "its content is not what was written (sha256 differs)")


def _size_and_digest(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return [path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()]


def _flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cause(error: Exception, folder: Path) -> OSError:
    """What the system said, where safetensors and torch wrap it.

    safetensors gives the system's number. torch says only that a write failed: a byte more tells why.
    """
    if isinstance(error, OSError):
        return error
    if number := re.search(r"os error (\d+)", str(error)):
        return OSError(int(number[1]), os.strerror(int(number[1])))
    try:
        _try_to_write(folder / OPTIMIZER_FILE)
    except OSError as reason:
        return reason
    return OSError(errno.EIO, str(error))


def _try_to_write(path: Path) -> None:
    """Add a block to a file. Raises `OSError`."""
    with path.open("ab") as file:
        file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())


def _is_state(name: Any, state: Any) -> bool:
    """Whether an entry of an optimizer's file is a parameter's name and tensors by theirs."""
    if not isinstance(name, str) or not isinstance(state, dict):
        return False
    return all(isinstance(value, torch.Tensor) for value in state.values())


def _is_finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _entries(checkpoints: Path) -> list[Path]:
    return sorted(checkpoints.iterdir()) if checkpoints.is_dir() else []
