"""The command line as a whole: which modules a command loads."""

from __future__ import annotations

import subprocess
import sys

import typer.main

import groundup


def test_every_command_is_mounted_by_the_module_that_the_command_line_loads_for_it() -> None:
    commands = typer.main.get_command(groundup.make_app()).commands  # type: ignore[attr-defined]
    assert set(commands) == set(groundup._MOUNTED_BY)
    for name in commands:
        alone = typer.main.get_command(groundup.make_app(name)).commands  # type: ignore[attr-defined]
        assert name in alone
        assert len(alone) < len(commands)


def test_commands_do_not_load_what_they_do_not_need() -> None:
    code = (
        "import sys, groundup; groundup.make_app({!r});"
        "print(*sorted({{'numba', 'datatrove', 'torch', 'pandas', 'scipy', 'awkward'}} & set(sys.modules)))"
    )
    loaded = {
        name: subprocess.run(
            [sys.executable, "-c", code.format(name)], capture_output=True, text=True, check=True, timeout=60
        ).stdout.split()
        for name in ("audit", "train", "run")
    }
    assert loaded["audit"] == loaded["train"] == []
    assert not {"torch", "pandas", "awkward"} & set(loaded["run"])
