"""`torchrun --nproc-per-node N -m train RECIPE`: the command `groundup train` on several ranks."""

from __future__ import annotations

import os
import sys

import typer

from manifests.errors import UsageError, UserError
from manifests.process import leave, say_error, settle_arrow, settle_openmp
from manifests.storage import refused_write
from train.cli import train


def main() -> None:
    settle_openmp()
    settle_arrow()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    rank = os.environ.get("RANK")
    name = f"groundup{f' on rank {rank}' if rank else ''}"
    try:
        app()
    except UserError as error:
        say_error(name, str(error))
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        say_error(name, "interrupted. The same command goes on from the last checkpoint.")
        sys.exit(130)
    except Exception as error:  # a defect of ours, or another rank that is gone
        say_error(name, str(refused_write(error) or f"unexpected error: {type(error).__name__}: {str(error)[:500]}"))
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except SystemExit as exit_:
        leave(exit_.code)
