"""A text as a model writes it: characters out of tokens, stop strings, and what is known of each token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizer.token_bytes import TextStream

STOP, END_OF_TEXT, LENGTH = "stop", "end_of_text", "length"
"""Why a text ended: a stop string, the model's own end of a text, or as many tokens as were asked for."""


@dataclass
class WrittenText:
    """What a model has written after a prompt, up to now."""

    number: int
    """The text's place among all that were asked for: those of the first prompt, then those of the next."""
    prompt: str
    text: str = ""
    """Whole characters, without the stop string that ended it."""
    ids: list[int] = field(default_factory=list)
    """Every token, that of the end of a text and those of the stop string too."""
    log_probabilities: list[float] = field(default_factory=list)
    """The log-probability of each token in nats, from the model's logits before temperature, penalty and filters."""
    ended: str | None = None
    """Why it ended; None while it is written."""

    def as_json(self) -> dict[str, Any]:
        """The fields that `groundup generate --json` prints."""
        return {
            "prompt": self.prompt,
            "text": self.text,
            "ended": self.ended,
            "ids": self.ids,
            "log_probabilities": [round(each, 6) for each in self.log_probabilities],
        }


class TextWriter:
    """Adds tokens to a `WrittenText`. What may begin a stop string is held back until more is known."""

    def __init__(self, written: WrittenText, stream: TextStream, stops: Sequence[str], end_of_text: int | None) -> None:
        self.written = written
        self._stream = stream
        self._stops = stops
        self._end_of_text = end_of_text
        self._held = ""

    def add(self, token: int, log_probability: float) -> str:
        """The text that this token makes certain."""
        self.written.ids.append(token)
        self.written.log_probabilities.append(log_probability)
        if token == self._end_of_text:
            return self.end(END_OF_TEXT)
        return self._certain(self._stream.add(token), is_last=False)

    def end(self, why: str) -> str:
        """The text that was held back; nothing where it had ended before."""
        if self.written.ended:
            return ""
        piece = self._certain(self._stream.end(), is_last=True)
        self.written.ended = self.written.ended or why
        return piece

    def _certain(self, new: str, *, is_last: bool) -> str:
        held = self._held + new
        # The stop string that is complete first, so that it does not matter how tokens cut the text.
        found = [(start + len(stop), start) for stop in self._stops if (start := held.find(stop)) >= 0]
        if found:
            self.written.ended = STOP
            certain = min(found)[1]
        elif is_last:
            certain = len(held)
        else:
            certain = len(held) - max((_beginning(held, stop) for stop in self._stops), default=0)
        self._held = held[certain:]
        self.written.text += held[:certain]
        return held[:certain]


def _beginning(text: str, stop: str) -> int:
    """The length of the longest beginning of `stop`, not all of it, that `text` ends with."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


def in_order(texts: Iterable[WrittenText]) -> Iterator[WrittenText]:
    """Those that have ended, by their numbers, each as soon as all before it have."""
    done: dict[int, WrittenText] = {}
    number = 0
    for text in texts:
        if text.ended:
            done[text.number] = text
        while number in done:
            yield done.pop(number)
            number += 1
