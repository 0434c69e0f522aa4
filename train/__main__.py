"""`torchrun --nproc-per-node N -m train RECIPE`: the command `groundup train` on several ranks."""

from __future__ import annotations

import os
import sys

import typer

from manifests.errors import UsageError, UserError
from manifests.secrets import scrub
from train.cli import train


def main() -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    try:
        app()
    except UserError as error:
        rank = os.environ.get("RANK")
        print(f"error{f' on rank {rank}' if rank else ''}: {scrub(str(error))}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)


if __name__ == "__main__":
    try:
        main()
    except SystemExit as exit_:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not through the interpreter's clean-up: a thread of Arrow's may abort in it, and torchrun would call the
        # run a failure.
        os._exit(exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None))
