"""The command `reelshelf`.

Only argparse is imported at the top: `--help` must answer at once, and a search must not pay for
Ray. Results go to standard output, progress and errors to standard error.
"""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from jobs.exits import as_ours, cannot_write, keep_traceback
from jobs.reindex_command import add_reindex
from jobs.release_commands import add_release_commands
from jobs.report_command import add_report
from jobs.terminal import (
    Commands,
    add_command,
    careful_output,
    console,
    print_json,
    settle_threads,
)
from schemas.errors import ConfigError, InfrastructureError, ReelshelfError

if TYPE_CHECKING:
    from indexer.search.results import Answer
    from indexer.store.tables import Store
    from jobs.nightly import NightlySummary
    from schemas.config import Config
    from schemas.links import ProductLink
    from schemas.release import Release

_EXIT_CODES = """exit codes:
  0    done (ingest: published, or nothing was new)
  1    a bug in reelshelf; the message names a file with its traceback
  2    the command line, the config or an input file is wrong
  3    a model, a package or a GPU that the profile needs is missing
  4    the quality gate refused the release, or publishing is on hold; the last one stays
  5    too many videos failed of those that were tried; the last release stays
  6    the store is missing, damaged, of another schema, or holds other vectors
  7    nightly: nothing to do, the last release is what the source says
  8    another run holds the store, or has taken it over
  9    report: a condition of --fail-on holds
  10   the disk, the network, a permission or a service failed; the same command may pass later
  130  interrupted; run the same command again to complete the store
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="reelshelf",
        description="Turn a shop's videos and its catalogue into a searchable, published release.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_ingest(commands)
    _add_nightly(commands)
    _add_search(commands)
    _add_links(commands)
    _add_explain(commands)
    _add_calibrate(commands)
    add_report(commands)
    add_reindex(commands)
    add_release_commands(commands)
    return parser


def _add_ingest(commands: Commands) -> None:
    sub = add_command(commands, "ingest", "index videos and a catalogue, and publish", _ingest)
    sub.add_argument(
        "--catalog",
        required=True,
        metavar="URI",
        help="products: .jsonl .csv .parquet, on disk or s3://",
    )
    sub.add_argument(
        "--videos",
        required=True,
        metavar="URI",
        help="a folder or s3:// prefix, or a manifest: .jsonl .csv .parquet",
    )
    sub.add_argument("--profile", choices=["offline", "clip"], help="which models (offline)")
    sub.add_argument("--config", type=Path, metavar="TOML", help="settings, see docs/config.md")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _add_nightly(commands: Commands) -> None:
    sub = add_command(
        commands,
        "nightly",
        "do what a night needs, as the config says, and publish",
        _nightly,
        store=False,
    )
    sub.add_argument(
        "--config",
        required=True,
        type=Path,
        metavar="TOML",
        help="with [nightly] catalog, videos, store, and a profile",
    )
    sub.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    sub.add_argument(
        "--verify-content", action="store_true", help="hash every file, whatever its stamp says"
    )
    sub.add_argument("--address", metavar="ADDR", help="the Ray cluster to run on (engine.address)")


def _add_search(commands: Commands) -> None:
    sub = add_command(commands, "search", "find videos by words or by a picture", _search)
    sub.add_argument("text", nargs="?", metavar="TEXT", help="what a shopper would type")
    sub.add_argument("--image", type=Path, metavar="FILE", help="a picture instead of words")
    sub.add_argument("-k", type=int, default=10, metavar="N", help="how many results (10)")
    sub.add_argument("--category", metavar="C", help="only videos that sell from this category")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _add_links(commands: Commands) -> None:
    sub = add_command(commands, "links", "show which videos sell which products, and why", _links)
    which = sub.add_mutually_exclusive_group()
    which.add_argument("--video", metavar="ID", help="only links of this video")
    which.add_argument("--sku", metavar="SKU", help="only links to this product")
    sub.add_argument(
        "--min-score", type=float, metavar="S", help="weakest link shown (linking.link_above)"
    )
    sub.add_argument("--json", action="store_true", help="print JSON")


def _add_explain(commands: Commands) -> None:
    sub = add_command(commands, "explain", "tell why a video is linked, or why not", _explain)
    sub.add_argument("--video", required=True, metavar="ID", help="the video")
    sub.add_argument("--sku", metavar="SKU", help="only this product, linked or not")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _add_calibrate(commands: Commands) -> None:
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
    sub.add_argument("--out", type=Path, metavar="FILE", help="also write the weights as JSON")
    sub.add_argument("--json", action="store_true", help="print JSON")


def main(argv: list[str] | None = None) -> int:
    """Run a command; return its exit code."""
    with careful_output() as output:
        args = build_parser().parse_args(argv)
        signal.signal(signal.SIGTERM, _interrupt)
        code = _run(args)
        output.flush()
        # What a night has come to is told by its code, whatever becomes of its log.
        if output.error is None or code != 0 or args.command == "nightly":
            return code
        print(f"reelshelf: its output could not be written: {output.error}", file=sys.stderr)
        return InfrastructureError.exit_code


def _run(args: argparse.Namespace) -> int:
    try:
        return int(args.run(args) or 0)
    except ReelshelfError as error:
        print(f"reelshelf: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("reelshelf: interrupted. Run the same command again to complete.", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 - the process's boundary
        ours = as_ours(error)
        if ours is not None:
            print(f"reelshelf: {ours}", file=sys.stderr)
            return ours.exit_code
        print(f"reelshelf: {keep_traceback(error)}", file=sys.stderr)
        return ReelshelfError.exit_code


def _interrupt(_signum: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _ingest(args: argparse.Namespace) -> None:
    settle_threads()
    from jobs.engines import make_engine
    from jobs.ingest import ingest
    from jobs.planning import IngestRequest
    from jobs.progress import NoProgress
    from jobs.show import BarProgress, show_ingest
    from schemas.config import load_config

    config = load_config(args.config, profile=args.profile)
    request = IngestRequest(args.catalog, args.videos, args.store)
    progress = NoProgress() if args.json else BarProgress()
    result = ingest(request, config, make_engine, progress).or_raise()
    if args.json:
        print_json(
            {
                "published": result.published,
                "outcomes": asdict(result.tally),
                "failed": [asdict(item) for item in result.failed],
                "skipped": [asdict(item) for item in result.skipped],
                "rejected": [asdict(item) for item in result.rejected],
                "rejected_pictures": [asdict(item) for item in result.rejected_pictures],
                "calls": result.calls,
                "release": result.newest.model_dump(mode="json"),
            }
        )
    else:
        show_ingest(result, console())


def _nightly(args: argparse.Namespace) -> int:
    settle_threads()
    from jobs.nightly import NOTHING_TO_DO, plan_lines, request_of, run_nightly
    from jobs.planning import plan_only
    from jobs.show import LineProgress, show_plan
    from schemas.config import load_config

    config = load_config(args.config, profile_required=True)
    if args.address is not None:
        engine = config.engine.model_copy(update={"kind": "ray", "address": args.address})
        config = config.model_copy(update={"engine": engine})
    request = request_of(config, verify=args.verify_content)
    if args.dry_run:
        counts = plan_only(request, config).counts
        show_plan(plan_lines(counts), console(stderr=True))
        print(json.dumps(asdict(counts)))
        return NOTHING_TO_DO if counts.nothing_to_do else 0
    return run_nightly(config, request, LineProgress(), _tell_night)


def _tell_night(summary: "NightlySummary") -> None:
    print_json(asdict(summary), indent=None)
    print(f"reelshelf nightly: {summary.line}", file=sys.stderr)


def _search(args: argparse.Namespace) -> None:
    from jobs.show import show_answer

    if (args.text is None) == (args.image is None):
        raise ConfigError("search: give either TEXT or --image FILE")
    if args.k < 1:
        raise ConfigError(f"search: -k: got {args.k}; it must be at least 1")
    found = find(args.store, args.text, args.image, k=args.k, category=args.category)
    if args.json:
        print_json(_answer_json(found))
    else:
        show_answer(args.text or str(args.image), found, console())


def _answer_json(found: "Answer") -> dict[str, object]:
    query = found.query
    understood = {
        "text": query.text,
        "corrections": [{"typed": typed, "taken": taken} for typed, taken in query.corrections],
        "price": {
            "least": query.price.least,
            "most": query.price.most,
            "currencies": sorted(query.price.currencies or ()) or None,
        } if query.price else None,
        "notes": list(query.notes),
    } if query else None  # fmt: skip
    return {
        "answered": found.answered,
        "outside_filters": found.outside_filters,
        "query": understood,
        "hits": [asdict(hit) for hit in found.hits],
        "closest": [asdict(hit) for hit in found.closest],
    }


def find(
    uri: str, text: str | None, image: Path | None, *, k: int, category: str | None
) -> "Answer":
    """Search the newest release with the models that it names."""
    from indexer.products import load_picture
    from indexer.search.searcher import QueryEncoders, Searcher
    from models.registry import load_image_encoder, load_joint_text, load_text_encoder

    store, release, config = _newest(uri)
    if text is not None:
        encoders = QueryEncoders(text=load_text_encoder(config), joint_text=load_joint_text(config))
        return Searcher(store, release, encoders, config.search).search_text(
            text, k=k, category=category
        )
    assert image is not None
    try:
        pixels = load_picture(image)
    except (OSError, ValueError) as error:
        raise ConfigError(f"search: --image {image}: {error}") from error
    encoders = QueryEncoders(image=load_image_encoder(config))
    return Searcher(store, release, encoders, config.search).search_image(
        pixels, k=k, category=category
    )


def _links(args: argparse.Namespace) -> None:
    from indexer.store.links import released_links
    from jobs.show import show_links

    store, release, config = _newest(args.store)
    least = config.linking.link_above if args.min_score is None else args.min_score
    found = released_links(store, release, video_id=args.video, sku=args.sku, min_score=least)
    if args.json:
        print_json([_link_json(video, title, link) for video, title, link in found])
    else:
        show_links(found, console())


def _link_json(video_id: str, title: str, link: "ProductLink") -> dict[str, object]:
    return asdict(link) | {"video_id": video_id, "title": title, "scores": dict(link.scores)}


def _explain(args: argparse.Namespace) -> None:
    from indexer.quality.explain import explain
    from jobs.show import show_explanations

    store, release, config = _newest(args.store)
    found = explain(store, release, config.linking, args.video, args.sku)
    if args.json:
        print_json([asdict(item) for item in found])
    else:
        show_explanations(args.video, found, config.linking.link_above, console())


def _calibrate(args: argparse.Namespace) -> None:
    from indexer.linking.calibration import UNFITTED, default_calibration
    from indexer.quality.labelled import (
        calibrate,
        labelled_pairs,
        read_labels,
        unseen_quality,
    )
    from indexer.store.calibrations import save_calibration
    from jobs.show import show_calibration

    store, release, config = _newest(args.store)
    truth = read_labels(args.labels)
    labelled = labelled_pairs(store, release, truth, config.linking)
    prior = UNFITTED if args.from_nothing else default_calibration()
    fitted = calibrate(labelled.pairs, prior, fitted_on=f"{args.labels.name} of {release.shop_id}")
    unseen = unseen_quality(labelled, prior)
    if args.out is not None:
        try:
            args.out.write_text(fitted.model_dump_json(indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise cannot_write(f"calibrate: --out {args.out}", error) from error
    save_calibration(store, fitted)
    if args.json:
        print_json(
            {
                "calibration": fitted.model_dump(mode="json"),
                "videos": labelled.videos,
                "unknown_videos": labelled.unknown,
                "silent_links": [[pair.video_id, pair.sku] for pair in labelled.silent],
                "unseen": asdict(unseen) if unseen else None,
            }
        )
    else:
        show_calibration(fitted, prior, labelled, unseen, console())


def _newest(uri: str) -> "tuple[Store, Release, Config]":
    from indexer.store.releases import config_of, newest_release
    from indexer.store.tables import Store

    store = Store.open(uri)
    release = newest_release(store)
    return store.of(release.generation), release, config_of(release)


if __name__ == "__main__":
    sys.exit(main())
