"""The commands about releases: list, publish, go back, let go, verify."""

import argparse
import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.terminal import Commands, add_command, console, print_json, settle_threads
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from schemas.config import Config


def add_release_commands(commands: Commands) -> None:
    """Add them to the command line."""
    listing = add_command(commands, "releases", "list what was published", _releases)
    publish = add_command(
        commands, "publish", "make a release of what the tables hold, and end a hold", _publish
    )
    publish.add_argument(
        "--force",
        metavar="REASON",
        help="publish against the gate's word; the reason stands in the release",
    )
    back = add_command(commands, "rollback", "have searchers go to an older release", _rollback)
    back.add_argument("--to", metavar="ID", help="that release (the one before)")
    prune = add_command(commands, "prune", "let go of old releases and of dead runs' files", _prune)
    prune.add_argument("--keep", type=int, metavar="N", help="how many stay (release.keep)")
    prune.add_argument(
        "--grace-hours",
        type=float,
        metavar="H",
        help="how long a release stays that searchers were told to leave (release.grace_hours)",
    )
    prune.add_argument("--dry-run", action="store_true", help="show what would go")
    verify = add_command(commands, "verify", "compare a release's files with checksums", _verify)
    verify.add_argument("--release", metavar="ID", help="that release (the one that is served)")
    for sub in (publish, prune, verify):
        sub.add_argument("--config", type=Path, metavar="TOML", help="settings, see docs/config.md")
    for sub in (listing, publish, back, prune, verify):
        sub.add_argument("--json", action="store_true", help="print JSON")


def _config(args: argparse.Namespace) -> "Config":
    from schemas.config import load_config

    return load_config(args.config)


def _releases(args: argparse.Namespace) -> None:
    from indexer.store.head import read_head
    from indexer.store.releases import listed_releases
    from indexer.store.tables import Store
    from jobs.show import show_releases

    store = Store.open(args.store)
    found = listed_releases(store)
    if args.json:
        rows = [
            item.release.model_dump(mode="json")
            | {"serving": item.serving, "left_at": item.left_at}
            for item in found
        ]
        print_json(rows)
    else:
        show_releases(found, read_head(store).hold, console())


def _publish(args: argparse.Namespace) -> None:
    settle_threads()
    from jobs.progress import NoProgress
    from jobs.show import BarProgress
    from jobs.upkeep import publish

    if args.force is not None and not args.force.strip():
        raise ConfigError("publish: --force: say why; the reason stands in the release")
    config = _config(args) if args.config else None
    progress = NoProgress() if args.json else BarProgress()
    result = publish(args.store, config, progress, forced=args.force).or_raise()
    name = result.newest.release_id
    if args.json:
        print_json(
            {"published": result.published, "release": result.newest.model_dump(mode="json")}
        )
    elif result.published:
        _say(f"Published release {name}.")
        for check in result.newest.gate:
            if not check.passed:
                _say(f"Against the gate: {check.name}: wanted {check.wanted}, got {check.found}.")
    else:
        _say(f"Nothing new; {name} stays.")


def _rollback(args: argparse.Namespace) -> None:
    from indexer.store.releases import rollback
    from indexer.store.tables import Store

    left, served = rollback(Store.open(args.store), args.to)
    if args.json:
        print_json({"from": left.release_id, "to": served.release_id})
        return
    _say(f"Searchers go from {left.release_id} to {served.release_id} (made {served.created_at}).")
    _say("Runs keep the tables up to date and do not publish until `reelshelf publish` says so.")


def _prune(args: argparse.Namespace) -> None:
    from jobs.upkeep import prune_store, would_prune

    config = _config(args)
    keep = config.release.keep if args.keep is None else args.keep
    hours = config.release.grace_hours if args.grace_hours is None else args.grace_hours
    if keep < 1 or hours < 0:
        raise ConfigError("prune: --keep must be at least 1, --grace-hours at least 0")
    grace = dt.timedelta(hours=hours)
    if args.dry_run:
        names = [r.release_id for r in would_prune(args.store, config, keep=keep, grace=grace)]
        if args.json:
            print_json({"releases": names})
        else:
            _say(f"Would go: {', '.join(names) or 'nothing'}.")
        return
    done = prune_store(args.store, config, keep=keep, grace=grace)
    if args.json:
        print_json(asdict(done))
        return
    _say(f"Gone: {', '.join(done.releases) or 'no release'}.")
    _say(f"{done.versions} old versions of tables, {done.bytes / 1e6:.1f} MB.")


def _verify(args: argparse.Namespace) -> None:
    from jobs.upkeep import verify

    release = verify(args.store, _config(args), args.release)
    files = sum(table.files for table in release.tables)
    size = sum(table.bytes for table in release.tables)
    if args.json:
        print_json({"release": release.release_id, "files": files, "bytes": size})
    else:
        _say(f"{release.release_id}: {files} files, {size / 1e6:.1f} MB, all as they were written.")


def _say(text: str) -> None:
    console().print(text, markup=False, highlight=False)
