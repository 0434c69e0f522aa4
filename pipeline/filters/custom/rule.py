"""The user's own rule: its file loaded and checked, and what it says of a document."""

from __future__ import annotations

import ast
import difflib
import hashlib
import inspect
import math
import re
import sys
import types
from collections.abc import Callable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn, get_args

from datatrove.data import Document

from manifests.comparison import Comparison, Relation
from manifests.errors import UserError
from pipeline.filters.classifier.signals import REASONS as CLASSIFIER_REASONS
from pipeline.filters.custom.settings import CustomSettings
from pipeline.filters.file_digests import file_digest
from pipeline.filters.language.model import Language
from pipeline.filters.language.rule import REASON as LANGUAGE
from pipeline.filters.rules import ANY_TEXT, RULES
from pipeline.filters.urls.rule import REASONS as URL_REASONS
from pipeline.filters.urls.rule import SOFT_REASON

COMPARISONS = "COMPARISONS"
SIGNALS = "signals"
OWN_REASONS = frozenset(
    {
        *(row.reason for table in (ANY_TEXT, *RULES.values()) for row in table),
        *(LANGUAGE, *URL_REASONS, SOFT_REASON, *CLASSIFIER_REASONS),
    }
)
"""Reasons of the filter's other comparisons, whether a recipe applies them or not."""

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
_MOST_SHOWN = 200  # characters of what the file or its errors say, in a message
_ROW = '("reason", "signal", "at_least" or "at_most", threshold)'


