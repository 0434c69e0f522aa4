"""Whether a `tokenizer.json` spells every text exactly: which of its parts change text, and a trial on hard texts.

A token of a shard stands for bytes of a document, so ids must decode to just the text that was encoded. Of a tokenizer
that others made, the parts that change or drop characters are refused by name before anything is encoded. What does no
harm is set aside: truncation, padding, templates that add tokens, and composing characters (NFC).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tokenizers import pre_tokenizers

from manifests.errors import UserError

MOST_IDS = 1 << 24
"""Ids that a vocabulary may have; libraries hold a table as long as the largest one."""

_INSTEAD = "use a byte-level BPE that keeps text as it is, such as GPT-2's, or have one trained."
_SPECIAL = 'mark it "special": true, and it is not looked for in documents.'
_DROPPING = ("Removed",)  # behaviours of splits that drop what they match
_KEEPING = frozenset({"ByteLevel", "Split", "Digits", "Punctuation", "UnicodeScripts", "FixedLength"})
_HARD_TEXTS = (
    *("", " ", "  two  spaces ", "\ttab\t", " \n \r\n \n\n", "line end at the end\n", "ends with a space "),
    *(
        "A B C UPPER Title iPhone",
        "don't do n't . , ! ? it 's we 'll",
        "1234567 3.14 1,000",
        "a_b-c/d\\e@f#g$h%i^j&k",
    ),
    *("caf\u00e9 cafe\u0301 \u1e9b\u0323", "\ufb01 \u00bd \u2460 \uff21\uff42 \u212b \u2126 \u0958"),
    *("\u0130 \u0131 \u00df \u1e9e", "\u00a0\u2003\u3000\u200b\u200d\u2060\ufeff", "\x00\x01\x1b\x7f\x85\u2028\u2029"),
    *("\ufffd\ufdd0\U0010ffff\ue000", "\u2581a\u2581b \u0120c\u010a <0x0A> ##d e@@ f</w> [UNK] <unk> <s> </s>"),
    *("\u4f60\u597d\u3002\u3053 \uc548\ub155", "\u0e44\u0e17\u0e22", "\u0627\u0644\u0652 \u202b\u05d0\u202c"),
    *("\U0001f469\u200d\U0001f4bb\U0001f1e9\U0001f1ea\u2764\ufe0f", "\u088f\U00023bb0\U0001e900"),
    *("a" * 1000, "-" * 300, " " * 300, "\n" * 50),
)


def check_parts(data: dict[str, Any], end_of_text: str) -> None:
    """Raises `UserError`, which names the part, for parts of a `tokenizer.json` by which tokens spell another text."""
    if not isinstance(data, dict) or not isinstance(data.get("model"), dict):
        raise UserError("not a tokenizer.json: it has no `model`.")
    tokens = data.get("added_tokens") or []
    if not isinstance(tokens, list) or not all(isinstance(token, dict) for token in tokens):
        raise UserError("not a tokenizer.json: its `added_tokens` are no list of tokens.")
    for part in _changing_parts(data):
        raise UserError(f"its {part} changes text, so its tokens would not spell the documents: {_INSTEAD}")
    _check_vocabulary(data["model"].get("vocab"))
    for token in _in_text(data, end_of_text):
        for flag in ("lstrip", "rstrip"):
            if token.get(flag):
                raise UserError(
                    f"its added token {token['content']!r} takes the white space beside it ({flag}): set that to "
                    f"false, or {_SPECIAL}"
                )


def _check_vocabulary(vocabulary: Any) -> None:
    if not isinstance(vocabulary, dict) or not all(isinstance(number, int) for number in vocabulary.values()):
        raise UserError("not a tokenizer.json: its model has no `vocab` of tokens and ids.")
    if (largest := max(vocabulary.values(), default=0)) >= MOST_IDS:
        raise UserError(f"a token of its vocabulary has the id {largest:,}; ids go up to {MOST_IDS - 1:,}.")
    if len(set(vocabulary.values())) < len(vocabulary):
        raise UserError("two tokens of its vocabulary have one id, so one of them would be read as the other.")
    if missing := sorted(set(pre_tokenizers.ByteLevel.alphabet()) - set(vocabulary)):
        raise UserError(
            f"its vocabulary lacks {len(missing)} of the 256 bytes, such as {missing[0]!r}, so that texts would lose "
            f"characters: {_INSTEAD}"
        )


def without_harmless_parts(data: dict[str, Any], end_of_text: str) -> dict[str, Any]:
    """A `tokenizer.json` for texts as they are: whole, without tokens that no text has, its end-of-text special."""
    tokens = [
        {**token, "special": True} if token.get("content") == end_of_text else token
        for token in data.get("added_tokens") or []
    ]
    left_out = dict.fromkeys(("truncation", "padding", "post_processor", "normalizer"))
    return {**data, **left_out, "added_tokens": tokens}


def tokens_in_text(data: dict[str, Any], end_of_text: str) -> list[str]:
    """Added tokens that are looked for in documents: those that are not special."""
    return [str(token["content"]) for token in _in_text(data, end_of_text)]


def hard_texts(added: list[str], end_of_text: str) -> list[str]:
    """Texts that a tokenizer which changes text would not give back. `added`: tokens that it looks for in texts."""
    tokens = [*added, end_of_text]
    return [*(text for token in tokens for text in (token, f"a {token} b", f"a{token}{token}B ")), *_HARD_TEXTS]


def check_spelling(text: str, found: str) -> None:
    """Raises `UserError` where the tokens of a text spell another one."""
    if found == text:
        return
    pairs = enumerate(zip(text, found, strict=False))
    place = next((number for number, (a, b) in pairs if a != b), min(len(text), len(found)))
    near = slice(max(0, place - 20), place + 20)
    raise UserError(f"its tokens spell {found[near]!a} where a text has {text[near]!a}: {_INSTEAD}")


def check_added(token: str, found: str) -> None:
    """Raises `UserError` where an added token, which is looked for in documents, is spelt as something else."""
    if found != token:
        raise UserError(f"its added token {token!r} is given back as {found!a}: take it out, or {_SPECIAL}")


def _in_text(data: dict[str, Any], end_of_text: str) -> Iterator[dict[str, Any]]:
    for token in data.get("added_tokens") or []:
        if not token.get("special") and token.get("content") not in (None, "", end_of_text):
            yield token


def _changing_parts(data: dict[str, Any]) -> Iterator[str]:
    """Names of the parts that change text."""
    model = data["model"]
    if model.get("type", "BPE") != "BPE":
        yield f"model {model['type']}"
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            yield f"model's {key}"
    for part in _flat(data.get("normalizer"), "normalizers"):
        if part.get("type") != "NFC":
            yield f"normalizer {part.get('type')}"
    cutting = list(_flat(data.get("pre_tokenizer"), "pretokenizers"))
    for part in cutting:
        if part.get("type") not in _KEEPING or part.get("behavior") in _DROPPING:
            yield f"pre_tokenizer {part.get('type')}"
        if part.get("add_prefix_space"):
            yield f"pre_tokenizer {part['type']} with add_prefix_space"
    if not any(part.get("type") == "ByteLevel" for part in cutting):
        yield "pre_tokenizer without ByteLevel"
    if [part.get("type") for part in _flat(data.get("decoder"), "decoders")] != ["ByteLevel"]:
        yield "decoder, which is not ByteLevel,"


def _flat(part: Any, inner: str) -> Iterator[dict[str, Any]]:
    if not isinstance(part, dict):
        return
    if part.get("type") == "Sequence":
        for inside in part.get(inner) or []:
            yield from _flat(inside, inner)
    else:
        yield part
