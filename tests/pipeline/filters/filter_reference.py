"""The signals of a text by plain, slow Python: what the compiled code is compared with.

Words are split by regular expressions, repetition is counted in dictionaries, nothing is hashed by our own code. What
the two share are lists and tables: the exceptions of the boundaries, the marks of `characters`, what fits a language
and a script.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from pipeline.filters.bad_words import load_bad_words
from pipeline.filters.boundaries import UNITS, boundaries_of, exceptions
from pipeline.filters.fit import fit_of
from pipeline.filters.settings import FilterSettings
from pipeline.filters.stop_words import default_stop_words
from pipeline.filters.text.characters import PUNCTUATION, SENTENCE_ENDS, TERMINAL_PUNCTUATION
from pipeline.filters.text.measure import MARKS_ASIDE
from pipeline.filters.text.measurer import code_points
from pipeline.filters.text.pieces import (
    ELISIONS_SPLIT,
    HYPHENS_SPLIT,
    LETTERS_JOIN,
    LONGEST_PIECE,
    STOPS_AFTER_DIGITS_SPLIT,
)
from pipeline.filters.text.scripts import UNITS_PER_WORD, script_of_text

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


_SEPARATORS = "\u0f0b\u0f0c\u1361\u16eb\u16ec\u16ed\u200b\U00010100\U00010101\U0001039f\U000103d0\U0001091f"


def _is_other_mark(char: str) -> bool:
    """Punctuation of a script that is not Latin, Greek or Cyrillic, which neither joins words nor parts them."""
    if unicodedata.category(char) not in ("Po", "Ps", "Pe", "Pi", "Pf"):
        return False
    return char not in _SEPARATORS and not 0x2000 <= ord(char) <= 0x303F


def _is_mark_on_letter(char: str) -> bool:
    """Joiners too, but not what chooses how an emoji looks."""
    is_selector = 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF
    return char in "\u200c\u200d" or (unicodedata.category(char) in ("Mn", "Mc") and not is_selector)


_OTHER_MARKS = _char_class(_is_other_mark, 0x20000, 0x530)
_ON_LETTER = _char_class(_is_mark_on_letter, 0xE0200)
_OUTER_MARKS = _escape("—–…" + _MARKS + _QUOTES) + _SYMBOLS + _OTHER_MARKS
_PLAIN_MARKS = re.compile(rf"[{_escape(''.join(sorted(PUNCTUATION)))}{_OTHER_MARKS}]+")
_LONE_MARKS = "%=" + _OUTER_MARKS

_LONGEST_UNIT = max(map(len, UNITS))
_PREFIX = re.compile(rf"\.\.+|(?:US|[CA])\$|\+(?![0-9])|[§{_escape(_CURRENCY)}{_LONE_MARKS}]")
_SUFFIX_MARK = re.compile(rf"[{_OUTER_MARKS}]")
_BEFORE_FULL_STOP = re.compile(rf"(?:[0-9%²+\-{_escape(_MARKS + _QUOTES)}{_LOWER}{_ON_LETTER}]|[{_UPPER}][{_UPPER}])\Z")
_INFIX_HINT = re.compile(rf"[-+*^.,:<>=/~–—…{_SYMBOLS}]")
_HYPHEN = rf"|(?<=[{_LETTER}0-9])(?:---?|——|[-–—~])(?=[{_LETTER}])"
_ELISION = rf"|(?<=[{_LETTER}]['’])(?=[{_LETTER}])"
_INFIXES = (
    r"\.\.+|…|"
    rf"[{_SYMBOLS}]"
    r"|[-+*^](?<=[0-9].)(?=[0-9-])"
    rf"|\.(?<=[{_LOWER}{_escape(_QUOTES)}]\.)(?=[{_UPPER}{_escape(_QUOTES)}])"
    rf"|,(?<=[{_LETTER}],)(?=[{_LETTER}])"
)
_SIGNS = rf"|[<>=/](?<=[{_LETTER}0-9].)(?=[{_LETTER}])"
_COLON = rf"|:(?<=[{_LETTER}0-9].)(?=[{_LETTER}])"
_URL = re.compile(
    r"(?:[\w+\-.]{2,}://)?(?:[^\s@]+@)?"
    r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
    rf"|(?:[A-Za-z0-9\u00a1-\uffff][A-Za-z0-9\u00a1-\uffff_-]*(?<!_)(?<!-)\.)+[{_LOWER}]{{2,63}})"
    r"(?::[0-9]{2,5})?(?:[/?#]\S*)?\Z"
)
_LONG_PIECE = re.compile(rf"\.\.+|[{_LONE_MARKS}]|(?:(?!\.\.)[^{_LONE_MARKS}])+")


def _is_in_word(text: str) -> bool:
    return bool(text) and all(char.isalpha() or _is_mark_on_letter(char) for char in text)


class Splitter:
    """The word boundaries of a language in a script."""

    def __init__(self, language: str, script: str | None) -> None:
        boundaries = boundaries_of(language, script)
        self.exceptions = exceptions(language)
        self.style = boundaries.style
        self.is_spaced = boundaries.is_spaced
        hyphen = _HYPHEN if self.style & HYPHENS_SPLIT else ""
        elision = _ELISION if self.style & ELISIONS_SPLIT else ""
        colon = "" if self.style & LETTERS_JOIN else _COLON
        self.infix = re.compile(_INFIXES + _SIGNS + colon + hyphen + elision)

    def split(self, piece: str) -> tuple[str, ...]:
        """The words of a piece of text without whitespace; joined they are the piece again."""
        known = self.exceptions.get(piece)
        if known is not None:
            return known
        if _is_in_word(piece):
            return (piece,)
        stem, last = piece[:-1], piece[-1:]
        if last in ",;:!?.)" and _is_in_word(stem) and (last != "." or stem[-1].islower()):
            return (*self.exceptions.get(stem, (stem,)), last)
        if len(piece) > LONGEST_PIECE:
            return tuple(_LONG_PIECE.findall(piece))
        before: list[str] = []
        after: list[str] = []
        rest = piece
        while rest:
            if rest in self.exceptions:
                break
            prefix = self._prefix_length(rest)
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

    def _joins(self, mark: str, beside: str) -> bool:
        return bool(self.style & LETTERS_JOIN) and mark in "'’‘`´" and _is_in_word(beside)

    def _prefix_length(self, text: str) -> int:
        match = None if self._joins(text[0], text[1:2]) else _PREFIX.match(text)
        return match.end() if match else 0

    def _suffix_length(self, text: str) -> int:
        last = text[-1]
        if self._joins(last, text[-2:-1]):
            return 0
        if last == ".":
            if text.endswith(".."):
                return len(text) - len(text.rstrip("."))
            if not self.style & STOPS_AFTER_DIGITS_SPLIT and text[-2:-1] in tuple("0123456789"):
                return 0
            return 1 if _BEFORE_FULL_STOP.search(text, max(0, len(text) - 3), len(text) - 1) else 0
        if last in "sS":
            return 2 if text[-2:-1] in ("'", "’") and not self.style & LETTERS_JOIN else 0
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


_splitter = functools.cache(Splitter)
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1980-\u1aaf\u1b00-\u1b7f\u1bc0-\u1bff\u3005-\u3007\u3040-\u312f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u9fff\ua000-\ua4cf\ua500-\ua63f\ua930-\ua95f\ua980-\uaadf\uf900-\ufaff"
    "\uff66-\uff9d\U00012000-\U000146ff\U00017000-\U00018dff\U0001b000-\U0001b2ff\U00020000-\U0003ffff"
)
_UNSPACED_PIECE = re.compile(
    rf"[{_UNSPACED}][{_ON_LETTER}]*|\u1361(?=\u1361)|[^{_UNSPACED}{_SEPARATORS}](?:[^{_UNSPACED}{_SEPARATORS}])*"
)
_UNIT = re.compile(rf"[{_UNSPACED}][{_ON_LETTER}]*\Z")


def split_words(text: str, language: str, script: str | None = None) -> list[str]:
    """The words of a text."""
    splitter = _splitter(language, script)
    pieces = text.split()
    if splitter.is_spaced:
        return [word for piece in pieces for word in splitter.split(piece)]
    parts = [part for piece in pieces for part in _parts(piece)]
    return [word for part in parts for word in ((part,) if _is_unit(part) else splitter.split(part))]


def _parts(piece: str) -> list[str]:
    # Two of Ethiopic's word spaces are one full stop.
    return _UNSPACED_PIECE.findall(re.sub("\u1361\u1361", "\u1361\u1361\u200b", piece))


def _is_unit(part: str) -> bool:
    return len(part) == 1 or _UNIT.match(part) is not None


def duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """How many parts stood before in the sequence, and their characters."""
    seen: set[str] = set()
    found = [part for part in parts if part in seen or seen.add(part)]
    return len(found), sum(map(len, found))


def top_ngram(words: list[str], n: int, space: str) -> int:
    ngrams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    if not ngrams:
        return 0
    ngram, count = ngrams.most_common(1)[0]
    return len(space.join(ngram)) * count


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


def repetition(text: str, language: str, script: str) -> Signals:
    words = split_words(text, language, script)
    units = UNITS_PER_WORD.get(script, 1)
    space = " " if units == 1 else ""
    paragraphs, lines = re.split("\n{2,}", text.strip()), re.split("\n+", text)
    size = max(len(text), 1)
    signals: Signals = {}
    for name, parts in (("paragraph", paragraphs), ("line", lines)):
        number, characters = duplicates(parts)
        signals[f"duplicate_{name}_fraction"] = number / len(parts)
        signals[f"duplicate_{name}_character_fraction"] = characters / size
    lengths = {n: int(n * units + 0.5) for n in range(2, 11)}
    signals |= {f"top_{n}gram_fraction": top_ngram(words, lengths[n], space) / size for n in (2, 3, 4)}
    return signals | {f"duplicate_{n}gram_fraction": duplicate_ngrams(words, lengths[n]) / size for n in range(5, 11)}


def quality(text: str, language: str, script: str, stop_words: list[str]) -> Signals:
    words = split_words(text, language, script)
    plain = [word for word in words if not _PLAIN_MARKS.fullmatch(word)]
    is_aside = boundaries_of(language, script).style & MARKS_ASIDE
    num_judged = max(len(plain), 1) if is_aside else max(len(words), 1)
    lines = [line.strip() for line in text.splitlines()]
    num_words, num_lines = max(len(words), 1), max(len(lines), 1)
    mean = sum(not _is_mark_on_letter(char) for word in plain for char in word) / max(len(plain), 1)
    return {
        "num_words": len(plain),
        "mean_word_length": mean,
        "hash_fraction": text.count("#") / num_words,
        "ellipsis_fraction": (text.count("...") + text.count("…")) / num_words,
        "bullet_line_fraction": sum(line.startswith(("•", "-")) for line in lines) / num_lines,
        "ellipsis_line_fraction": sum(line.endswith(("...", "…")) for line in lines) / num_lines,
        "alphabetic_word_fraction": sum(any(map(str.isalpha, word)) for word in words) / num_judged,
        "num_stop_words": len(set(stop_words) & set(words)),
    }


_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def count_sentences(words: list[str], full_stop: str) -> int:
    """One, and one more wherever a plain word follows sentence-ending marks."""
    number, is_ended = 1, False
    for word in words:
        if word in SENTENCE_ENDS or word == full_stop:
            is_ended = True
        elif not all(unicodedata.category(character)[0] == "P" for character in word):
            number += is_ended
            is_ended = False
    return number


def _has_code(line: str) -> bool:
    """Whether a curly bracket looks like code's: not TeX's, not of MediaWiki's language variants, not around a word."""
    for match in re.finditer(r"\{", line):
        before, behind = line[match.start() - 1 : match.start()] or " ", line[match.end() :]
        if before == ")":
            return True
        if before == "-":
            continue
        inside, closing, _ = behind.partition("}")
        if behind[:1] in ("", " ", '"', "'") or set(":;") & set(inside) or not closing:
            return True
    return False


