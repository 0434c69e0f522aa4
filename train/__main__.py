"""`torchrun --nproc-per-node N -m train RECIPE`: the command `groundup train` on several ranks."""

from __future__ import annotations

import os
import sys

import typer

from manifests.errors import UsageError, UserError
from manifests.process import leave, say_error, settle_arrow, settle_openmp
from train.cli import train


def main() -> None:
    settle_openmp()
    settle_arrow()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    try:
        app()
    except UserError as error:
        rank = os.environ.get("RANK")
        say_error(f"groundup{f' on rank {rank}' if rank else ''}", str(error))
        sys.exit(2 if isinstance(error, UsageError) else 1)


if __name__ == "__main__":
    try:
        main()
    except SystemExit as exit_:
        leave(exit_.code)
