"""The command `reelshelf`: a module for each command, with its output beside it.

Only argparse is imported at the top: `--help` must answer at once, and a search must not pay for
Ray. Results go to standard output, progress and errors to standard error.
"""

import argparse
import signal
import sys
from typing import NoReturn

from reelshelf.jobs.cli.analyze import add_analyze
from reelshelf.jobs.cli.calibrate import add_calibrate
from reelshelf.jobs.cli.check import add_check
from reelshelf.jobs.cli.erase import add_erase
from reelshelf.jobs.cli.exits import as_ours, cannot_write, keep_traceback
from reelshelf.jobs.cli.explain import add_explain
from reelshelf.jobs.cli.ingest import add_ingest
from reelshelf.jobs.cli.links import add_links
from reelshelf.jobs.cli.nightly import add_nightly
from reelshelf.jobs.cli.overrides import add_overrides
from reelshelf.jobs.cli.posters import add_posters
from reelshelf.jobs.cli.prune import add_prune
from reelshelf.jobs.cli.publish import add_publish
from reelshelf.jobs.cli.reindex import add_reindex
from reelshelf.jobs.cli.releases import add_releases
from reelshelf.jobs.cli.report import add_report
from reelshelf.jobs.cli.restore import add_restore
from reelshelf.jobs.cli.rollback import add_rollback
from reelshelf.jobs.cli.rules import add_rules
from reelshelf.jobs.cli.search import add_search
from reelshelf.jobs.cli.serve import add_serve
from reelshelf.jobs.cli.terminal import careful_output
from reelshelf.jobs.cli.upgrade import add_upgrade
from reelshelf.jobs.cli.verify import add_verify
from reelshelf.schemas.errors import (
    ExitCode,
    InfrastructureError,
    ReelshelfError,
    exit_code_table,
)

__all__ = ["build_parser", "main"]

# In the order in which a shop meets them.
_COMMANDS = (
    add_check,
    add_ingest,
    add_nightly,
    add_search,
    add_posters,
    add_serve,
    add_analyze,
    add_rules,
    add_links,
    add_explain,
    add_calibrate,
    add_overrides,
    add_report,
    add_reindex,
    add_releases,
    add_publish,
    add_rollback,
    add_restore,
    add_erase,
    add_prune,
    add_verify,
    add_upgrade,
)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="reelshelf",
        description="Turn a shop's videos and its catalog into a searchable, published release.",
        epilog=f"exit codes:\n{exit_code_table()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command; return its exit code."""
    with careful_output() as output:
        args = build_parser().parse_args(argv)
        signal.signal(signal.SIGTERM, _interrupt)
        code = _run(args)
        output.flush()
        # How a run ended is told by its code, whatever becomes of its log.
        if output.error is None or code != 0 or args.command == "nightly":
            return code
        print(f"reelshelf: its output could not be written: {output.error}", file=sys.stderr)
        return InfrastructureError.exit_code


def _run(args: argparse.Namespace) -> int:
    try:
        _configure_logs(args)
        return int(args.run(args) or ExitCode.DONE)
    except ReelshelfError as error:
        return _told(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _told("interrupted. Run the same command again to complete.", ExitCode.INTERRUPTED)
    except BaseException as error:
        if isinstance(error, SystemExit | GeneratorExit):
            raise
        ours = as_ours(error)
        if ours is not None:
            return _told(str(ours), ours.exit_code)
        return _told(keep_traceback(error), ExitCode.BUG)


def _configure_logs(args: argparse.Namespace) -> None:
    from reelshelf.schemas import logs

    try:
        logs.configure(verbose=args.verbose, form=args.log_format, file=args.log_file)
    except OSError as error:
        raise cannot_write(f"--log-file {args.log_file}", error) from error


def _told(text: str, code: ExitCode) -> ExitCode:
    print(f"reelshelf: {text}", file=sys.stderr)
    return code


def _interrupt(_signum: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