def _full_stop(script: str) -> str:
    return {"Grek": ";", "Armn": ":", "Ethi": ":"}.get(script, "none")


def c4(text: str, language: str, script: str, settings: FilterSettings) -> tuple[Signals, str, Counter[str]]:
    """C4's signals, the text that is left, and what was removed from it."""
    rules = settings.c4
    boundaries = boundaries_of(language, script)
    is_spaced = boundaries.is_spaced
    is_code = _has_code if boundaries.style & MARKS_ASIDE else lambda line: "{" in line
    kept: list[str] = []
    edits: Counter[str] = Counter()
    counts = dict.fromkeys(("num_lorem_ipsum_lines", "num_curly_bracket_lines", "num_lines", "num_sentences"), 0)
    for line in (line.strip() for line in text.splitlines()):
        pieces = line.split()
        words = split_words(line, language, script)
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
                counts["num_curly_bracket_lines"] += is_code(line)
                if rules.remove_policy_lines and any(policy in cleaned.lower() for policy in _POLICIES):
                    reason = "policy"
        if reason:
            edits[f"c4_{reason}"] += bool(pieces)
            continue
        kept.append(cleaned)
        left = split_words(cleaned, language, script)
        counts["num_lines"] += bool(left)
        counts["num_sentences"] += count_sentences(left, _full_stop(script)) if left else 0
        edits["c4_citations"] += num_citations
    result = "\n".join(kept).strip()
    path = rules.bad_words.get(language)
    num_bad = load_bad_words(path, boundaries_of(language).is_spaced).count(result) if path else None
    return {**counts, "num_bad_words": num_bad}, result, +edits


