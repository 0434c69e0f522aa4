"""The signals of a text by plain, slow Python: what the compiled code is compared with.

Words are split by regular expressions, repetition is counted in dictionaries, nothing is hashed by our own code. What
the two share are lists: the exceptions of the boundaries, and the marks of `characters`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from pipeline.filters.bad_words import load_bad_words
from pipeline.filters.boundaries import STYLES, UNITS, UNSPACED_LANGUAGES, exceptions
from pipeline.filters.settings import FilterSettings
from pipeline.filters.stop_words import default_stop_words
from pipeline.filters.text.characters import PUNCTUATION, SENTENCE_ENDS, TERMINAL_PUNCTUATION
from pipeline.filters.text.pieces import ELISIONS_SPLIT, HYPHENS_SPLIT, LONGEST_PIECE, STOPS_AFTER_DIGITS_SPLIT

Signals = dict[str, float | None]


def _char_class(predicate: Callable[[str], bool], stop: int = 0x10000, start: int = 0x80) -> str:
    """The inside of a regex character class: all characters of a code point range that meet a predicate."""
    ranges: list[list[int]] = []
    for code in range(start, stop):
        if 0xD800 <= code < 0xE000 or not predicate(chr(code)):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(a)}-{chr(b)}" if b > a else chr(a) for a, b in ranges)


def _is_uncased_letter(char: str) -> bool:
    return unicodedata.category(char) == "Lo"


_SYMBOLS = _char_class(lambda char: unicodedata.category(char) == "So")
_SYMBOLS += _char_class(lambda char: unicodedata.category(char) == "So", 0x1FB00, 0x1F000)
_UNCASED = _char_class(_is_uncased_letter)
_LOWER = "a-z" + _char_class(str.islower, 0x2000) + _UNCASED
_UPPER = "A-Z" + _char_class(str.isupper, 0x2000) + _UNCASED
_LETTER = _LOWER + _UPPER

_MARKS = ",:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_CURRENCY = "$£€¥฿₽﷼₴" + "".join(map(chr, range(0x20A0, 0x20C0)))


def _escape(chars: str) -> str:
    return "".join("\\" + char if char in "\\]^-[" else char for char in chars)


_OUTER_MARKS = _escape("—–…" + _MARKS + _QUOTES) + _SYMBOLS
_LONE_MARKS = "%=" + _OUTER_MARKS

_LONGEST_UNIT = max(map(len, UNITS))
_PREFIX = re.compile(rf"\.\.+|(?:US|[CA])\$|\+(?![0-9])|[§{_escape(_CURRENCY)}{_LONE_MARKS}]")
_SUFFIX_MARK = re.compile(rf"[{_OUTER_MARKS}]")
_BEFORE_FULL_STOP = re.compile(rf"(?:[0-9%²+\-{_escape(_MARKS + _QUOTES)}{_LOWER}]|[{_UPPER}][{_UPPER}])\Z")
_INFIX_HINT = re.compile(rf"[-+*^.,:<>=/~–—…{_SYMBOLS}]")
_HYPHEN = rf"|(?<=[{_LETTER}0-9])(?:---?|——|[-–—~])(?=[{_LETTER}])"
_ELISION = rf"|(?<=[{_LETTER}]['’])(?=[{_LETTER}])"
_INFIXES = (
    r"\.\.+|…|"
    rf"[{_SYMBOLS}]"
    r"|[-+*^](?<=[0-9].)(?=[0-9-])"
    rf"|\.(?<=[{_LOWER}{_escape(_QUOTES)}]\.)(?=[{_UPPER}{_escape(_QUOTES)}])"
    rf"|,(?<=[{_LETTER}],)(?=[{_LETTER}])"
    rf"|[:<>=/](?<=[{_LETTER}0-9].)(?=[{_LETTER}])"
)
_URL = re.compile(
    r"(?:[\w+\-.]{2,}://)?(?:[^\s@]+@)?"
    r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
    rf"|(?:[A-Za-z0-9\u00a1-\uffff][A-Za-z0-9\u00a1-\uffff_-]*(?<!_)(?<!-)\.)+[{_LOWER}]{{2,63}})"
    r"(?::[0-9]{2,5})?(?:[/?#]\S*)?\Z"
)
_LONG_PIECE = re.compile(rf"\.\.+|[{_LONE_MARKS}]|(?:(?!\.\.)[^{_LONE_MARKS}])+")


class Splitter:
    """The word boundaries of a language."""

    def __init__(self, language: str) -> None:
        self.exceptions = exceptions(language)
        self.style = STYLES.get(language, HYPHENS_SPLIT | STOPS_AFTER_DIGITS_SPLIT)
        hyphen = _HYPHEN if self.style & HYPHENS_SPLIT else ""
        elision = _ELISION if self.style & ELISIONS_SPLIT else ""
        self.infix = re.compile(_INFIXES + hyphen + elision)

    def split(self, piece: str) -> tuple[str, ...]:
        """The words of a piece of text without whitespace; joined they are the piece again."""
        known = self.exceptions.get(piece)
        if known is not None:
            return known
        if piece.isalpha():
            return (piece,)
        stem, last = piece[:-1], piece[-1:]
        if last in ",;:!?.)" and stem.isalpha() and (last != "." or stem[-1].islower()):
            return (*self.exceptions.get(stem, (stem,)), last)
        if len(piece) > LONGEST_PIECE:
            return tuple(_LONG_PIECE.findall(piece))
        before: list[str] = []
        after: list[str] = []
        rest = piece
        while rest:
            if rest in self.exceptions:
                break
            prefix = _prefix_length(rest)
            if prefix and rest[prefix:] in self.exceptions:
                before.append(rest[:prefix])
                rest = rest[prefix:]
                break
            suffix = self._suffix_length(rest[prefix:]) if prefix < len(rest) else 0
            if suffix and rest[:-suffix] in self.exceptions:
                after.append(rest[-suffix:])
                rest = rest[:-suffix]
                break
            if not prefix and not suffix:
                break
            if prefix:
                before.append(rest[:prefix])
            if suffix:
                after.append(rest[-suffix:])
            rest = rest[prefix : len(rest) - suffix]
        if rest:
            before.extend(self.exceptions.get(rest) or self._split_inside(rest))
        after.reverse()
        return (*before, *after)

    def _suffix_length(self, text: str) -> int:
        last = text[-1]
        if last == ".":
            if text.endswith(".."):
                return len(text) - len(text.rstrip("."))
            if not self.style & STOPS_AFTER_DIGITS_SPLIT and text[-2:-1] in tuple("0123456789"):
                return 0
            return 1 if _BEFORE_FULL_STOP.search(text, max(0, len(text) - 3), len(text) - 1) else 0
        if last in "sS":
            return 2 if text[-2:-1] in ("'", "’") else 0
        if _SUFFIX_MARK.match(last):
            return 2 if text.endswith("……") else 1
        if len(text) > 1 and not last.isdigit():
            if text[-2] in "0123456789" and (last == "+" or last in _CURRENCY):
                return 1
            for length in range(1, min(_LONGEST_UNIT, len(text) - 1) + 1):
                if text[-length - 1] in "0123456789":
                    return length if text[-length:] in UNITS else 0
        return 0

    def _split_inside(self, text: str) -> list[str]:
        has_hint = _INFIX_HINT.search(text) or (self.style & ELISIONS_SPLIT and self.infix.search(text))
        if not has_hint or ("." in text and _URL.match(text)):
            return [text]
        words: list[str] = []
        start = 0
        for match in self.infix.finditer(text):
            if match.start() == 0:
                continue
            if match.start() > start:
                words.append(text[start : match.start()])
            if match.group():
                words.append(match.group())
            start = match.end()
        if start < len(text):
            words.append(text[start:])
        return words


def _prefix_length(text: str) -> int:
    match = _PREFIX.match(text)
    return match.end() if match else 0


_splitter = functools.cache(Splitter)
# Ideographs, kana, Thai, Lao, Tibetan, Myanmar, Khmer with their marks.
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
_UNSPACED += "\uff66-\uff9d\U00020000-\U0003ffff"
_UNSPACED_PIECE = re.compile(f"[{_UNSPACED}]|[^{_UNSPACED}]+")


def split_words(text: str, language: str) -> list[str]:
    """The words of a text."""
    splitter = _splitter(language)
    pieces = text.split()
    if language not in UNSPACED_LANGUAGES:
        return [word for piece in pieces for word in splitter.split(piece)]
    parts = [part for piece in pieces for part in _UNSPACED_PIECE.findall(piece)]
    return [word for part in parts for word in ((part,) if len(part) == 1 else splitter.split(part))]


def duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """How many parts stood before in the sequence, and their characters."""
    seen: set[str] = set()
    found = [part for part in parts if part in seen or seen.add(part)]
    return len(found), sum(map(len, found))


def top_ngram(words: list[str], n: int) -> int:
    ngrams = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    if not ngrams:
        return 0
    ngram, count = ngrams.most_common(1)[0]
    return len(ngram) * count


def duplicate_ngrams(words: list[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    characters = position = 0
    while position + n <= len(words):
        ngram = tuple(words[position : position + n])
        if ngram in seen:
            characters += sum(map(len, ngram))
            position += n
        else:
            seen.add(ngram)
            position += 1
    return characters


def repetition(text: str, language: str) -> Signals:
    words = split_words(text, language)
    paragraphs, lines = re.split("\n{2,}", text.strip()), re.split("\n+", text)
    size = max(len(text), 1)
    signals: Signals = {}
    for name, parts in (("paragraph", paragraphs), ("line", lines)):
        number, characters = duplicates(parts)
        signals[f"duplicate_{name}_fraction"] = number / len(parts)
        signals[f"duplicate_{name}_character_fraction"] = characters / size
    signals |= {f"top_{n}gram_fraction": top_ngram(words, n) / size for n in (2, 3, 4)}
    return signals | {f"duplicate_{n}gram_fraction": duplicate_ngrams(words, n) / size for n in range(5, 11)}


def quality(text: str, language: str, stop_words: list[str]) -> Signals:
    words = split_words(text, language)
    plain = [word for word in words if not PUNCTUATION.issuperset(word)]
    lines = [line.strip() for line in text.splitlines()]
    num_words, num_lines = max(len(words), 1), max(len(lines), 1)
    mean = sum(map(len, plain)) / max(len(plain), 1)
    return {
        "num_words": len(plain),
        "mean_word_length": None if language in UNSPACED_LANGUAGES else mean,
        "hash_fraction": text.count("#") / num_words,
        "ellipsis_fraction": (text.count("...") + text.count("…")) / num_words,
        "bullet_line_fraction": sum(line.startswith(("•", "-")) for line in lines) / num_lines,
        "ellipsis_line_fraction": sum(line.endswith(("...", "…")) for line in lines) / num_lines,
        "alphabetic_word_fraction": sum(any(map(str.isalpha, word)) for word in words) / num_words,
        "num_stop_words": len(set(stop_words) & set(words)) if stop_words else None,
    }


_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def count_sentences(words: list[str]) -> int:
    """One, and one more wherever a plain word follows sentence-ending marks."""
    number, is_ended = 1, False
    for word in words:
        if word in SENTENCE_ENDS:
            is_ended = True
        elif not all(unicodedata.category(character)[0] == "P" for character in word):
            number += is_ended
            is_ended = False
    return number


def c4(text: str, language: str, settings: FilterSettings) -> tuple[Signals, str, Counter[str]]:
    """C4's signals, the text that is left, and what was removed from it."""
    rules = settings.c4
    is_spaced = language not in UNSPACED_LANGUAGES
    kept: list[str] = []
    edits: Counter[str] = Counter()
    counts = dict.fromkeys(("num_lorem_ipsum_lines", "num_curly_bracket_lines", "num_lines", "num_sentences"), 0)
    for line in (line.strip() for line in text.splitlines()):
        pieces = line.split()
        words = split_words(line, language)
        longest = max(map(len, pieces if is_spaced else words), default=0)
        cleaned, num_citations = _CITATION.subn("", line) if rules.remove_citations else (line, 0)
        reason = None
        if 0 < rules.max_word_length < longest:
            reason = "long_word"
        elif rules.require_terminal_punctuation and (
            not cleaned.endswith((".", "?", "!", '"', "'")) or cleaned.endswith("...")
        ):
            reason = "no_terminal_punctuation"
        elif len(pieces if is_spaced else words) < rules.min_words_per_line:
            reason = "few_words"
        else:
            counts["num_lorem_ipsum_lines"] += "lorem ipsum" in cleaned.lower()
            if rules.remove_javascript_lines and "javascript" in cleaned.lower():
                reason = "javascript"
            else:
                counts["num_curly_bracket_lines"] += "{" in cleaned
                if rules.remove_policy_lines and any(policy in cleaned.lower() for policy in _POLICIES):
                    reason = "policy"
        if reason:
            edits[f"c4_{reason}"] += bool(pieces)
            continue
        kept.append(cleaned)
        left = split_words(cleaned, language)
        counts["num_lines"] += bool(left)
        counts["num_sentences"] += count_sentences(left) if left else 0
        edits["c4_citations"] += num_citations
    result = "\n".join(kept).strip()
    path = rules.bad_words.get(language)
    num_bad = load_bad_words(path, is_spaced).count(result) if path else None
    return {**counts, "num_bad_words": num_bad}, result, +edits


