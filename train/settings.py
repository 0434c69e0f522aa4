"""The tables of a recipe that steer training: [model] and [train]."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import Field, create_model, field_validator, model_validator

from manifests.errors import UserError
from manifests.settings import RecipeSettings, Settings, read_recipe, validate
from model import GPTConfig, preset
from train.data.batches import Batches, Schedule, check_schedule
from train.optim.settings import OPTIMIZERS, ROLES, MuonSettings, RoleSettings, betas_fit


def _model_fields() -> dict[str, Any]:
    """The fields of `GPTConfig` as settings that may be left out."""
    kinds = get_type_hints(GPTConfig)
    return {name: (kind | None, None) for name, kind in kinds.items() if name not in ("vocab_size", "sequence_length")}


_ModelFields: Any = create_model("_ModelFields", __base__=Settings, **_model_fields())


class ModelSettings(_ModelFields):
    """[model]: a preset, and any field of `model.GPTConfig` that is to have another value.

    The vocabulary's size comes from the shards and the sequence length from [train].
    """

    preset: str = "tiny"
    """Name of the shape that the other keys change; docs/training.md lists them."""
    depth: int | None = Field(default=None, ge=1)
    """The dial of preset "modern": so many layers, a width of 64 times that, heads of 128 channels."""

    def config(self, vocab_size: int, sequence_length: int | None, where: str = "[model]") -> GPTConfig:
        """The model's whole configuration. Raises `UserError` for an unknown preset or fields that do not fit."""
        overrides = self.model_dump(exclude={"preset", "depth"}, exclude_none=True)
        try:
            return preset(self.preset, vocab_size, sequence_length, self.depth, **overrides)
        except (ValueError, TypeError) as error:
            raise UserError(f"{where}: [model] does not describe a model: {error}.") from error


class SpikeSettings(Settings):
    """[train.spikes]: what becomes of steps that would do harm."""

    deviations: float = Field(default=6.0, ge=0)
    """A step whose loss or gradient norm is more than so many standard deviations above the mean of the last 128 steps
    is skipped: weights and optimizer stay as they are, and the run goes on with the next batch. 6: OLMo-core. 0: only
    a loss or gradient that is not finite is."""
    max_skips: int = Field(default=5, ge=1)
    """So many skipped steps within `window_steps` take the run back to the checkpoint before the last of them that lie
    close together. The batches from the first of those on are then left out."""
    window_steps: int = Field(default=200, ge=1)
    """Steps in which skipped ones are counted, and for which the learning rate is lower after going back."""
    learning_rate_factor: float = Field(default=0.5, gt=0, le=1)
    """What the learning rate is multiplied by meanwhile."""
    max_rollbacks: int = Field(default=3, ge=0)
    """How often a run may go back. After that it ends with an error."""


