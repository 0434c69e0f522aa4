"""The command line: `groundup ...`. A thin app that mounts each folder's commands and turns errors into one line."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from manifests.errors import UsageError, UserError
from manifests.process import leave, say_error, settle_arrow, settle_openmp
from manifests.secrets import scrub


def _train(recipe: Path, overrides: list[str]) -> Any:
    from train.objectives.pretrain import pretrain  # torch takes seconds to import; other commands need not wait
    from train.settings import load_run

    return pretrain(load_run(recipe, overrides))


def _complete(run: str, prompt: str, num_tokens: int) -> str:
    from train.generate import load_trained

    return prompt + "".join(load_trained(run).stream(prompt, num_tokens, temperature=0.8, top_p=0.95, seed=0))


_INTERRUPTED = 130
_BROKEN_PIPE = 141

# Which module mounts a command: only that one is loaded, so that a command does not wait for the libraries of others.
_MOUNTED_BY = {
    "quickstart": "pipeline.commands.quickstart",
    "run": "pipeline.commands.run",
    "pin": "pipeline.commands.pin",
    "classifier": "pipeline.commands.classifier",
    **dict.fromkeys(("drops", "audit", "trace", "report"), "manifests.cli"),
    "tokenizer": "tokenizer.cli",
    **dict.fromkeys(("train", "generate", "steps"), "train.cli"),
}
_WITHOUT_ARROW = "drops"


def make_app(command: str | None = None) -> typer.Typer:
    """The command line: all of it, or with the modules alone that one command needs."""
    app = typer.Typer(
        help="Builds a language model from the ground up: web pages to clean token shards to a trained GPT.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lambda: None)  # a command keeps its name where it is the only one
    wanted = _MOUNTED_BY.get(command or "")
    for module in dict.fromkeys(_MOUNTED_BY.values()) if wanted is None else (wanted,):
        register = importlib.import_module(module).register
        if module == "pipeline.commands.quickstart":
            register(app, _train, _complete, _check_training)
        elif module == "pipeline.commands.run":
            register(app, _check_training)
        else:
            register(app)
    return app


def _check_training(tables: dict[str, Any], where: str) -> None:
    from train.settings import read_tables

    read_tables(tables, where)


def __getattr__(name: str) -> typer.Typer:
    """`app`: the whole command line, made when it is asked for."""
    if name == "app":
        return make_app()
    raise AttributeError(name)


def main() -> None:
    """Run the command line. Exit code 0 done, 1 failed with one line, 2 wrong usage; --debug adds the trace."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    command = arguments[0] if arguments else None
    settle_openmp()
    try:
        if command != _WITHOUT_ARROW:
            settle_arrow()
        with _collecting_later():
            app = make_app(command)
        code = app(args=arguments, prog_name="groundup", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _BROKEN_PIPE
    except SystemExit as error:
        # Click has met the closed pipe itself.
        sys.exit(_BROKEN_PIPE if type(sys.stdout).__name__ == "PacifyFlushWrapper" else error.code)
    except UserError as error:
        _fail(str(error), 2 if isinstance(error, UsageError) else 1, debug)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would come in the middle of what ends the process
        code = _INTERRUPTED
    except Exception as error:
        if hasattr(error, "format_message"):  # wrong usage, as Typer found it
            _wrong_usage(error)
        # A defect of ours: still one line, and the trace on demand.
        message = f"{type(error).__name__}: {error}"
        _fail(f"unexpected error: {message}. Run the same command with --debug to see where.", 1, debug)
    if code == _INTERRUPTED:
        _fail("interrupted. What was finished is kept; the same command goes on from there.", code, debug)
    sys.exit(code if isinstance(code, int) else 0)


@contextlib.contextmanager
def _collecting_later() -> Iterator[None]:
    """Modules are loaded without searching them for garbage, of which they leave none, then or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _wrong_usage(error: Any) -> None:
    command = error.ctx.command_path if getattr(error, "ctx", None) else "groundup"
    if type(error).__name__ == "NoArgsIsHelpError":  # only the name of a group was given
        error.show()
        sys.exit(error.exit_code)
    where = command.removeprefix("groundup").strip()
    problem = error.format_message().rstrip(".")
    _fail(f"{where + ': ' if where else ''}{problem}. See: {command} --help", 2, debug=False)


def _fail(message: str, code: int, debug: bool) -> None:
    if debug:
        print(scrub(traceback.format_exc()), end="", file=sys.stderr)
    say_error("groundup", message)
    sys.exit(code)


def run() -> None:
    """`main` as a program."""
    try:
        main()
    except SystemExit as exit_:
        leave(exit_.code)


if __name__ == "__main__":
    run()
