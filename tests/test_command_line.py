"""The command line as a whole: which modules a command loads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer.main
from typer.testing import CliRunner

import groundup


def test_every_command_is_mounted_by_the_module_that_the_command_line_loads_for_it() -> None:
    commands = typer.main.get_command(groundup.make_app()).commands  # type: ignore[attr-defined]
    assert list(commands) == list(groundup._COMMANDS)
    for name, command in commands.items():
        assert (command.help or "").split("\n\n")[0].replace("\n", " ") == groundup._COMMANDS[name][1]
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


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["--debug"], ["--help", "run"]])
def test_the_list_of_commands_is_that_of_the_whole_command_line_and_loads_none_of_it(words: list[str]) -> None:
    code = (
        "import sys, groundup\n"
        "try: groundup.main()\n"
        "except SystemExit: pass\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules} & {'numpy', 'pyarrow', 'pipeline', 'train'}))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, timeout=60)
    listed, loaded = done.stdout.removesuffix("\n").rsplit("\n", 1)
    whole = CliRunner().invoke(groundup.app, ["--help"], prog_name="groundup", terminal_width=80).output
    assert listed.split() == whole.split()
    assert loaded == ""


@pytest.mark.parametrize("words", [["rum"], ["--", "rum"], ["--debug", "rum"]])
def test_a_name_that_is_no_command_is_told_in_one_line(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "groundup", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "No such command 'rum'. Did you mean 'run'?" in done.stderr


def test_options_before_a_command_do_not_hide_it() -> None:
    done = subprocess.run([sys.executable, "-m", "groundup", "--", "run"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "Missing argument" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["tokenizer", "--help"]])
def test_a_full_disk_behind_the_standard_output_is_said(arguments: list[str]) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "groundup", *arguments]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("groundup: standard output: the disk is full.")
