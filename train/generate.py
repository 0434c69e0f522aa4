"""Let a trained model write: load a run or a checkpoint with its tokenizer, and stream text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from tokenizers import Tokenizer

from manifests.errors import UserError, check_text
from model import GPT, GPTConfig
from model.generate import generate_stream
from model.sampling import NotFinite
from tokenizer.bpe import END_OF_TEXT
from tokenizer.panics import library_errors
from tokenizer.token_bytes import TextStream, token_bytes
from train.run import checkpoint
from train.run.folder import CHECKPOINTS, TOKENIZER


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
        check_text({"the prompt": prompt})
        with library_errors(_cannot_encode):  # a part may parse and fail only when it is used
            encoded = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        end_of_text = self.tokenizer.token_to_id(END_OF_TEXT)
        # A text begins after the end of another one, in training too.
        ids = encoded or ([end_of_text] if end_of_text is not None else [0])
        device = next(self.model.parameters()).device
        prompt_BT = torch.tensor([ids], dtype=torch.long, device=device)
        try:
            tokens = generate_stream(
                self.model, prompt_BT, max_new_tokens, temperature, top_k, top_p, seed, stop_token=end_of_text
            )
        except ValueError as error:
            raise UserError(f"cannot generate: {error}.") from error
        inside, first = self._pieces
        text = TextStream(inside, None if encoded else first)
        try:
            for token_B in tokens:  # the end of the text is the last one
                if int(token_B) != end_of_text and (piece := text.add(int(token_B))):
                    yield piece
        except NotFinite as error:
            raise NotFiniteModel(f"cannot generate: {error}.") from None
        if rest := text.end():
            yield rest

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
