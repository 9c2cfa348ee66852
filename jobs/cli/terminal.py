"""What all commands of the command line share."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.store.snapshot import ReleaseSnapshot
    from reelshelf.indexer.store.tables import Store
    from reelshelf.schemas.config import GivenConfig

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    commands: Commands,
    name: str,
    text: str,
    run: Callable[[argparse.Namespace], int | None],
    *,
    store: bool = True,
    json_output: bool = True,
    config: str = "settings, see docs/config.md",
) -> argparse.ArgumentParser:
    """A command of that name, which `run` carries out, with the options that all commands have.

    `config` says what the file is for; a --store must be named unless `store` is False.
    """
    sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    sub.set_defaults(run=run)
    if store:
        sub.add_argument(
            "--store", required=True, metavar="URI", help="a folder, or s3://bucket/path"
        )
    sub.add_argument("--config", type=Path, metavar="TOML", help=config)
    if json_output:
        sub.add_argument("--json", action="store_true", help="print JSON")
    else:
        sub.set_defaults(json=False)
    logs = sub.add_argument_group("logging")
    logs.add_argument(
        "-v", "--verbose", action="store_true", help="all of the log, and tracebacks of failures"
    )
    logs.add_argument("--log-format", choices=["text", "json"], default="text")
    logs.add_argument(
        "--log-file", type=Path, metavar="FILE", help="also append the log of all processes here"
    )
    return sub


def add_allow_shrink(sub: argparse.ArgumentParser) -> None:
    """The option of commands that read the whole source."""
    sub.add_argument(
        "--allow-shrink",
        action="store_true",
        help="let as many videos and products leave as are not in the source any more",
    )


def add_catalog(sub: argparse.ArgumentParser) -> None:
    """The options of commands that must be told of a catalog."""
    sub.add_argument(
        "--catalog",
        required=True,
        metavar="URI",
        help="products: CSV, JSON or Parquet, or a folder of parts; on disk or s3://",
    )
    add_catalog_format(sub)


def add_catalog_format(sub: argparse.ArgumentParser) -> None:
    """The option of commands that read a catalog."""
    sub.add_argument(
        "--catalog-format",
        choices=["auto", "reelshelf", "google", "shopify", "woocommerce"],
        help="which program wrote the catalog (auto: by the names of its columns)",
    )


def given_config(
    args: argparse.Namespace, *, profile: str | None = None, profile_required: bool = False
) -> "GivenConfig":
    """The keys that the command's --config sets, and --catalog-format where there is one."""
    from reelshelf.schemas.config import read_config

    given = read_config(args.config, profile=profile, profile_required=profile_required)
    wanted = getattr(args, "catalog_format", None)
    return given.with_key("catalog", "format", wanted) if wanted is not None else given


def open_store(args: argparse.Namespace) -> "Store":
    """The command's --store, reached as its --config says."""
    from reelshelf.indexer.store.tables import Store

    return Store.open(args.store, given_config(args).storage)


def snapshot_of(args: argparse.Namespace) -> "ReleaseSnapshot":
    """The release of the command's --store that searchers are to open."""
    from reelshelf.indexer.store.snapshot import ReleaseSnapshot

    return ReleaseSnapshot.open(args.store, given_config(args).storage)


def say(text: str) -> None:
    """One line for people."""
    console().print(text, markup=False, highlight=False)


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


def print_json(value: object, indent: int | None = 1) -> None:
    """One JSON document on standard output; in plain ASCII where that knows no other letters."""
    text = json.dumps(value, ensure_ascii=_is_narrow(), indent=indent, default=str)
    print(text, flush=True)


def _is_narrow() -> bool:
    return not (sys.stdout.encoding or "").lower().startswith("utf")


class CarefulStream:
    """A stream that can be written to whatever has become of its other end.

    A run must not end half way because nobody reads its progress any more. A reader that has gone
    (`| head`) has what it wanted; `error` is what else kept output from being written.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._gone = False
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write, as far as anybody reads."""
        self._carefully(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, as far as anybody reads."""
        self._carefully(self._stream.flush)

    def _carefully(self, act: Callable[[], object]) -> None:
        if self._gone:
            return
        try:
            act()
        except BrokenPipeError:
            self._give_up()
        except OSError as error:
            self.error = error
            self._give_up()

    def _give_up(self) -> None:
        """Write no more. Python would try once more what is left in the buffer, at its end."""
        self._gone = True
        try:
            number = self._stream.fileno()
        except (OSError, ValueError):
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def careful_output() -> Iterator[CarefulStream]:
    """Standard output and error that raise nothing, as long as a command runs; gives the first.

    Letters that the other end does not know are written as escapes.
    """
    closed = _occupy_standard_files()
    stored = sys.stdout, sys.stderr
    out, err = (CarefulStream(stream or io.StringIO()) for stream in stored)
    if 1 in closed or stored[0] is None:
        out.error = OSError("standard output is closed")
    for stream in stored:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = cast("IO[str]", out), cast("IO[str]", err)
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = stored


def _occupy_standard_files() -> set[int]:
    """Open what of the first three files is closed, on nothing; which were.

    The next file that anybody opens would be one of them, and get what libraries print.
    """
    closed = set()
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        closed.add(number)
    os.close(number)
    return closed
