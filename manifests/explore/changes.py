"""Shows where two texts differ: each changed place, with a few words around it."""

from __future__ import annotations

from difflib import SequenceMatcher

_CONTEXT = 6  # words before and after a change
_LONGEST = 40  # words of a change that are shown
_MOST = 20  # changes that are shown
_COUNTED = 1_000  # changes after which no more are looked for
_WINDOW = 4_000  # words of each text that are compared at a time


def change_lines(first: str, second: str) -> list[str]:
    """A line for each place where the words differ, as `about [-only in the first-] {+only in the second+} it`."""
    one, two = first.split(), second.split()
    if one == two:
        return ["equal but for white space"]
    changes, is_cut = _changes(one, two)
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
        lines.append("what follows was not compared")
    return lines


def _changes(one: list[str], two: list[str]) -> tuple[list[tuple[int, int, int, int]], bool]:
    """The ranges of words that differ, in each text; and whether the texts were too long to compare whole."""
    changes: list[tuple[int, int, int, int]] = []
    at = other = 0
    while at < len(one) or other < len(two):
        same = next(
            (place for place in range(min(len(one) - at, len(two) - other)) if one[at + place] != two[other + place]),
            min(len(one) - at, len(two) - other),
        )
        at, other = at + same, other + same
        left, right = one[at : at + _WINDOW], two[other : other + _WINDOW]
        matcher = SequenceMatcher(None, left, right)
        end, other_end = len(left), len(right)
        if at + end < len(one) or other + other_end < len(two):  # what follows the last match is looked at again
            last = [block for block in matcher.get_matching_blocks() if block.size][-1:]
            if not last or len(changes) > _COUNTED:
                return [*changes, (at, len(one), other, len(two))], bool(left and right)
            end, other_end = last[0].a, last[0].b
        changes += [
            (at + a, at + b, other + c, other + d)
            for tag, a, b, c, d in matcher.get_opcodes()
            if tag != "equal" and b <= end and d <= other_end
        ]
        at, other = at + end, other + other_end
    return changes, False


def _shortened(words: list[str]) -> str:
    if len(words) <= _LONGEST:
        return " ".join(words)
    return f"{' '.join(words[:_LONGEST])} ... ({len(words):,} words)"