def _ends(line: str, is_aside: bool, full_stop: str) -> bool:
    """Whether a line ends in a terminal mark, but for the published languages also inside what encloses it."""
    if not is_aside:
        return line[-1] in TERMINAL_PUNCTUATION
    skipped = (set(_SEPARATORS) - TERMINAL_PUNCTUATION) | set(")]")
    while len(line) > 1 and (line[-1].isspace() or line[-1] in skipped):
        line = line[:-1]
    return line[-1] in TERMINAL_PUNCTUATION or line[-1] in _QUOTES or line[-1] == full_stop


def fineweb(text: str, language: str, script: str, short_line_length: int) -> Signals:
    is_aside = bool(boundaries_of(language, script).style & MARKS_ASIDE)
    lines = [line for line in text.split("\n") if line.strip()]
    num_lines = max(len(lines), 1)
    num_new_lines = text.count("\n")
    return {
        "punctuated_line_fraction": sum(_ends(line, is_aside, _full_stop(script)) for line in lines) / num_lines,
        "short_line_fraction": sum(len(line) <= short_line_length for line in lines) / num_lines,
        "duplicate_line_character_fraction": duplicates(lines)[1] / max(len(text) - num_new_lines, 1),
        "new_lines_per_word": num_new_lines / max(len(split_words(text, language, script)), 1),
    }


