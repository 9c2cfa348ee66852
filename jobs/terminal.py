"""What all commands of the command line share."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    commands: Commands,
    name: str,
    text: str,
    run: Callable[[argparse.Namespace], int | None],
    *,
    store: bool = True,
) -> argparse.ArgumentParser:
    """A command of that name, which `run` carries out, with a --store that must be named."""
    sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    sub.set_defaults(run=run)
    if store:
        sub.add_argument(
            "--store", required=True, metavar="URI", help="a folder, or s3://bucket/path"
        )
    return sub


def settle_threads() -> None:
    """Have one OpenMP thread, and none that spins while it waits.

    Whisper's words change with their number. Ray gives its workers one; the local engine must have
    the same. FAISS, which should have all cores, takes them when it works. Both variables count
    only before a library is loaded.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def console(*, stderr: bool = False) -> "Console":
    """Where tables go."""
    from rich.console import Console

    # Tables written to a file or a pipe have room; a terminal has the width it has.
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr) if terminal else Console(width=160, stderr=stderr)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))
