"""The command `calibrate`: fit link scores on labeled videos."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.exits import cannot_write
from reelshelf.jobs.cli.terminal import Commands, add_command, console, given_config, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.quality.labeled import Labeled, UnseenQuality
    from reelshelf.schemas.calibration import Calibration


def add_calibrate(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands, "calibrate", "fit link scores on judged videos, for the next ingest", _calibrate
    )
    sub.add_argument(
        "--labels",
        required=True,
        type=Path,
        metavar="FILE",
        help='JSON lines: {"video_id": ..., "links": [{"sku": ...}]}',
    )
    sub.add_argument(
        "--from-nothing", action="store_true", help="do not start from the weights that ship"
    )
    sub.add_argument(
        "--trust",
        action="store_true",
        help="also learn what the declarations of each merchant are worth",
    )
    sub.add_argument("--out", type=Path, metavar="FILE", help="also write the weights as JSON")


def _calibrate(args: argparse.Namespace) -> None:
    from reelshelf.indexer.linking.calibration import UNFITTED, default_calibration
    from reelshelf.indexer.pipeline.upkeep import keep_calibration
    from reelshelf.indexer.quality.labeled import (
        as_stored,
        calibrate,
        judged_overrides,
        labeled_pairs,
        learned_trust,
        read_labels,
        unseen_quality,
    )
    from reelshelf.indexer.store.snapshot import ReleaseSnapshot

    config = given_config(args).resolve()
    snapshot = ReleaseSnapshot.open(args.store, config.storage)
    truth = read_labels(args.labels)
    labeled = labeled_pairs(snapshot, truth)
    prior = UNFITTED if args.from_nothing else default_calibration()
    fitted = calibrate(
        labeled.pairs, prior, fitted_on=f"{args.labels.name} of {snapshot.release.shop_id}"
    )
    unseen = unseen_quality(labeled, prior)
    if args.trust:
        fitted = fitted.model_copy(update={"trust": learned_trust(snapshot, truth)})
    if args.out is not None:
        try:
            args.out.write_text(fitted.model_dump_json(indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise cannot_write(f"calibrate: --out {args.out}", error) from error
    overrides = judged_overrides(
        snapshot.release.shop_id, as_stored(snapshot, truth), args.labels.name
    )
    keep_calibration(args.store, config, fitted, overrides)
    if args.json:
        print_json(
            {
                "calibration": fitted.model_dump(mode="json"),
                "videos": labeled.videos,
                "unknown_videos": labeled.unknown,
                "silent_links": [[pair.video_id, pair.sku] for pair in labeled.silent],
                "unseen": asdict(unseen) if unseen else None,
            }
        )
    else:
        _show_calibration(fitted, prior, labeled, unseen, console())


def _show_calibration(
    fitted: "Calibration",
    prior: "Calibration",
    labeled: "Labeled",
    unseen: "UnseenQuality | None",
    console: "Console",
) -> None:
    """Prior and fitted weights, and how these do on videos they were not fitted on."""
    from reelshelf.jobs.cli.tables import make_table, plain
    from reelshelf.schemas.calibration import Signal

    rows = [
        [name.value, f"{prior.weights.get(name, 0.0):.2f}", f"{fitted.weights[name]:.2f}"]
        for name in Signal
    ]
    rows.insert(0, ["bias", f"{prior.bias:.2f}", f"{fitted.bias:.2f}"])
    console.print(make_table("Weights", ["signal", "prior", "fitted"], rows))
    true = sum(pair.linked for pair in labeled.pairs) + len(labeled.silent)
    quality = (
        f"On unseen folds, at 0.5: precision {unseen.precision:.2f}, recall {unseen.recall:.2f}"
        if unseen
        else "Too few videos to test it on unseen ones; there are"
    )
    console.print(
        f"Fitted on {fitted.pairs} pairs ({fitted.positives} links) of {labeled.videos} videos. "
        f"{quality} of {true} true links ({len(labeled.silent)} of them without any evidence).",
        markup=False,
    )
    if labeled.unknown:
        console.print(plain(f"{len(labeled.unknown)} judged videos are not in the release."))
    for merchant, trust in fitted.trust.items():
        console.print(plain(f"What {merchant or 'nobody'} declares is {trust.value} from now on."))
    console.print(
        "The next `reelshelf ingest` links with these weights, and judged videos as judged."
    )