def fineweb(text: str, language: str, short_line_length: int) -> Signals:
    lines = [line for line in text.split("\n") if line.strip()]
    num_lines = max(len(lines), 1)
    num_new_lines = text.count("\n")
    return {
        "punctuated_line_fraction": sum(line[-1] in TERMINAL_PUNCTUATION for line in lines) / num_lines,
        "short_line_fraction": sum(len(line) <= short_line_length for line in lines) / num_lines,
        "duplicate_line_character_fraction": duplicates(lines)[1] / max(len(text) - num_new_lines, 1),
        "new_lines_per_word": num_new_lines / max(len(split_words(text, language)), 1),
    }


def read(text: str, language: str | None, settings: FilterSettings) -> tuple[Signals, str, Counter[str]]:
    """All signals of the settings' rules by name, the text that is left, and the edits."""
    spoken = "en" if language in (None, "und") else language
    assert spoken is not None
    stop_words = settings.gopher_quality.stop_words.get(spoken, default_stop_words().get(spoken, []))
    signals: Signals = {"text.num_words": len(split_words(text, spoken))}
    current, edits = text, Counter[str]()
    for rule in settings.rules:
        if rule == "gopher_repetition":
            found = repetition(current, spoken)
        elif rule == "gopher_quality":
            found = quality(current, spoken, stop_words)
        elif rule == "c4":
            found, left, removed = c4(current, spoken, settings)
            if left != current:
                current, edits = left, removed
        else:
            found = fineweb(current, spoken, settings.fineweb.short_line_length)
        signals |= {f"{rule}.{name}": value for name, value in found.items()}
    return signals, current, edits
