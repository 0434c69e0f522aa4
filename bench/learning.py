"""Two benches of learning: three models trained on the same tokens, and the modern recipe without each of its parts.

`learning` compares nanoGPT, our GPT-2 preset and our modern one on characters and on BPE tokens. `ablation` takes the
modern recipe's parts away one at a time (and adds those it goes without). All models of a table have as many parameters
within 2 %: where a part brings or costs more, the MLP is made narrower or wider. Losses are of the whole validation
split, by one code for all sides. Runs are kept under `build/bench/learning`; what is there is not run again.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench import nanogpt
from bench.data import missing_data
from bench.learning_data import DATA
from bench.learning_runs import Job, Outcome, run_jobs
from bench.learning_tasks import (
    CHARACTERS,
    GPU_CHARACTERS,
    SHORT,
    WIKITEXT,
    Recipe,
    Task,
    config,
    fitted,
    is_near,
    num_parameters,
)
from bench.results import Bench, Result, Table

# nanoGPT's settings for `shakespeare_char`, in our words.
GPT2: Recipe = {
    "model.preset": "tiny",
    "train.learning_rate": 0.001,
    "train.min_learning_rate_fraction": 0.1,
    "train.schedule": "cosine",
    "train.warmup_fraction": 0.05,
    "train.betas": [0.9, 0.99],
    "train.weight_decay": 0.1,
    "train.gradient_clip": 1.0,
}
# The modern recipe; its shape is the task's.
_MUON = {"momentum_warmup_steps": 150, "normuon_beta2": 0.9}
MODERN: Recipe = {
    "model.preset": "modern",
    "train.optimizer": "muon",
    "train.learning_rate": 0.03,
    "train.muon": _MUON,
    "train.weight_decay": 0,
    "train.schedule": "constant_decay",
    "train.warmup_fraction": 0.02,
    "train.decay_fraction": 0.65,
    "train.min_learning_rate_fraction": 0.0,
    "train.gradient_clip": 0,
}
_ADAMW = {
    "train.optimizer": "adamw",
    "train.learning_rate": 0.003,
    "train.muon": None,
    "train.weight_decay": 0.1,
    "train.gradient_clip": 1.0,
}
# Parts of a recipe. Where the modern one has a part, it is run with "off" as well; where it does not, with "on".
PARTS: list[dict[str, Any]] = [
    {"part": "Muon in place of AdamW", "off": _ADAMW, "on": {"train.optimizer": "muon"}},
    {
        "part": "NorMuon's variance",
        "off": {"train.muon": _MUON | {"normuon_beta2": 0}},
        "on": {"train.muon": _MUON | {"normuon_beta2": 0.9}},
    },
    {
        "part": "Polar Express in place of Newton-Schulz",
        "off": {"train.muon": _MUON | {"method": "newton_schulz"}},
        "on": {"train.muon": _MUON | {"method": "polar_express"}},
    },
    {
        "part": "cautious weight decay of .1, falling to 0",
        "off": {"train.weight_decay": 0},
        "on": {
            "train.weight_decay": 0.1,
            "train.weight_decay_schedule": "cosine",
            "train.muon": _MUON | {"cautious_decay": True},
        },
    },
    {"part": "RMSNorm in place of LayerNorm", "off": {"model.norm": "layernorm"}, "on": {"model.norm": "rmsnorm"}},
    {
        "part": "rotary positions in place of learned ones",
        "off": {"model.positions": "learned"},
        "on": {"model.positions": "rotary"},
    },
    {
        "part": "rotary base 100,000 in place of 10,000",
        "off": {"model.rotary_base": 10000},
        "on": {"model.rotary_base": 100000},
    },
    {"part": "ReLU^2 in place of GELU", "off": {"model.activation": "gelu"}, "on": {"model.activation": "relu2"}},
    {"part": "SwiGLU in place of ReLU^2", "off": {"model.activation": "relu2"}, "on": {"model.activation": "swiglu"}},
    {"part": "QK-norm", "off": {"model.qk_norm": False}, "on": {"model.qk_norm": True}},
    {"part": "QK scale 1.2", "off": {"model.qk_scale": 1}, "on": {"model.qk_scale": 1.2}},
    {"part": "tied head", "off": {"model.tied_head": False}, "on": {"model.tied_head": True}},
    {"part": "norm after the embedding", "off": {"model.embedding_norm": False}, "on": {"model.embedding_norm": True}},
    {"part": "value embeddings", "off": {"model.value_embeddings": False}, "on": {"model.value_embeddings": True}},
    {"part": "residual scalars", "off": {"model.residual_scalars": False}, "on": {"model.residual_scalars": True}},
    {"part": "input scalars", "off": {"model.input_scalars": False}, "on": {"model.input_scalars": True}},
    {"part": "logit soft cap 15", "off": {"model.logit_soft_cap": 0}, "on": {"model.logit_soft_cap": 15}},
    {
        "part": "modern initialisation in place of GPT-2's",
        "off": {"model.initialisation": "gpt2"},
        "on": {"model.initialisation": "modern"},
    },
    {"part": "output projections from zero", "off": {"model.zero_init": False}, "on": {"model.zero_init": True}},
    {"part": "z-loss of 1e-4", "off": {"train.z_loss": 0}, "on": {"train.z_loss": 1e-4}},
    {
        "part": "constant rate and decay in place of a cosine",
        "off": {"train.schedule": "cosine"},
        "on": {"train.schedule": "constant_decay"},
    },
]
_COMPARED = (CHARACTERS, WIKITEXT, GPU_CHARACTERS)
_MOST_SECONDS = {"learning": 2 * 3600, "ablation": 4 * 3600}
_NANOGPT, _GPT2, _MODERN = "nanoGPT", "GPT-2 preset", "modern preset"


@dataclass(frozen=True)
class Mean:
    """The mean of equal runs with other seeds and its standard error; the latter is not known of a single run."""

    value: float
    error: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        return cls(statistics.fmean(values), error)

    def minus(self, other: Mean) -> Mean:
        """The difference of two means that are independent."""
        known = self.error is not None and other.error is not None
        return Mean(self.value - other.value, math.hypot(self.error or 0, other.error or 0) if known else None)

    def cells(self, sign: str = "") -> list[str]:
        """Value and error as texts."""
        return [format(self.value, f"{sign}.4f"), "" if self.error is None else f"{self.error:.4f}"]


def recipes(task: Task) -> dict[str, Recipe]:
    """Our two recipes for a task, of as many parameters. Raises `RuntimeError` where that is not possible."""
    gpt2 = GPT2 | task.gpt2
    wanted = num_parameters(config(task, gpt2))
    return {_GPT2: gpt2, _MODERN: fitted(task, MODERN | task.modern, wanted)}


def ablations(task: Task) -> dict[str, Recipe]:
    """The modern recipe, and below it that recipe with one part taken away or added, each of as many parameters."""
    ours = recipes(task)
    wanted, whole = num_parameters(config(task, ours[_GPT2])), MODERN | task.modern
    entries = {"the whole": ours[_MODERN]}
    for part in PARTS:
        without = fitted(task, whole | part["off"], wanted)
        if _is_same(task, without, ours[_MODERN]):
            entries[f"+ {part['part']}"] = fitted(task, whole | part["on"], wanted)
        else:
            entries[f"- {part['part']}"] = without
    return entries


def exponent(losses: dict[int, float]) -> float:
    """e in loss ~ tokens^e: the slope of a straight line through the logarithms, by least squares."""
    points = [(math.log(tokens), math.log(loss)) for tokens, loss in losses.items() if tokens]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _is_same(task: Task, one: Recipe, other: Recipe) -> bool:
    return Job("", task, 0, one).folder == Job("", task, 0, other).folder


def _missing() -> str | None:
    return missing_data(*DATA)


def _compare(num_seeds: int) -> Result:
    code = nanogpt.folder()
    tasks = [task for task in _COMPARED if torch.cuda.is_available() or not task.needs_gpu]
    sides: dict[tuple[str, str], list[Job]] = {}
    for task in tasks:
        own = recipes(task)
        for side in ([_NANOGPT] if code else []) + list(own):
            recipe = own.get(side)
            sides[task.name, side] = [
                Job(side, task, seed, recipe, None if recipe else code) for seed in range(num_seeds)
            ]
    found = _run_all(sides, "learning")
    figures: dict[str, Any] = {}
    tables, notes = [], []
    for task in tasks:
        here = {side: found[task.name, side] for name, side in sides if name == task.name}
        for side, outcomes in here.items():
            figures[f"{task.name}/{side}"] = _figures(outcomes)
        _check_parameters(task, here)
        if code is None and task is CHARACTERS:
            figures[f"{task.name}/{_NANOGPT}"] = {"loss": nanogpt.MEASURED_LOSS, "measured": "before"}
        tables.append(_comparison(task, here, code is None and task is CHARACTERS))
        notes += [
            f"{task.name}, {side}: loss ~ tokens^{figures[f'{task.name}/{side}']['exponent']:.3f} within a run"
            for side, outcomes in here.items()
            if "exponent" in figures[f"{task.name}/{side}"]
        ]
    if code is None:
        notes.append(
            f"nanoGPT was not run: its row is what its code gave before. {nanogpt.FOLDER}=FOLDER of a clone runs it."
        )
    else:
        notes.append("nanoGPT is its own code; seed 0 is its own seed, the others shift it.")
    if GPU_CHARACTERS not in tasks:
        notes.append(f"{GPU_CHARACTERS.title}, was not run: there is no GPU here.")
    return Result(figures, tables, [*notes, *_left_out(sides, found)])


def _ablate(num_seeds: int) -> Result:
    task = SHORT
    sides = {
        label: [Job(label, task, seed, recipe) for seed in range(num_seeds)]
        for label, recipe in ablations(task).items()
    }
    found = _run_all(sides, "ablation")
    _check_parameters(task, found)
    whole, *_ = found.values()
    rows = []
    figures: dict[str, Any] = {}
    for label, outcomes in found.items():
        figures[label] = _figures(outcomes)
        if not outcomes:
            continue
        loss = Mean.of([one.loss for one in outcomes])
        difference = Mean(0, None) if outcomes is whole else loss.minus(Mean.of([one.loss for one in whole]))
        figures[label] |= {"difference": difference.value, "difference_error": difference.error}
        change = ["", ""] if outcomes is whole else difference.cells("+")
        rows.append([label, str(len(outcomes)), f"{outcomes[0].num_parameters:,}", *loss.cells(), *change])
    columns = ["", "seeds", "parameters", "loss", "s.e.", "minus the whole", "s.e."]
    note = 'A part is taken away ("-"), or added where the recipe has it not ("+"); above 0 is worse than the whole.'
    return Result(
        figures,
        [Table(f"The modern recipe part by part: {task.title}", columns, rows)],
        [note, *_left_out(sides, found)],
    )


def _run_all(sides: dict[Any, list[Job]], bench: str) -> dict[Any, list[Outcome]]:
    """The outcomes of all jobs that were run, seed by seed, so that what time cuts off are whole rounds."""
    jobs = [job for of_seed in zip(*sides.values(), strict=True) for job in of_seed]
    done = dict(zip((job.folder for job in jobs), run_jobs(jobs, _MOST_SECONDS[bench]), strict=True))
    return {key: [found for job in of if (found := done[job.folder]) is not None] for key, of in sides.items()}


def _check_parameters(task: Task, found: dict[Any, list[Outcome]]) -> None:
    wanted = num_parameters(config(task, GPT2 | task.gpt2))
    for side, outcomes in found.items():
        if outcomes and not is_near(outcomes[0].num_parameters, wanted):
            number = outcomes[0].num_parameters
            raise RuntimeError(f"{task.name}: {side} has {number:,} parameters and {_GPT2} {wanted:,}: too far apart")


def _figures(outcomes: list[Outcome]) -> dict[str, Any]:
    if not outcomes:
        return {}
    loss, bits = (Mean.of(values) for values in ([o.loss for o in outcomes], [o.bits_per_byte for o in outcomes]))
    found: dict[str, Any] = {
        "loss": loss.value,
        "loss_error": loss.error,
        "bits_per_byte": bits.value,
        "bits_per_byte_error": bits.error,
        "losses": [outcome.loss for outcome in outcomes],
        "num_parameters": outcomes[0].num_parameters,
        "seconds": statistics.median(outcome.seconds for outcome in outcomes),
    }
    if len(outcomes[0].losses) > 2:  # one is from before the first step
        found["exponent"] = statistics.fmean(exponent(outcome.losses) for outcome in outcomes)
    return found


def _comparison(task: Task, found: dict[str, list[Outcome]], with_measured: bool) -> Table:
    rows = [[f"{_NANOGPT} (measured before)", *[""] * 2, f"{nanogpt.MEASURED_LOSS:.3f}", *[""] * 4]]
    rows = rows if with_measured else []
    for side, outcomes in found.items():
        if not outcomes:
            continue
        loss, bits = (Mean.of(values) for values in ([o.loss for o in outcomes], [o.bits_per_byte for o in outcomes]))
        seconds = statistics.median(outcome.seconds for outcome in outcomes)
        counts = [str(len(outcomes)), f"{outcomes[0].num_parameters:,}"]
        rows.append([side, *counts, *loss.cells(), *bits.cells(), f"{seconds:.0f}"])
    columns = ["", "seeds", "parameters", "loss", "s.e.", "bits per byte", "s.e.", "seconds"]
    tokens = task.num_steps * task.batch_sequences * task.sequence_length
    return Table(f"{task.title}: {tokens:,} tokens, loss in nats a token", columns, rows)


def _left_out(sides: dict[Any, list[Job]], found: dict[Any, list[Outcome]]) -> list[str]:
    number = sum(len(sides[key]) - len(found[key]) for key in sides)
    return [f"{number} runs were not begun in the time that there is; run it again to go on."] if number else []


BENCHES = [
    Bench("learning", "loss after the same tokens, beside nanoGPT: characters and WikiText-2", 3, _missing, _compare),
    Bench("ablation", "the modern recipe with each part taken away: loss on characters", 3, _missing, _ablate),
]
