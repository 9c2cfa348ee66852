"""The command `report`: a page, its facts as JSON, a few lines, and an exit code for CI."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.exits import cannot_write
from reelshelf.jobs.cli.terminal import Commands, add_command, given_config, settle_threads
from reelshelf.schemas.errors import (
    ConditionMet,
    ConfigError,
    ModelUnavailable,
    SpaceMismatch,
    StoreError,
)

if TYPE_CHECKING:
    from reelshelf.indexer.report.build import Given
    from reelshelf.indexer.report.search_section import Before
    from reelshelf.indexer.search.finding import QueryEncoders
    from reelshelf.indexer.sources.queries import JudgedQuery
    from reelshelf.indexer.store.tables import Store
    from reelshelf.schemas.config import Config, ReportConfig
    from reelshelf.schemas.release import Release


def add_report(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands,
        "report",
        "make the quality report of what is published, as a page and as JSON",
        _report,
        store=False,
        config="settings, see docs/report.md",
    )
    sub.add_argument("--store", metavar="URI", help="the store (the config's nightly.store)")
    sub.add_argument(
        "--out", type=Path, default=Path("report"), metavar="DIR", help="where it goes (./report)"
    )
    which = sub.add_mutually_exclusive_group()
    which.add_argument("--release", metavar="ID", help="that release (the one that is served)")
    which.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="set release B beside release A"
    )
    sub.add_argument(
        "--labels", metavar="FILE", help="judged videos, for calibration (report.labels)"
    )
    sub.add_argument(
        "--judged", metavar="FILE", help="judged queries, for nDCG and recall (report.judged)"
    )
    sub.add_argument(
        "--query-log",
        metavar="FILE",
        help="what shoppers searched for: text, count, clicks (report.query_log)",
    )
    sub.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="CONDITION",
        help='end with exit code 9 where it holds: "recall_at_10<0.95", "change.links<-100"; '
        "the page lists the names of all figures",
    )


def _report(args: argparse.Namespace) -> None:
    settle_threads()
    from reelshelf.indexer.report.figures import Condition, conditions_met

    conditions = [Condition.parse(text) for text in args.fail_on]
    if args.compare and args.query_log:
        raise ConfigError("report: --query-log is for one release, not for --compare")
    config = _config(args)
    store = _open(args, config)
    settings = _settings(args, config)
    if args.compare:
        text, now, before = _compare(args, store, settings)
    else:
        text, now, before = _single(args, store, config, settings)
    print(text)
    met = conditions_met(conditions, now, before)
    if met:
        raise ConditionMet("report: " + "; ".join(met))


def _single(
    args: argparse.Namespace, store: "Store", config: "Config | None", settings: "ReportConfig"
) -> "tuple[str, Mapping[str, float], Mapping[str, float] | None]":
    """Make the report of one release; what to print, its figures and those before."""
    from reelshelf.indexer.report.build import build_report, measured, release_before
    from reelshelf.indexer.report.history import NAME as HISTORY
    from reelshelf.indexer.report.history import history_text, read_history
    from reelshelf.indexer.report.page import report_json, report_page
    from reelshelf.indexer.report.pictures import link_pictures
    from reelshelf.indexer.report.summary import summary
    from reelshelf.indexer.sources.files import Files
    from reelshelf.indexer.store.releases import config_of, listed_releases
    from reelshelf.indexer.store.rows import now as this_instant
    from reelshelf.indexer.store.runs import run_records
    from reelshelf.indexer.store.snapshot import ReleaseSnapshot

    release = _release(store, args.release)
    own = config or config_of(release)
    before = release_before(listed_releases(store), release)
    history = read_history(args.out)
    given = _given(store, release, before, settings)
    facts = build_report(store, release, given, settings, history, this_instant())
    runs = run_records(store)
    pictures = link_pictures(
        ReleaseSnapshot.of(store, release),
        facts.links.sample,
        Files(own.storage),
        own.media,
        next((run.source["catalog"] for run in reversed(runs) if run.source), None),
    )
    page, text = report_page(facts, pictures), report_json(facts)
    lines = history_text(history, measured(release, given, facts.figures))
    _write(args.out, {"report.html": page, "report.json": text, HISTORY: lines})
    shown = text if args.json else _lines(summary(facts), args.out / "report.html")
    return shown, facts.figures, facts.before


def _compare(
    args: argparse.Namespace, store: "Store", settings: "ReportConfig"
) -> "tuple[str, Mapping[str, float], Mapping[str, float] | None]":
    """Set two releases side by side; what to print, and the figures of both."""
    from reelshelf.indexer.report.compare import compare
    from reelshelf.indexer.report.page import comparison_json, comparison_page
    from reelshelf.indexer.report.summary import comparison_summary
    from reelshelf.indexer.store.releases import find_release, list_releases
    from reelshelf.indexer.store.rows import now as this_instant

    a, b = (find_release(store, name) for name in args.compare)
    given = _given(store, b, a, settings, log=False)
    found = compare(store, list_releases(store), a, b, given, settings, this_instant())
    page, text = comparison_page(found), comparison_json(found)
    _write(args.out, {"compare.html": page, "compare.json": text})
    shown = text if args.json else _lines(comparison_summary(found), args.out / "compare.html")
    return shown, found.b.figures, found.a.figures


def _config(args: argparse.Namespace) -> "Config | None":
    return given_config(args).resolve() if args.config else None


def _open(args: argparse.Namespace, config: "Config | None") -> "Store":
    from reelshelf.indexer.store.tables import Store

    uri = args.store or (config.nightly.store if config else None)
    if uri is None:
        raise ConfigError("report: name the --store, or a --config with nightly.store")
    return Store.open(uri, config.storage if config else None)


def _settings(args: argparse.Namespace, config: "Config | None") -> "ReportConfig":
    """The [report] section, and what the command line says instead."""
    from reelshelf.schemas.config import ReportConfig

    said = {name: getattr(args, name) for name in ("labels", "judged", "query_log")}
    given = {name: value for name, value in said.items() if value is not None}
    settings = (config.report if config else ReportConfig()).model_copy(update=given)
    paths = {"out": str(args.out)} | {name: getattr(settings, name) for name in said}
    for name, path in paths.items():
        # pathlib makes one slash of two.
        if path is not None and re.match(r"[a-z0-9]+:/", path):
            raise ConfigError(f"report: {name}: {path}: must be on this machine")
    return settings


def _release(store: "Store", name: str | None) -> "Release":
    """The release to report on. Where there is none, the error says how the last run ended."""
    from reelshelf.indexer.store.releases import find_release, nothing_published, served_release
    from reelshelf.indexer.store.runs import run_records

    if name is not None:
        return find_release(store, name)
    served = served_release(store)
    if served is not None:
        return served
    if runs := run_records(store):
        last = runs[-1]
        raise StoreError(
            f"{store.uri}: nothing has been published yet, so there is nothing to report on. The "
            f"last run ended at {last.ended_at:%Y-%m-%d %H:%M} UTC, {last.ending.value}: "
            f"{last.message or 'without a message'}"
        )
    raise nothing_published(store)


def _given(
    store: "Store",
    release: "Release",
    before: "Release | None",
    settings: "ReportConfig",
    *,
    log: bool = True,
) -> "Given":
    """Read the files that the settings name, and ask the release what they ask."""
    from reelshelf.indexer.quality.asking import ask_of, released_encoders
    from reelshelf.indexer.quality.judged import answer_all
    from reelshelf.indexer.quality.labeled import as_stored, read_labels
    from reelshelf.indexer.report.build import Given
    from reelshelf.indexer.report.demand import Log, demand
    from reelshelf.indexer.report.link_section import Labels
    from reelshelf.indexer.report.search_section import JudgedFile, search_section
    from reelshelf.indexer.search.searcher import Searcher
    from reelshelf.indexer.sources.queries import read_judged, read_log
    from reelshelf.indexer.store.snapshot import ReleaseSnapshot
    from reelshelf.indexer.text.clean import printable
    from reelshelf.models.pictures import load_picture
    from reelshelf.schemas.keys import file_sha256

    labels = judged = logged = asked = wanted = None
    snapshot = ReleaseSnapshot.of(store, release)
    # All files first: a wrong one is told before minutes are spent.
    if settings.labels is not None:
        path = Path(settings.labels)
        truth = as_stored(snapshot, read_labels(path))
        labels = Labels(printable(path.name), truth, file_sha256(path))
    if settings.judged is not None:
        path = Path(settings.judged)
        read = read_judged(path, load_picture)
        judged = JudgedFile(printable(path.name), read, file_sha256(path))
    if log and settings.query_log is not None:
        path = Path(settings.query_log)
        logged = Log(printable(path.name), read_log(path))
    if judged is None and logged is None:
        return Given(labels)
    queries = judged.read.queries if judged is not None else ()
    encoders = released_encoders(release, pictures=any(query.image for query in queries))
    searcher = Searcher(snapshot, encoders)
    if logged is not None:
        wanted = demand(snapshot, logged, searcher.wanted, settings.log_queries)
    if judged is not None:
        now = answer_all(queries, ask_of(searcher, load_picture))
        # One release in memory at a time.
        del searcher
        asked = search_section(
            snapshot, judged, now, _before(store, release, before, encoders, queries)
        )
    return Given(labels, wanted, asked)


def _before(
    store: "Store",
    release: "Release",
    before: "Release | None",
    encoders: "QueryEncoders",
    queries: "Sequence[JudgedQuery]",
) -> "Before":
    """Ask the release before, with the same encoders where it has the same."""
    from reelshelf.indexer.quality.asking import ask_of, released_encoders
    from reelshelf.indexer.quality.judged import answer_all
    from reelshelf.indexer.report.search_section import Before
    from reelshelf.indexer.search.searcher import Searcher
    from reelshelf.indexer.store.snapshot import ReleaseSnapshot
    from reelshelf.models.pictures import load_picture

    if before is None:
        return Before()
    try:
        if before.models != release.models:
            encoders = released_encoders(before, pictures=encoders.image is not None)
        searcher = Searcher(ReleaseSnapshot.of(store, before), encoders)
    except (ModelUnavailable, SpaceMismatch) as error:
        why = f"{before.release_id} was made with models that are not here: {error}"
        return Before(before.release_id, None, why)
    return Before(before.release_id, answer_all(queries, ask_of(searcher, load_picture)))


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            # A page that somebody has open, or is being served, is never half written.
            scratch = folder / f".{name}.tmp"
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(folder / name)
    except OSError as error:
        raise cannot_write(f"report: --out {folder}", error) from error


def _lines(lines: Sequence[str], page: Path) -> str:
    return "\n".join([*lines, f"The whole of it: {page}"])