class TrainSettings(Settings):
    """The length, speed and precision of training."""

    sequence_length: int | None = Field(default=None, ge=1)
    """Tokens of one sequence, the context of the model. Not set: the preset's own."""
    batch_tokens: int = Field(default=16_384, ge=1)
    """Tokens of one optimizer step over all ranks; a multiple of `sequence_length`. Fewer for a small corpus: one that
    does not fill it, or, where it is not written, fills it less than 50 times. With `batch_schedule` it is the last
    batch of that, and need not be written."""
    batch_schedule: Schedule | None = None
    """Batches that change while training: `[[0, 8_192], [1_000_000, 16_384]]` is 8,192 tokens a step, and 16,384 from
    the first step on that begins after a million trained tokens or more. No learning rate is scaled with it."""
    window_schedule: Schedule | None = None
    """Windows that change while training: with `[[0, 128], [500_000, 256]]` the "S" layers of `model.window_pattern`
    see 128 tokens, and 256 from the first step on that begins after 500,000 trained tokens or more. The last window is
    the model's own, which validation, samples and the trained model have. Not set: that from the beginning."""
    document_mask: bool = False
    """Let no token see one of another document, in training and in validation. An end of text belongs to the document
    that it ends."""
    z_loss: float = Field(default=0.0, ge=0)
    """Adds so much of the square of log sum exp of the logits to the loss, which keeps logits from drifting (PaLM,
    Chowdhery et al., 2022: 1e-4; OLMo 2, 2024: 1e-5). The loss of a training row has it, that of a validation never."""
    micro_batch_sequences: int | Literal["auto"] = "auto"
    """Sequences that pass through the model at once on one rank; the gradients of a batch are accumulated over them."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens to train on, rounded down to whole batches. Not set: once through the training shards; where that is
    fewer than 100 steps, up to four times, until there are 200."""
    tokens_per_parameter: float | None = Field(default=None, gt=0)
    """Where `max_tokens` is not written: tokens to train on for each weight of hidden matrices and head, up to four
    times through the shards. Not set: 10.5 for a model with `model.depth`."""

    optimizer: str = "adamw"
    """"adamw", or "muon": Muon for matrices and AdamW for all other weights."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate at the peak of the schedule. With "muon" it is that of matrices, 0.02 where it is not written, and
    those of the other roles keep their published ratio to it; with "adamw" all roles have it."""
    min_learning_rate_fraction: float = Field(default=0.1, ge=0, le=1)
    """Learning rate of the last step, as a fraction of the peak."""
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of all steps in which the learning rate rises, rounded up to whole steps."""
    warmup_tokens: int | None = Field(default=None, ge=0)
    """The same in tokens; it goes before `warmup_fraction`."""
    schedule: Literal["cosine", "constant_decay"] = "cosine"
    """How the learning rate falls after the warm-up: along a cosine, or in a straight line after a plateau."""
    decay_fraction: float = Field(default=0.2, ge=0, le=1)
    """Fraction of all steps in which `constant_decay` falls."""

    weight_decay: float = Field(default=0.1, ge=0)
    """Weight decay: with "adamw" of weights of two or more dimensions, with "muon" of matrices."""
    weight_decay_schedule: Literal["constant", "cosine", "linear"] = "constant"
    """How the weight decay of all roles goes over the run: it stays, or falls to zero along half a cosine or a line."""
    betas: tuple[float, float] | None = (0.9, 0.95)
    """Decay rates of the running means of the gradient and of its square, each in [0, 1), for "adamw". With "muon" the
    tables of roles have them."""
    muon: MuonSettings | None = None
    matrices: RoleSettings | None = None
    embeddings: RoleSettings | None = None
    value_embeddings: RoleSettings | None = None
    head: RoleSettings | None = None
    vectors: RoleSettings | None = None
    residual_scalars: RoleSettings | None = None
    input_scalars: RoleSettings | None = None
    gradient_clip: float = Field(default=1.0, ge=0)
    """Largest norm of the whole gradient; 0 does not clip."""
    spikes: SpikeSettings = SpikeSettings()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """"bfloat16" is autocast. "auto": bfloat16 where the GPU or CPU multiplies in it, else float32."""
    compile: bool = False
    """Compile the blocks of the model with `torch.compile`."""
    activation_checkpointing: Literal["none", "full"] | int | float = "none"
    """Save memory by computing activations again in the backward pass, with the same gradients: "full" in every block,
    a number such as 2 in every second one; a fraction such as 0.5 keeps, by operation, half of the bytes that blocks
    would keep, and computes again what is cheap for its bytes."""

    validate_every_steps: int = Field(default=100, ge=0)
    """Steps between validations. 0: before the first step and after the last one only."""
    validation_tokens: int = Field(default=524_288, ge=1)
    """Tokens of the validation shards that are read, from their start; all of them where there are fewer."""
    checkpoint_every_steps: int = Field(default=500, ge=0)
    """Steps between checkpoints. 0: after the last step only."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Number of checkpoints that stay; the oldest go first."""
    sample_every_steps: int = Field(default=0, ge=0)
    """Steps between samples, which go to `samples.txt`. 0: after the last step only."""
    sample_prompts: tuple[str, ...] = ("The ", "In this ")
    """Texts that samples begin with."""
    sample_tokens: int = Field(default=100, ge=0)
    """Tokens of one sample, without its prompt."""
    tensorboard: bool = False
    """Write the metrics to `tensorboard/` in the run, too, as event files of TensorBoard. Needs the extra
    `tensorboard`."""

    @field_validator("optimizer")
    @classmethod
    def _optimizer_is_there(cls, optimizer: str) -> str:
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"set it to {' or '.join(map(repr, OPTIMIZERS))}")
        return optimizer

    @model_validator(mode="after")
    def _fit_the_optimizer(self) -> TrainSettings:
        """Defaults that depend on the optimizer, and settings that it does not read."""
        row = OPTIMIZERS[self.optimizer]
        if "learning_rate" not in self.model_fields_set:
            self.__dict__["learning_rate"] = row.learning_rate
        for name, other in ((name, other) for other, its in OPTIMIZERS.items() for name in its.reads - row.reads):
            if name in self.model_fields_set and getattr(self, name) is not None:
                raise ValueError(
                    f'{name} has no effect with optimizer "{self.optimizer}": remove it, or set optimizer to "{other}"'
                )
            self.__dict__[name] = None
        if "muon" in row.reads and self.muon is None:
            self.__dict__["muon"] = MuonSettings()
        return self

    @field_validator("batch_schedule", "window_schedule")
    @classmethod
    def _schedules_fit(cls, schedule: Schedule | None) -> Schedule | None:
        if schedule is not None:
            check_schedule(schedule)
        return schedule

    @property
    def batches(self) -> Batches:
        """The batch of every step."""
        return Batches.of(self.batch_tokens, self.batch_schedule)

    def check_batches(self, sequence_length: int, whose: str) -> None:
        """Raises `ValueError` for a batch that whole sequences do not fill; `whose` names the length."""
        for number, size in enumerate(self.batches.sizes):
            if size % sequence_length:
                place = f"batch_tokens {size}" if self.batch_schedule is None else f"batch_schedule[{number}], {size},"
                nearest = max(1, round(size / sequence_length)) * sequence_length
                raise ValueError(f"{place} is not a multiple of {whose} {sequence_length}; {nearest} is")

    def _check_checkpointing(self) -> None:
        setting = self.activation_checkpointing
        if (isinstance(setting, float) and not 0 < setting < 1) or (isinstance(setting, int) and setting < 1):
            raise ValueError(
                f'activation_checkpointing is {setting}; set it to "none", "full", a whole number from 1 on for every '
                "n-th block, or a fraction between 0 and 1 of the bytes that stay"
            )

    @model_validator(mode="after")
    def _values_fit(self) -> TrainSettings:
        betas_fit(self.betas)
        if self.micro_batch_sequences != "auto" and self.micro_batch_sequences < 1:
            raise ValueError('micro_batch_sequences must be at least 1, or "auto"')
        self._check_checkpointing()
        if self.batch_schedule is not None:
            last = self.batch_schedule[-1][1]
            if "batch_tokens" not in self.model_fields_set:
                self.__dict__["batch_tokens"] = last
            elif self.batch_tokens != last:
                raise ValueError(
                    f"batch_tokens {self.batch_tokens} is not the last batch of batch_schedule, {last}; remove "
                    "batch_tokens, or make them the same"
                )
        if self.sequence_length is not None:
            self.check_batches(self.sequence_length, "sequence_length")
        return self


