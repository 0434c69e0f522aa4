"""Let a trained model write: load a run or a checkpoint with its tokenizer, and stream text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from tokenizers import Tokenizer

from manifests.errors import UserError, check_text
from model import GPT, GPTConfig
from model.engine import Engine
from model.sampling import NotFinite, Sampling, row_generators
from tokenizer.bpe import END_OF_TEXT
from tokenizer.panics import library_errors
from tokenizer.token_bytes import TextStream, token_bytes
from train.run import checkpoint
from train.run.folder import CHECKPOINTS, TOKENIZER
from train.written import LENGTH, TextWriter, WrittenText, in_order

_MOST_CACHE_BYTES = 2**30  # of the rows that are written at once


class NotFiniteModel(UserError):
    """What the model computes is infinite or not a number."""


@dataclass(frozen=True)
class Trained:
    """A model with its tokenizer, ready to write. `step` is that of its checkpoint."""

    model: GPT
    tokenizer: Tokenizer
    step: int

    def stream(
        self,
        prompt: str,
        max_new_tokens: int,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> Iterator[str]:
        """Pieces of text that go on from `prompt`, as they come, until the end of a text or `max_new_tokens`.

        Every piece is of whole characters; one that is not complete at the end is U+FFFD. Raises `UserError` for
        arguments that make no sense, as `NotFiniteModel` for a model whose numbers are not finite.
        """
        try:
            sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
        except ValueError as error:
            raise UserError(f"cannot generate: {error}.") from error
        for _, piece in self.texts([prompt], max_new_tokens, sampling, seed):
            if piece:
                yield piece

    def write(self, prompts: Sequence[str], max_new_tokens: int, sampling: Sampling, seed: int) -> list[WrittenText]:
        """One text for each prompt, whole, as `texts` gives them."""
        return list(in_order(text for text, _ in self.texts(prompts, max_new_tokens, sampling, seed)))

    def texts(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        sampling: Sampling,
        seed: int,
        num_samples: int = 1,
        stops: Sequence[str] = (),
    ) -> Iterator[tuple[WrittenText, str]]:
        """Write `num_samples` texts after each prompt, side by side; yield a text with each new piece, and at its end.

        Sample number n of a prompt draws from a generator with the seed `seed` + n: it is the same text alone. Raises
        the errors of `stream`.
        """
        rows = [(prompt, (seed + sample) % 2**64) for prompt in prompts for sample in range(num_samples)]
        config = self.model.config
        row_bytes = 8 * config.num_layers * config.kv_heads * config.head_width * config.sequence_length
        num_at_once = max(1, _MOST_CACHE_BYTES // row_bytes)
        try:
            for start in range(0, len(rows), num_at_once):
                yield from self._batch(rows[start : start + num_at_once], start, max_new_tokens, sampling, stops)
        except NotFinite as error:
            raise NotFiniteModel(f"cannot generate: {error}.") from None
        except ValueError as error:
            raise UserError(f"cannot generate: {error}.") from error

    def _batch(
        self,
        rows: Sequence[tuple[str, int]],
        start: int,
        max_new_tokens: int,
        sampling: Sampling,
        stops: Sequence[str],
    ) -> Iterator[tuple[WrittenText, str]]:
        """The texts of prompts and seeds that are written at once; the first has the number `start`."""
        prompts = list(dict.fromkeys(prompt for prompt, _ in rows))
        encoded = {prompt: self._encode(prompt) for prompt in prompts}
        end_of_text = self.tokenizer.token_to_id(END_OF_TEXT)
        # A text begins after the end of another one, in training too.
        begin = [0 if end_of_text is None else end_of_text]
        inside, first = self._pieces
        writers = [
            TextWriter(
                WrittenText(number, prompt),
                TextStream(inside, None if encoded[prompt] else first),
                stops,
                end_of_text,
            )
            for number, (prompt, _) in enumerate(rows, start)
        ]
        generators = [row_generators(seed, 1)[0] for _, seed in rows]
        engine = Engine(self.model)
        places = {prompt: place for place, prompt in enumerate(prompts)}
        state = engine.prefill([ids or begin for ids in encoded.values()]).take([places[prompt] for prompt, _ in rows])
        for step in engine.decode(state, max_new_tokens, sampling, generators, end_of_text):
            for row, token, log_probability in zip(step.rows, step.tokens, step.log_probabilities, strict=True):
                text = writers[row].written
                piece = writers[row].add(token, log_probability)
                if text.ended:
                    step.ended.add(row)
                if piece or text.ended:
                    yield text, piece
        for writer in writers:
            if not writer.written.ended:
                yield writer.written, writer.end(LENGTH)

    def _encode(self, prompt: str) -> list[int]:
        check_text({"the prompt": prompt})
        with library_errors(_cannot_encode):  # a part may parse and fail only when it is used
            ids: list[int] = self.tokenizer.encode(prompt, add_special_tokens=False).ids
            return ids

    @cached_property
    def _pieces(self) -> tuple[list[bytes], list[bytes]]:
        """The bytes of every token inside a text, and of one that begins it."""
        with library_errors(_cannot_encode):
            return token_bytes(self.tokenizer), token_bytes(self.tokenizer, first=True)


def _cannot_encode(why: str) -> str:
    return f"cannot generate: the run's {TOKENIZER} is damaged ({why}). Copy the tokenizer of the build there."


def load_trained(path: str | Path, device: str | torch.device | None = None) -> Trained:
    """Load the last checkpoint of a run, or the checkpoint that `path` itself is.

    Raises `UserError` when there is none, when it is damaged, or when the run has no tokenizer.
    """
    path = Path(path)
    if not (path / checkpoint.STATE_FILE).is_file():
        found = checkpoint.list_checkpoints(path / CHECKPOINTS)
        if not found:
            raise UserError(f"{path}: no checkpoint here. Give a run's folder, such as OUT/train, or train first.")
        path = found[-1]
    state = checkpoint.read_state(path)
    tokenizer = load_tokenizer(path.resolve().parents[1] / TOKENIZER)
    try:
        config = GPTConfig.from_dict(state.model_config)
        if config.num_layers > len(checkpoint.shapes_of(path)):
            raise ValueError(f"of {config.num_layers} layers, more than it has weights")
        with torch.device("meta"):  # no memory is given out for a size that may be wrong
            outline = GPT(config)
        checkpoint.check_shapes(path, outline)
        model = GPT(config)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise checkpoint.damaged(path / checkpoint.STATE_FILE, f"describes no model ({error})") from None
    checkpoint.load_model(path, model)
    model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    num_ids = max(tokenizer.get_vocab().values(), default=-1) + 1
    if num_ids > config.vocab_size:
        raise UserError(
            f"{path}: its model has {config.vocab_size} token ids, its tokenizer {num_ids}. Put the "
            f"tokenizer it was trained with at {path.resolve().parents[1] / TOKENIZER}."
        )
    return Trained(model, tokenizer, state.step)


def load_tokenizer(path: Path) -> Tokenizer:
    """Load a `tokenizer.json`. Raises `UserError`."""
    if not path.is_file():
        raise UserError(f"{path}: missing; text cannot be encoded without the run's tokenizer. Copy it there.")
    return parse_tokenizer(path.read_bytes(), str(path))


def parse_tokenizer(contents: bytes, where: str) -> Tokenizer:
    """The tokenizer that a `tokenizer.json` describes. Raises `UserError`."""
    with library_errors(lambda why: f"{where}: not a tokenizer ({why}). Copy the tokenizer of the build there."):
        tokenizer = Tokenizer.from_buffer(contents)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