class CustomRule:
    """A module, ready to judge; `comparisons` are asked in their order, `signal_names` are those of the columns.

    The path in the settings must be absolute, or relative to the current folder. The file is executed. Raises
    `UserError` with file, line and what to do for a file that is not there, does not run, or lacks something, and for
    one that no longer has the given sha256 (`digest`, of which the fingerprint is made).
    """

    def __init__(self, settings: CustomSettings, digest: str | None = None) -> None:
        assert settings.module is not None
        self._path = Path(settings.module)
        source = _read(self._path)
        if digest is not None and hashlib.sha256(source).hexdigest() != digest:
            self._fail(None, "changed since the filter began. Run the recipe again, and leave it as it is.")
        module = self._run(source)
        self._function = self._function_of(module)
        code = getattr(self._function, "__code__", None)
        self._line: int | None = code.co_firstlineno if code is not None else None
        lines = _Lines(source)
        rows = getattr(module, COMPARISONS, None)
        if not isinstance(rows, list | tuple) or not rows:
            self._fail(lines.table, f"no list {COMPARISONS} with a comparison in it. Write {COMPARISONS} = [{_ROW}].")
        found: dict[str, Comparison] = {}
        for number, row in enumerate(rows):
            comparison = self._comparison(row, lines.row(number), settings.thresholds)
            if comparison.reason in found:
                what = f"reason {_shown(comparison.reason)} has two comparisons. Give each its own."
                self._fail(lines.row(number), what)
            found[comparison.reason] = comparison
        self._check_thresholds(settings.thresholds, list(found))
        self.comparisons = tuple(found.values())
        self.signal_names = tuple(dict.fromkeys(comparison.signal for comparison in self.comparisons))
        self._names = {name.partition(".")[2]: name for name in self.signal_names}

    def signals(
        self, document: Document, signals: Mapping[str, float | None], language: Language
    ) -> dict[str, float | None]:
        """`custom.<name>` of a document, whose other signals and language are known.

        The function is given a copy of the document, so that it changes nothing. Raises `UserError` where it raises, or
        returns anything but a number or None for each name.
        """
        metadata = {**document.metadata, "language": language.code, "language_score": language.score}
        given = Document(text=document.text, id=document.id, metadata=metadata)
        try:
            found = self._function(given, types.MappingProxyType(signals))
        except (Exception, SystemExit) as error:
            what = f"{_described(error)}, on document {_shown(document.id)}. Mend {SIGNALS}(), or return None for it."
            self._fail(self._line_of(error) or self._line, what, error)
        if not isinstance(found, dict) or found.keys() != self._names.keys():
            self._fail(self._line, self._other_names(found, document))
        return {self._names[name]: self._number(name, value, document) for name, value in found.items()}

    def _number(self, name: str, value: Any, document: Document) -> float | None:
        number = None if value is None else _finite(value)
        if number is not None or value is None:
            return number
        what = f"{SIGNALS}() gives {_shown(value, 60)} as {_shown(name)} of document {_shown(document.id)}."
        self._fail(self._line, f"{what} Return a finite number or None.")

    def _other_names(self, found: Any, document: Document) -> str:
        """What to say of a result that is not a number for each signal of the comparisons."""
        where = f"for document {_shown(document.id)}"
        if not isinstance(found, dict):
            kind = _plain(type(found).__name__)
            return f"{SIGNALS}() returns {kind} {where}. Return a dict: signal -> number or None."
        for name in self._names:
            if name not in found:
                return f"{SIGNALS}() returns no {_shown(name)} {where}. Return None where it says nothing."
        extra = _shown(next(name for name in found if name not in self._names))
        return f"{SIGNALS}() returns {extra} {where}, which no row of {COMPARISONS} names. Add a row, or take it out."

    def _run(self, source: bytes) -> types.ModuleType:
        """The module, executed under a name of its own and without a file of bytecode beside it."""
        name = f"groundup_custom_{hashlib.sha256(str(self._path).encode()).hexdigest()[:16]}"
        module = types.ModuleType(name)
        module.__file__ = str(self._path)
        try:
            code = compile(source, str(self._path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line, message = getattr(error, "lineno", None), getattr(error, "msg", str(error))
            self._fail(line, f"no Python that can be read ({_plain(message)}). Mend it.", error)
        sys.modules[name] = module  # where dataclasses, for one, look for it
        try:
            exec(code, module.__dict__)
        except (Exception, SystemExit) as error:
            self._fail(self._line_of(error), f"{_described(error)}. Mend it: the file must run by itself.", error)
        return module

    def _function_of(self, module: types.ModuleType) -> Callable[..., Any]:
        function: Callable[..., Any] | None = getattr(module, SIGNALS, None)
        wanted = f"Write def {SIGNALS}(document, signals)."
        if function is None or not callable(function):
            self._fail(None, f"no function {SIGNALS}. {wanted}")
        try:
            inspect.signature(function).bind(None, None)
        except (TypeError, ValueError):
            line = getattr(getattr(function, "__code__", None), "co_firstlineno", None)
            self._fail(line, f"{SIGNALS}() does not take two arguments. {wanted}")
        return function

    def _comparison(self, row: Any, line: int | None, thresholds: Mapping[str, float]) -> Comparison:
        """A row of `COMPARISONS`, checked; `thresholds` are the recipe's."""
        if not isinstance(row, list | tuple) or len(row) != 4:
            self._fail(line, f"{COMPARISONS} has a row that is no comparison. Write it as {_ROW}.")
        reason, signal, must_be, threshold = row
        for what, name in (("reason", reason), ("signal", signal)):
            if not isinstance(name, str) or not _SNAKE_CASE.match(name):
                self._fail(line, f"{what} {_shown(name)} is not snake_case. Write it like this: too_many_digits.")
        if reason in OWN_REASONS:
            self._fail(line, f"reason {reason!r} is one of the filter's own. Give it another name.")
        if must_be not in get_args(Relation):
            self._fail(line, f'{_shown(must_be)} is no comparison. Write "at_least" or "at_most".')
        if isinstance(threshold, bool) or (limit := _finite(threshold)) is None:
            self._fail(line, f"threshold {_shown(threshold, 60)} is no finite number. Write a number.")
        limit = thresholds.get(reason, limit)
        return Comparison(reason, f"custom.{signal}", must_be, f"custom.thresholds.{reason}", limit)

    def _check_thresholds(self, thresholds: Mapping[str, float], reasons: list[str]) -> None:
        for reason in thresholds:
            if reason not in reasons:
                near = difflib.get_close_matches(reason, reasons, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"it has: {_plain(', '.join(reasons))}."
                raise UserError(f"filter.custom.thresholds: {self._path} has no reason {reason!r}; {hint}")

    def _line_of(self, error: BaseException) -> int | None:
        """The last line of the file that an error came through."""
        line, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(self._path):
                line = trace.tb_lineno
            trace = trace.tb_next
        return line

    def _fail(self, line: int | None, what: str, error: BaseException | None = None) -> NoReturn:
        """Raise `UserError`; of the error that it comes from, the trace stays and the message is cut, too."""
        where = f"filter.custom.module: {self._path}" + (f": line {line}" if line is not None else "")
        cause = None if error is None else RuntimeError(_described(error)).with_traceback(error.__traceback__)
        raise UserError(f"{where}: {what}") from cause


class _Lines:
    """Where `COMPARISONS` and its rows stand in a source, as far as they are written out there."""

    def __init__(self, source: bytes) -> None:
        self.table: int | None = None
        self._rows: list[int] = []
        for node in ast.parse(source).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == COMPARISONS for target in targets):
                rows = [row.lineno for row in getattr(getattr(node, "value", None), "elts", [])]
                self.table = node.lineno
                self._rows = [*self._rows, *rows] if isinstance(node, ast.AugAssign) else rows

    def row(self, number: int) -> int | None:
        return self._rows[number] if number < len(self._rows) else self.table


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(_unreadable(path, error)) from None


def _unreadable(path: Path, error: OSError) -> str:
    why = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    return f"filter.custom.module: {path}: {why}. Give the path of a Python file, relative to the recipe."


def _finite(value: Any) -> float | None:
    """A number of any kind as a float; None for what is no finite number."""
    try:
        return number if isinstance(value, Real) and math.isfinite(number := float(value)) else None
    except (Exception, SystemExit):  # too large for a float, or what the user's own class raises
        return None


def _described(error: BaseException) -> str:
    message = _shown(error, show=str)
    return f"{_plain(type(error).__name__)}: {message}" if message else _plain(type(error).__name__)


def _shown(value: Any, most: int = _MOST_SHOWN, show: Callable[[Any], str] = repr) -> str:
    """What is seen of a value of the user's, also where its own code fails to show it."""
    try:
        return _plain(show(value), most)
    except (Exception, SystemExit):
        return f"a value of {_plain(type(value).__name__)} that cannot be shown"


def _plain(text: str, most: int = _MOST_SHOWN) -> str:
    """A text in one line, with U+FFFD for control characters, and cut."""
    line = " ".join(text[: 10 * most].split())
    line = "".join(character if character.isprintable() else "\ufffd" for character in line)
    return line if len(line) <= most else f"{line[: most - 3]}..."


def digests(settings: CustomSettings) -> dict[str, str]:
    """What a fingerprint must have besides the settings: the digest of the module's file."""
    if settings.module is None:
        return {}
    try:
        return {"custom_module": file_digest(Path(settings.module))}
    except OSError as error:
        raise UserError(_unreadable(Path(settings.module), error)) from None