# Settings that change when something is written, not what is learned: they are no part of a run's fingerprint.
OPERATIONAL_SETTINGS = frozenset(
    {
        "checkpoint_every_steps",
        "keep_checkpoints",
        "sample_every_steps",
        "sample_prompts",
        "sample_tokens",
        "tensorboard",
    }
)
# Settings with other values of which a run goes on: those, and those that say how a step is computed and what is
# measured. The task that is learned stays the same; last digits may not, so each change is recorded.
CHANGEABLE_SETTINGS = OPERATIONAL_SETTINGS | {
    "activation_checkpointing",
    "compile",
    "micro_batch_sequences",
    "precision",
    "spikes",
    "validate_every_steps",
    "validation_tokens",
}
# Settings that steer learning: a run goes on with other values of these where it is told to, as a new segment.
STEERING_SETTINGS = frozenset(
    {
        *("learning_rate", "min_learning_rate_fraction", "warmup_fraction", "warmup_tokens", "schedule"),
        *("decay_fraction", "weight_decay", "weight_decay_schedule", "betas", "gradient_clip", "z_loss"),
        *("batch_tokens", "batch_schedule", "max_tokens", "tokens_per_parameter", *ROLES),
        *("muon.momentum", "muon.momentum_start", "muon.momentum_warmup_steps", "muon.momentum_end"),
    }
)


