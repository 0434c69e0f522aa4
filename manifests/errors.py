"""Errors that are meant for the person at the keyboard."""

from __future__ import annotations


class UserError(Exception):
    """One line that says what is wrong, where, and what to do. The command line prints it and exits 1."""


class UsageError(UserError):
    """The command was called wrongly. The command line prints it and exits 2."""