def read(text: str, language: str | None, settings: FilterSettings) -> tuple[Signals, str, Counter[str]]:
    """All signals of the settings' rules by name, the text that is left, and the edits."""
    tag = language or "en"
    is_sure = tag != "und"
    script = script_of_text(code_points(text))
    stop_words = settings.gopher_quality.stop_words.get(tag, default_stop_words().get(tag, []))
    signals: Signals = {"text.num_words": len(split_words(text, tag, script))}
    current = judged = text
    edits = Counter[str]()
    for rule in settings.rules:
        if rule == "gopher_repetition":
            found = repetition(current, tag, script)
        elif rule == "gopher_quality":
            judged = current
            found = quality(current, tag, script, stop_words)
        elif rule == "c4":
            found, left, removed = c4(current, tag, script, settings)
            if left != current:
                current, edits = left, removed
        else:
            found = fineweb(current, tag, script, settings.fineweb.short_line_length)
        signals |= {f"{rule}.{name}": value for name, value in found.items()}
    words = Counter(word for word in split_words(judged, tag, script) if any(map(str.isalpha, word)))
    commonest = sum(max(number, 1) for _, number in words.most_common(8)) + max(8 - len(words), 0)
    fit_of(tag, is_sure, script, stop_words).silence(signals, commonest / max(words.total(), 1))
    return signals, current, edits
