"""What all commands of the command line share."""

import argparse
import json
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
) -> argparse.ArgumentParser:
    """A command of that name, which `run` carries out. All but nightly and reindex need a store."""
    sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    sub.set_defaults(run=run)
    if name not in ("nightly", "reindex"):
        sub.add_argument(
            "--store", required=True, metavar="URI", help="a folder, or s3://bucket/path"
        )
    return sub


def console(*, stderr: bool = False) -> "Console":
    """Where tables go."""
    from rich.console import Console

    # Tables written to a file or a pipe have room; a terminal has the width it has.
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr) if terminal else Console(width=160, stderr=stderr)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))
