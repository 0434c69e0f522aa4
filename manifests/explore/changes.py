"""What two texts differ in, for people: the changed places, with a few words about each."""

from __future__ import annotations

from difflib import SequenceMatcher

_CONTEXT = 6  # words before and after a change
_LONGEST = 40  # words of a change that are shown
_MOST = 20  # changes that are shown
_COMPARED = 6_000  # words of each text that are compared, after what both begin with


def change_lines(first: str, second: str) -> list[str]:
    """A line for each place where the words differ, as `about [-only in the first-] {+only in the second+} it`."""
    one, two = first.split(), second.split()
    if one == two:
        return ["equal but for white space"]
    begin = _common(one, two)
    end = min(_common(one[::-1], two[::-1]), len(one) - begin, len(two) - begin)
    left, right = one[begin : len(one) - end], two[begin : len(two) - end]
    is_cut = max(len(left), len(right)) > _COMPARED
    matcher = SequenceMatcher(None, left[:_COMPARED], right[:_COMPARED])
    changes = [
        (begin + a, begin + b, begin + c, begin + d) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"
    ]
    lines = []
    for a, b, c, d in changes[:_MOST]:
        said = [*one[max(0, a - _CONTEXT) : a]]
        said += [f"[-{_shortened(one[a:b])}-]"] if b > a else []
        said += [f"{{+{_shortened(two[c:d])}+}}"] if d > c else []
        said += one[b : b + _CONTEXT]
        lines.append(" ".join(["..."] * (a > _CONTEXT) + said + ["..."] * (b + _CONTEXT < len(one))))
    if len(changes) > _MOST:
        lines.append(f"and {len(changes) - _MOST:,} more places")
    if is_cut:
        lines.append(f"what follows the first {_COMPARED:,} words from there on was not compared")
    return lines


def _common(one: list[str], two: list[str]) -> int:
    """How many words both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def _shortened(words: list[str]) -> str:
    if len(words) <= _LONGEST:
        return " ".join(words)
    return f"{' '.join(words[:_LONGEST])} ... ({len(words):,} words)"