_ANY_VOCABULARY = 256  # a [model] is checked before there are shards
# What `config.toml` of a run has besides its recipe.
_OF_A_RUN = frozenset({"changes", "data", "origin", "plan", "resolved_model", "resolved_roles", "rollbacks"})


class TrainRecipe(RecipeSettings):
    """What training takes from a recipe. `output` is the folder of the build, whose `shards/` are read."""

    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()

    def config(self, vocab_size: int, where: str | None = None) -> GPTConfig:
        """The model's configuration for a vocabulary.

        Raises `UserError` when the settings do not fit together; `where` names the recipe's file.
        """
        where = where or self.name
        config = self.model.config(vocab_size, self.train.sequence_length, where)
        try:
            self.train.check_batches(config.sequence_length, "the preset's sequence length")
        except ValueError as error:
            raise UserError(f"{where}: train.{error}; or set train.sequence_length.") from None
        if self.train.window_schedule is not None:
            _check_windows(self.train.window_schedule, config, where)
        return config


def _check_windows(schedule: Schedule, config: GPTConfig, where: str) -> None:
    """Raises `UserError` for windows that the model does not have, or does not end with."""
    key, most = f"{where}: train.window_schedule", config.window_tokens
    if "S" not in config.layer_patterns:
        raise UserError(
            f"{key}: the model has no layers with windows (model.window_pattern is {config.window_pattern!r}); remove "
            "it, or set model.window_pattern."
        )
    if largest := next((window for _, window in schedule if window > most), None):
        raise UserError(
            f"{key}: a window of {largest} tokens is more than the model's {most}; lower it, or raise model.window."
        )
    if schedule[-1][1] != most:
        raise UserError(
            f"{key}: ends with a window of {schedule[-1][1]} tokens, and the model, as it is used, has {most}; add "
            f"[TOKENS, {most}], or set model.window to {schedule[-1][1]}."
        )


def read_tables(data: dict[str, Any], where: str) -> TrainRecipe:
    """The training part of a recipe that is already parsed; the pipeline's tables are not looked at.

    Raises `UserError` for what is wrong, also for a table that nobody knows and a [model] that describes none.
    """
    mine = {key: value for key, value in data.items() if key not in _OF_A_RUN and _may_be_mine(key)}
    recipe = validate(TrainRecipe, mine, where)
    recipe.config(_ANY_VOCABULARY, where)
    return recipe


def _may_be_mine(key: str) -> bool:
    """Whether a key is one of training's, or looks like one misspelt; the others are for the pipeline to check."""
    return bool(difflib.get_close_matches(key, TrainRecipe.model_fields, n=1))


def keys_of(overrides: list[str] | None) -> frozenset[str]:
    """The key paths that `--set` sets."""
    return frozenset(assignment.partition("=")[0].strip() for assignment in overrides or ())


def load_run(recipe_path: str | Path, overrides: list[str] | None = None) -> TrainRecipe:
    """Read the training part of a recipe, with `--set key=value` overrides. Raises `UserError`."""
    return read_tables(read_recipe(Path(recipe_path), overrides or ()), str(recipe_path))
