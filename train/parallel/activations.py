"""What a model's blocks keep for the backward pass, and their compilation.

A block that is checkpointed keeps its input and computes the rest again when the backward pass reaches it (Chen et al.,
2016, arXiv:1604.06174). By operation, it also keeps what is dearest to compute again for its bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from manifests.errors import UserError
from model import GPT
from model.attention import Visibility
from model.gpt import Block, Context
from train.parallel.hardware import Hardware
from train.settings import TrainSettings

Operation = tuple[Any, ...]
"""A kind of operation: its function, and the last dimension of each tensor that it takes. It has no batch in it."""

_MOST_GRAPHS = 64


def prepare_model(model: GPT, settings: TrainSettings, hardware: Hardware) -> None:
    """Checkpoint the model's activations as the settings say, then compile its blocks. Names of weights stay.

    Raises `UserError` for a setting that this model cannot follow.
    """
    _checkpoint_blocks(model, settings, hardware)
    if settings.compile:
        # Equal blocks share what is compiled: it is made once for each pattern, window and shape. The usual limit of 8
        # would let the ninth run uncompiled.
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _MOST_GRAPHS)
        for block in model.blocks:
            block.compile()
            compiled = block._compiled_call_impl
            assert compiled is not None
            block._compiled_call_impl = functools.partial(_call, compiled, block._call_impl)


def _call(compiled: Callable[..., Any], plain: Callable[..., Any], *arguments: Any) -> Any:
    """Validation and samples, with their many shapes, run uncompiled: compiling for them would take longer."""
    return (compiled if torch.is_grad_enabled() else plain)(*arguments)


def _checkpoint_blocks(model: GPT, settings: TrainSettings, hardware: Hardware) -> None:
    setting = settings.activation_checkpointing
    if setting == "none":
        return
    every = setting if isinstance(setting, int) else 1
    if every > len(model.blocks):
        raise UserError(
            f"train.activation_checkpointing: {every} is more than the model's {len(model.blocks)} blocks; lower it, "
            'or set it to "none".'
        )
    kept: dict[Any, frozenset[Operation]] = {}
    for layer, block in enumerate(model.blocks):
        if (layer + 1) % every:
            continue
        assert isinstance(block, Block)
        options: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": model.config.dropout > 0}
        if isinstance(setting, float):
            kind = (block.attention.pattern, block.attention.value_gate is None)
            if kind not in kept:
                kept[kind] = kept_operations(model, block, setting, settings.document_mask, hardware)
            options["context_fn"] = functools.partial(_contexts, kept[kind])
        block.__dict__["forward"] = functools.partial(_forward, block.forward, options)


def _forward(forward: Callable[..., torch.Tensor], options: dict[str, Any], *arguments: Any) -> torch.Tensor:
    if not torch.is_grad_enabled():
        return forward(*arguments)
    out: torch.Tensor = checkpoint(forward, *arguments, **options)
    return out


def _contexts(kept: frozenset[Operation]) -> Any:
    def policy(_: Any, function: Any, *arguments: Any, **keywords: Any) -> CheckpointPolicy:
        is_kept = _operation(function, arguments) in kept
        return CheckpointPolicy.MUST_SAVE if is_kept else CheckpointPolicy.PREFER_RECOMPUTE

    return create_selective_checkpoint_contexts(policy)


def _operation(function: Any, arguments: tuple[Any, ...]) -> Operation:
    # Masks are made of whole numbers, once for several blocks: they are no operation of one block.
    tensors = [each for each in arguments if isinstance(each, torch.Tensor) and each.dim()]
    sizes = [each.shape[-1] for each in tensors if each.is_floating_point()]
    return function, *(size if isinstance(size, int) else None for size in sizes)


class _Trace(TorchDispatchMode):
    """The FLOPs and bytes of each operation that makes a new tensor, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Operation, float, int]] = []
        self._made: list[tuple[Operation, torch.Tensor, int]] = []

    def changed_later(self) -> set[Operation]:
        """Operations whose results are written into: such a result cannot be kept."""
        return {operation for operation, made, version in self._made if made._version != version}

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        keywords = keywords or {}
        out = function(*arguments, **keywords)
        made = [each for each in (out if isinstance(out, (tuple, list)) else [out]) if isinstance(each, torch.Tensor)]
        operation = _operation(function, arguments)
        if len(operation) > 1 and not function.is_view and not function._schema.is_mutable and made:
            flops = _flops(function, arguments, keywords, out, made)
            self.operations.append((operation, flops, sum(each.nbytes for each in made)))
            self._made += [(operation, each, each._version) for each in made]
        return out


def _flops(
    function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], out: Any, made: list[torch.Tensor]
) -> float:
    if "scaled_dot_product" in function._schema.name:  # PyTorch counts those of a GPU alone
        return float(sdpa_flop_count(*(each.shape for each in arguments[:3])))
    count = flop_registry.get(function._overloadpacket)
    return float(count(*arguments, **keywords, out_val=out) if count else sum(each.numel() for each in made))


def kept_operations(
    model: GPT, block: Block, fraction: float, document_mask: bool, hardware: Hardware
) -> frozenset[Operation]:
    """The kinds of operations whose results a block keeps: the most FLOPs for a byte first, as far as they fit.

    What fits is `fraction` of the bytes that the block keeps without checkpointing, its input included. Counted on one
    sequence, whose values do not matter. An element of what is no matrix product counts as one FLOP.
    """
    config, device = model.config, hardware.device
    x_1TC = torch.zeros(1, config.sequence_length, config.width, device=device, requires_grad=True)
    documents_1T = torch.zeros(x_1TC.shape[:2], dtype=torch.long, device=device) if document_mask else None
    values_1TC = None
    if block.attention.value_gate is not None:
        values_1TC = torch.zeros(*x_1TC.shape[:2], config.kv_heads * config.head_width, device=device)
    rotary = (model.rotary_cos_TP, model.rotary_sin_TP) if config.positions == "rotary" else None
    context = Context(rotary, None, Visibility(documents_1T))
    weights = {each.untyped_storage().data_ptr() for each in block.parameters()}
    saved: dict[int, int] = {}
    needed = 0

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal needed
        needed = len(trace.operations)  # a recomputation stops when the last tensor to be saved is there
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        hardware.precision(),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        _Trace() as trace,
    ):
        out = block(x_1TC, context, values_1TC)
    del out
    totals: dict[Operation, tuple[float, int]] = {}
    for operation, flops, num_bytes in trace.operations[:needed]:
        before = totals.get(operation, (0.0, 0))
        totals[operation] = before[0] + flops, before[1] + num_bytes
    left = fraction * sum(saved.values()) - x_1TC.nbytes
    kept = set()
    changed = trace.changed_later()
    for operation, (_, num_bytes) in sorted(totals.items(), key=lambda item: -item[1][0] / item[1][1]):
        if num_bytes <= left and operation not in changed:
            kept.add(operation)
            left -= num_bytes
    return frozenset(kept)
