"""The hardware of a run: the device, its number format, the peak speed of a GPU, and how much fits on it at once."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from manifests.errors import UserError
from model import GPTConfig
from model.loss import GPU_CHUNK_BYTES

# Dense bfloat16 (float16 where there is none) FLOP/s without sparsity, from the makers' data sheets. The first name
# that stands in the device's name as whole words counts, so the longer names stand first.
PEAK_FLOPS: tuple[tuple[str, float], ...] = (
    ("GB200", 2.5e15),
    ("B200", 2.25e15),
    ("GH200", 989e12),
    ("H200", 989e12),
    ("H100 NVL", 835e12),
    ("H100 PCIe", 756e12),
    ("H100", 989e12),
    ("H800", 989e12),
    ("A100", 312e12),
    ("A800", 312e12),
    ("L40S", 362e12),
    ("L40", 181e12),
    ("L4", 121e12),
    ("A40", 150e12),
    ("A30", 165e12),
    ("A10G", 70e12),
    ("A10", 125e12),
    ("V100", 125e12),
    ("T4", 65e12),
    ("RTX 5090", 209e12),
    ("RTX 4090", 165e12),
    ("RTX 3090", 71e12),
    ("MI300X", 1307e12),
    ("MI250X", 383e12),
)

_CPU_MICRO_BATCH_TOKENS = 4096  # more brings no speed on a CPU and costs memory
_INPUT_FRACTION = 0.12  # of a layer's activations: its input, in float32
_MEMORY_FRACTION = 0.6  # of a GPU's memory, for what grows with the micro-batch


@dataclass(frozen=True)
class Hardware:
    """The device of one rank.

    `autocast` is None in plain float32. `peak_flops` is 0 where it is not known, as on every CPU: what a CPU reaches
    depends on its clock, its cooling and what else runs, and no data sheet says it.
    """

    device: torch.device
    name: str
    autocast: torch.dtype | None
    peak_flops: float
    peak_source: str

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """A context for the forward pass: autocast, or nothing in plain float32."""
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast)


def find_hardware(precision: str, local_rank: int = 0) -> Hardware:
    """Pick the device and resolve `precision` ("auto", "float32", "bfloat16").

    "auto" is bfloat16 autocast where the device multiplies in it: GPUs since 2020, and CPUs with AVX512-BF16 or AMX,
    where a step took half the time of float32; elsewhere it is emulated and slower, so float32.
    """
    if not torch.cuda.is_available():
        helps = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        autocast = torch.bfloat16 if precision == "bfloat16" or (precision == "auto" and helps) else None
        return Hardware(torch.device("cpu"), _cpu_name(), autocast, 0.0, "unknown")
    device = torch.device("cuda", local_rank)
    name = torch.cuda.get_device_name(device)
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bfloat16" and not has_bfloat16:
        raise UserError(f"train.precision: {name} does not compute in bfloat16; set it to float32 or auto.")
    autocast = None if precision == "float32" or not has_bfloat16 else torch.bfloat16
    if autocast is not None:
        torch.set_float32_matmul_precision("high")
    peak = peak_flops_of(name)
    return Hardware(device, name, autocast, peak, "data sheet, dense bfloat16" if peak else "unknown")


def peak_flops_of(name: str) -> float:
    """FLOP/s of a GPU by the name it gives itself, 0 where `PEAK_FLOPS` does not have it."""
    for part, flops in PEAK_FLOPS:
        if re.search(rf"(?<![A-Za-z0-9]){re.escape(part)}(?![A-Za-z0-9])", name):
            return flops
    return 0.0


def micro_batch_sequences(
    setting: int | str,
    config: GPTConfig,
    rank_sequences: int,
    hardware: Hardware,
    activation_checkpointing: str | float = "none",
) -> int:
    """Sequences a rank passes through the model at once.

    "auto" follows from the model, the batch and the kind of device alone, so that an interrupted run goes on with
    the same sums. On a GPU it estimates, per token, the activations that wait for the backward pass (`_kept_layers`,
    `_layer_bytes`), leaves room for five copies of a chunk of logits, and takes what fits.
    """
    if isinstance(setting, int):
        return min(setting, rank_sequences)
    if hardware.device.type == "cpu":
        tokens = float(_CPU_MICRO_BATCH_TOKENS)
    else:
        kept = _kept_layers(activation_checkpointing, config.num_layers)
        bytes_per_token = kept * _layer_bytes(config) * config.width * (2 if hardware.autocast is None else 1)
        memory = torch.cuda.get_device_properties(hardware.device).total_memory
        tokens = (_MEMORY_FRACTION * memory - 5 * GPU_CHUNK_BYTES) / bytes_per_token
    most = max(1, int(tokens) // config.sequence_length)
    # Parts of equal size: no small one left at the end.
    num_parts = -(-rank_sequences // most)
    return -(-rank_sequences // num_parts)


def _kept_layers(activation_checkpointing: str | float, num_layers: int) -> float:
    """Layers whose activations wait for the backward pass; with checkpointing one more, that is computed again."""
    if activation_checkpointing == "none":
        return num_layers
    if isinstance(activation_checkpointing, float):
        return min(num_layers, num_layers * activation_checkpointing + 1)
    every = activation_checkpointing if isinstance(activation_checkpointing, int) else 1
    checkpointed = num_layers // every
    return num_layers - checkpointed * (1 - _INPUT_FRACTION) + 1


def _layer_bytes(config: GPTConfig) -> int:
    """Bytes a token of a layer and channel that wait for the backward pass, with 16-bit activations.

    34 by Korthikanti et al., 2022, without the attention matrix; 45 with a QK-norm, 55 for a LLaMA and 69 for the
    modern family, counted from what autograd saves.
    """
    if config.value_embeddings or config.residual_scalars or config.input_scalars:
        return 69
    return 55 if config.activation == "swiglu" else 45 if config.qk_norm else 34


def describe(hardware: Hardware) -> dict[str, Any]:
    """Facts of the machine for a manifest, in its part that is not reproducible."""
    return {
        "host": platform.node(),
        "device": hardware.name,
        "device_type": hardware.device.type,
        "precision": "float32" if hardware.autocast is None else str(hardware.autocast).removeprefix("torch."),
        "peak_flops": hardware.peak_flops,
        "peak_flops_source": hardware.peak_source,
        "num_threads": torch.get_num_threads(),
        "num_cpus": os.cpu_count(),
    }


def _cpu_name() -> str:
    """The processor's name, as Linux knows it; elsewhere the kind of machine."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
