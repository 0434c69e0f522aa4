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
    from train.settings import keys_of, load_run

    return pretrain(load_run(recipe, overrides), set_keys=keys_of(overrides))


def _make_executor(kind: str, workers: int, recipe: Path, overrides: list[str]) -> Any:
    """Make the executor on which `sweep` and `ladder` train their runs; the trainer does not know the pipeline."""
    from manifests.settings import read_recipe, validate
    from pipeline.engine.calls import Calls
    from pipeline.engine.settings import ClusterSettings, ExecutorSettings

    cluster = validate(ClusterSettings, read_recipe(recipe, overrides).get("executor", {}), f"{recipe}: [executor]")
    return Calls(ExecutorSettings.model_validate({"kind": kind, "workers": workers, "cluster": cluster}))


def _complete(run: str, prompt: str, num_tokens: int) -> str:
    from train.generate import load_trained

    return prompt + "".join(load_trained(run).stream(prompt, num_tokens, temperature=0.6, top_p=0.95, seed=2))


_MOST_CHARACTERS = 500  # of an error that is not ours: a compiler's may have a hundred thousand
_INTERRUPTED = 130
_BROKEN_PIPE = 141

# The commands: the module that mounts each, and what `groundup --help` says of it. A command loads its module alone, so
# that it does not wait for the libraries of others, and the list of commands loads none.
_COMMANDS = {
    "quickstart": (
        "pipeline.commands.quickstart",
        "Build a corpus from the documentation of the installed Python packages and train a small GPT on it.",
    ),
    "run": (
        "pipeline.commands.run",
        "Build a corpus: download, extract, filter, deduplicate, train the tokenizer, write shards.",
    ),
    "pin": (
        "pipeline.commands.pin",
        "Write down exactly which files a recipe's sources read, so that `pin` in the recipe holds it to them.",
    ),
    "drops": (
        "manifests.cli",
        "Show which documents were dropped, by which stage, rule and value; and what other thresholds would do.",
    ),
    "clusters": (
        "manifests.cli",
        "Show what was removed as copies: sizes of clusters, sources, and a cluster with what its texts differ in.",
    ),
    "audit": (
        "manifests.cli",
        "Recount every stage, recompute every digest, check the four laws. Exit code 1 names what is wrong.",
    ),
    "trace": (
        "manifests.cli",
        "Follow a token to its document and raw record, or a document or URL to where it went.",
    ),
    "report": (
        "manifests.cli",
        "Write one self-contained HTML page: the funnel, samples, tokenizer and shards, the loss curve.",
    ),
    "train": ("train.cli", "Train the recipe's model on its shards, or go on with a run that was interrupted."),
    "generate": ("train.cli", "Let a trained model go on with texts."),
    "steps": (
        "train.cli",
        "List the documents that a training step saw, in the order it read them, or the steps whose loss stands out.",
    ),
    "sweep": (
        "train.sweep.cli",
        "Train the recipe's model with every combination of some values, and compare the runs.",
    ),
    "ladder": (
        "train.sweep.cli",
        "Train small sizes of the recipe's model, fit the law of their loss, and predict the recipe's own.",
    ),
    "classifier": ("pipeline.commands.classifier", "Train a quality classifier for the filter, and look at one."),
    "tokenizer": ("tokenizer.cli", "Learn a vocabulary, encode with it, measure it."),
}
_WITHOUT_ARROW = ("drops", "clusters")


def make_app(command: str | None = None) -> typer.Typer:
    """The command line: all of it, or with the modules alone that one command needs."""
    app = _empty_app()
    modules = [module for module, _ in _COMMANDS.values()]
    for module in dict.fromkeys(modules) if command not in _COMMANDS else (_COMMANDS[command][0],):
        register = importlib.import_module(module).register
        if module == "pipeline.commands.quickstart":
            register(app, _train, _complete, _check_training)
        elif module == "pipeline.commands.run":
            register(app, _check_training)
        elif module == "train.sweep.cli":
            register(app, _make_executor)
        else:
            register(app)
    return app


def _list_of_commands() -> typer.Typer:
    """A command line that knows the commands by name: it can list them and say that a name is none of them."""
    app = _empty_app()
    for name, (_, text) in _COMMANDS.items():
        app.command(name, help=text)(lambda: None)
    return app


def _empty_app() -> typer.Typer:
    app = typer.Typer(
        help="Builds a language model from the ground up: web pages to clean token shards to a trained GPT.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lambda: None)  # a command keeps its name where it is the only one
    return app


def _check_training(tables: dict[str, Any], where: str) -> None:
    from train.optim.settings import ROLES
    from train.settings import read_tables

    recipe = read_tables(tables, where)
    if any(getattr(recipe.train, role) is not None for role in ROLES):
        from train.optim.optimizer import resolve_roles  # with PyTorch, which other recipes need not wait for

        resolve_roles(recipe.train, recipe.config(256))  # roles are the same with any vocabulary


def __getattr__(name: str) -> typer.Typer:
    """`app`: the whole command line, made when it is asked for."""
    if name == "app":
        return make_app()
    raise AttributeError(name)


def main() -> None:
    """Run the command line. Exit code 0 done, 1 failed with one line, 2 wrong usage; --debug adds the trace."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    named = [argument for argument in arguments if argument != "--"]
    command = named[0] if named else None
    settle_openmp(alone=sys.argv[1:2] == ["train"])
    try:
        if command in _COMMANDS and command not in _WITHOUT_ARROW:
            settle_arrow()
        with _collecting_later():
            app = make_app(command) if command in _COMMANDS else _list_of_commands()
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
        from manifests.storage import refused_write

        if refused := refused_write(error):
            _fail(str(refused), 1, debug)
        # A defect of ours: still one line, and the trace on demand.
        message = f"{type(error).__name__}: {str(error)[:_MOST_CHARACTERS]}"
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
