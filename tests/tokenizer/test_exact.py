"""Tokenizers that others made: what changes text is refused by name, what does no harm is set aside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer

from manifests.errors import UserError
from tokenizer.bpe import END_OF_TEXT, load_gpt2, tokenizer_bytes, train_bpe
from tokenizer.encode import BulkEncoder

_PROSE = ["The quick brown fox jumps over the lazy dog. " * 20, "don't 123 a  b c \n\n x"]
_TRAINED = tokenizer_bytes(train_bpe(_PROSE, 400, pretokenizer="gpt4"))
_Change = Callable[[dict[str, Any]], object]
_TEXTS = [
    "Hello  <x> world \n",
    f"a page on {END_OF_TEXT} and its kind {END_OF_TEXT}",
    "caf\u00e9 cafe\u0301 \u1e9b\u0323 \u212b \ufb01 \uff21",
    " leading, trailing \t ",
    "A<x>b <x>c\r\n",
]


def _changed(change: _Change) -> str:
    data = json.loads(_TRAINED)
    change(data)
    return json.dumps(data)


def _set(**parts: Any) -> _Change:
    return lambda data: data.update(parts)


def _model(**parts: Any) -> _Change:
    return lambda data: data["model"].update(parts)


def _added(content: str = "<x>", **flags: Any) -> _Change:
    plain = {"id": 400, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return lambda data: data["added_tokens"].append({**plain, "content": content, **flags})


def _words(change: _Change) -> _Change:
    return lambda data: change(data["pre_tokenizer"]["pretokenizers"])


_TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": END_OF_TEXT, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {END_OF_TEXT: {"id": END_OF_TEXT, "ids": [0], "tokens": [END_OF_TEXT]}},
}
_TRUNCATION = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
_PADDING = {
    "strategy": {"Fixed": 99},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": END_OF_TEXT,
}
_HARMLESS: dict[str, _Change] = {
    "nothing": lambda data: None,
    "NFC": _set(normalizer={"type": "NFC"}),
    "a row with NFC": _set(normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}]}),
    "an end-of-text that is not special": lambda data: data["added_tokens"][0].update(special=False),
    "one that takes white space": lambda data: data["added_tokens"][0].update(special=False, lstrip=True, rstrip=True),
    "an end-of-text that is in the vocabulary alone": lambda data: data["added_tokens"].clear(),
    "a template with an end-of-text": _set(post_processor=_TEMPLATE),
    "truncation": _set(truncation=_TRUNCATION),
    "padding": _set(padding=_PADDING),
    "an added token": _added(),
    "an added token of white space": _added("  "),
    "an added token for whole words": _added(single_word=True),
    "a normalized added token": _added(normalized=True),
    "a special token that takes white space": _added(special=True, lstrip=True, rstrip=True),
    "a special token of letters": _added("Hello", special=True),
    "a special token outside of ASCII": _added("é", special=True),
    "a gap in the ids": lambda data: data["model"]["vocab"].update({"zzz": 70_000}),
    "an added token after a gap": _added(id=90_000),
    "ignore_merges": _model(ignore_merges=True),
    "digits apart": _words(lambda parts: parts.insert(0, {"type": "Digits", "individual_digits": True})),
    "an unknown token that never comes": _model(unk_token=END_OF_TEXT),
}


@pytest.mark.parametrize("change", _HARMLESS.values(), ids=_HARMLESS)
def test_what_does_no_harm_encodes_exactly(change: _Change) -> None:
    encoder = BulkEncoder(_changed(change))
    for text in _TEXTS:
        ids = encoder.encode(text)
        assert encoder.decode(ids) == text
        assert encoder.end_of_text_id not in ids
        assert ids.max() < encoder.vocab_size
    encoder.check_equal(_TEXTS)
    # The audit and the trainer decode with the file itself.
    published = Tokenizer.from_str(_changed(change))
    for text in _TEXTS:
        assert published.decode(encoder.encode(text).tolist(), skip_special_tokens=False) == text


def test_composed_text_has_the_ids_of_the_whole_tokenizer() -> None:
    contents = _changed(_set(normalizer={"type": "NFC"}))
    whole = Tokenizer.from_str(contents)
    for text in ("caf\u00e9", "plain", "\u4f60\u597d"):
        assert BulkEncoder(contents).encode(text).tolist() == whole.encode(text).ids


def _metaspace(**parts: Any) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True, **parts}


_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
_LLAMA = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, _REPLACE]}
_BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
_REFUSED: dict[str, tuple[_Change, str]] = {
    "NFKC": (_set(normalizer={"type": "NFKC"}), "its normalizer NFKC changes text"),
    "NFD": (_set(normalizer={"type": "NFD"}), "its normalizer NFD changes text"),
    "NFC and lower case": (
        _set(normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}),
        "its normalizer Lowercase changes text",
    ),
    "Llama's": (_set(normalizer=_LLAMA), "its normalizer Prepend changes text"),
    "Replace": (_set(normalizer=_REPLACE), "its normalizer Replace changes text"),
    "BERT's": (_set(normalizer={**_BERT, "lowercase": True}), "its normalizer BertNormalizer changes text"),
    "Strip": (_set(normalizer={"type": "Strip", "strip_left": True, "strip_right": True}), "its normalizer Strip"),
    "accents": (_set(normalizer={"type": "StripAccents"}), "its normalizer StripAccents"),
    "a map of characters": (_set(normalizer={"type": "Precompiled", "precompiled_charsmap": ""}), "Precompiled"),
    "lstrip": (_added(lstrip=True), r"its added token '<x>' takes the white space beside it \(lstrip\): set that to"),
    "rstrip": (_added("<mask>", rstrip=True), r"its added token '<mask>' takes the white space beside it \(rstrip\)"),
    "a token that decodes otherwise": (_added("é"), r"its added token 'é' is given back as '\\ufffd': take it out"),
    "Metaspace": (_set(pre_tokenizer=_metaspace()), "its pre_tokenizer Metaspace changes text"),
    "white space": (_set(pre_tokenizer={"type": "Whitespace"}), "its pre_tokenizer Whitespace changes text"),
    "words of BERT": (_set(pre_tokenizer={"type": "BertPreTokenizer"}), "its pre_tokenizer BertPreTokenizer"),
    "white space before bytes": (
        _words(lambda parts: parts.insert(0, {"type": "WhitespaceSplit"})),
        "its pre_tokenizer WhitespaceSplit changes text",
    ),
    "what a split removes": (_words(lambda parts: parts[0].update(behavior="Removed")), "its pre_tokenizer Split"),
    "a space before the text": (
        _words(lambda parts: parts[1].update(add_prefix_space=True)),
        "its pre_tokenizer ByteLevel with add_prefix_space changes text",
    ),
    "no bytes": (_words(lambda parts: parts.pop()), "its pre_tokenizer without ByteLevel"),
    "no words": (_set(pre_tokenizer=None), "its pre_tokenizer without ByteLevel"),
    "no decoder": (_set(decoder=None), "its decoder, which is not ByteLevel,"),
    "another decoder": (_set(decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}), "its decoder"),
    "dropout": (_model(dropout=0.1), "its model's dropout"),
    "ends of words": (_model(end_of_word_suffix="</w>"), "its model's end_of_word_suffix"),
    "parts of words": (_model(continuing_subword_prefix="##"), "its model's continuing_subword_prefix"),
    "another model": (_set(model={"type": "Unigram", "vocab": []}), "its model Unigram"),
    "a byte that is not there": (lambda data: data["model"]["vocab"].pop("Ã"), "lacks 1 of the 256 bytes, such as 'Ã'"),
    "two tokens of one id": (_model(vocab={"a": 1, "b": 1}), "two tokens of its vocabulary have one id"),
    "an added token with the id of another": (
        lambda data: (data["model"]["vocab"].update(zzz=len(data["model"]["vocab"]) + 1), _added()(data)),
        "two of its tokens have one id",
    ),
    "an id without end": (lambda data: data["model"]["vocab"].update(zzz=2**32 - 1), "has the id 4,294,967,295"),
    "ids that are none": (lambda data: data["model"]["vocab"].update(zzz="1"), "no `vocab` of tokens and ids"),
    "added tokens in a table": (_set(added_tokens={"a": 1}), "its `added_tokens` are no list of tokens"),
    "added tokens as texts": (_set(added_tokens=["a"]), "its `added_tokens` are no list of tokens"),
    "no model": (_set(model=None), "it has no `model`"),
    "no end-of-text": (
        lambda data: (data["model"]["vocab"].pop(END_OF_TEXT), data["added_tokens"][0].update(content="</s>")),
        r"has no token <\|endoftext\|> \(it has </s>\), which ends a document",
    ),
}


@pytest.mark.parametrize(("change", "message"), _REFUSED.values(), ids=_REFUSED)
def test_what_changes_text_is_refused_by_name(change: _Change, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        BulkEncoder(_changed(change))
    assert "\n" not in str(caught.value)


def test_the_trial_alone_finds_what_changes_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that nobody has thought of are found by their effect."""
    monkeypatch.setattr("tokenizer.encode.check_parts", lambda *_: None)
    for change in (
        _set(decoder=None),
        _words(lambda parts: parts[1].update(add_prefix_space=True)),
        _added("a", rstrip=True),
    ):
        with pytest.raises(UserError, match=r"its tokens spell|give different ids"):
            BulkEncoder(_changed(change))


def test_a_published_vocabulary_is_exact(shared_data: Any) -> None:
    encoder = BulkEncoder(tokenizer_bytes(load_gpt2(str(shared_data / "tokenizer/gpt2"))))
    assert (encoder.vocab_size, encoder.end_of_text_id) == (50_257, 50_256)
    encoder.check_equal(_TEXTS)
