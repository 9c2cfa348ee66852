"""The gate's part of a run: everything that is looked at of a release before it is published.

What can be told from the tables alone is `quality.measures`' business. What needs models, the
shop's files, the source's lists, or an opened searcher is gathered here, as far as it is at hand;
what could not be looked at says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from reelshelf.indexer.pipeline.run import Baseline, Outcomes, Run
from reelshelf.indexer.quality.asking import answers_of, judged_quality, titles_asked
from reelshelf.indexer.quality.encoders import known_answers, orderings
from reelshelf.indexer.quality.gate import check_release
from reelshelf.indexer.quality.generations import changed_links, same_moments
from reelshelf.indexer.quality.presence import listed_inputs, rows_still_there
from reelshelf.indexer.quality.rederiving import (
    AGAIN,
    MADE_BY_MODELS,
    Samples,
    Sources,
    clustered_again,
    compared_again,
    encoded_again,
    frames_again,
    joined_again,
    linked_again,
    pictures_again,
)
from reelshelf.indexer.quality.relinking import released_linker
from reelshelf.indexer.sources.queries import JudgedQuery, read_judged
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.visual_stats import read_visual_stats
from reelshelf.models.pictures import load_picture
from reelshelf.schemas.config import Config, LinkingConfig
from reelshelf.schemas.errors import ModelUnavailable, SpaceMismatch
from reelshelf.schemas.gate import Finding, GateCheck, at_most
from reelshelf.schemas.release import JudgedQuality, Release

# Titles that a new generation is asked for, where the served one sells something by them.
_TITLES = 60
# Rows that are made again without models, where `gate.recheck` has none made with them.
_REMADE = 300
_NOT_COMPARED = Finding(
    column="judged queries",
    claim="are answered as well as by the served release",
    skipped="nothing is served, or its encoders are not on this machine",
)
_TITLES_NOT_ASKED = Finding(
    column="titles of products",
    claim="are answered as in the served generation",
    skipped="nothing is sold by a title, or the encoders of a release are not on this machine",
)


@dataclass(frozen=True, slots=True)
class AtHand:
    """What a run has to compare its release with, beside the store.

    `sources` are models and files, None where no model is asked. `listed` are the keys that the
    source lists, by table; `left` the rows that the last run left in each table, for who publishes
    that. `standing` are conditions that asked models and were not met by the run whose tables these
    are: they stand until models are asked again.
    """

    sources: Sources | None = None
    listed: Mapping[str, pa.Array] | None = None
    left: Mapping[str, int] | None = None
    standing: Sequence[GateCheck] = ()


NOTHING_AT_HAND = AtHand()


def check_files(config: Config) -> None:
    """Raise InputError where a file that the gate needs is of no use, before any work."""
    if config.gate.judged is not None:
        read_judged(Path(config.gate.judged), load_picture)


def gated(
    run: Run, baseline: Baseline, outcomes: Outcomes, draft: Release, at_hand: AtHand
) -> Release:
    """A release that was measured, with all else that was looked at, and the gate's word."""
    store, config = run.store, run.config
    snapshot = ReleaseSnapshot.of(store, draft)
    served = ReleaseSnapshot.of(store, baseline.readable) if baseline.readable is not None else None
    findings = list(draft.quality.findings)
    samples = _samples(run, snapshot, served)
    findings += joined_again(samples, config.text.analyzer)
    findings += clustered_again(samples)
    if not run.scope.products_only:
        frames = draft.index_of("segments", "frame_vector")
        stats = read_visual_stats(store, draft.visual_stats_id)
        findings += compared_again(samples, frames, stats, config.duplicates)
        linker = released_linker(snapshot)
        carried = len(draft.catalog_states) > 1
        findings += linked_again(samples, linker, config.linking.keep_above, carried=carried)
    why_not = _why_no_model(samples, at_hand, config)
    if at_hand.sources is not None and not why_not:
        asked = _asked(samples, at_hand.sources, config.gate.recheck_share)
        findings += [found.model_copy(update={"asked_models": True}) for found in asked]
    else:
        findings.append(Finding(column="vectors", claim=AGAIN, skipped=why_not))
    if at_hand.listed is not None:
        findings += listed_inputs(snapshot, at_hand.listed)
    if at_hand.left is not None:
        findings += rows_still_there(snapshot, at_hand.left)
    quality = draft.quality.model_copy(
        update={"orderings": orderings(snapshot, config.index.seed), "findings": findings}
    )
    if served is not None:
        before = served.release.quality.orderings or orderings(served, config.index.seed)
        links = changed_links(snapshot, served, snapshot.link_above)
        quality = quality.model_copy(update={"orderings_before": before, "link_change": links})
    if served is not None and served.release.generation != draft.generation:
        findings += same_moments(snapshot, served)
        titles = _judged(snapshot, served, titles_asked(served, _TITLES, 0))
        if titles is None or titles.before is None:
            findings.append(_TITLES_NOT_ASKED)
        quality = quality.model_copy(update={"findings": findings, "titles": titles})
    if config.gate.judged is not None:
        read = read_judged(Path(config.gate.judged), load_picture)
        judged = _judged(snapshot, served, read.queries, required=True)
        if judged is not None and judged.before is None:
            findings.append(_NOT_COMPARED)
        quality = quality.model_copy(update={"findings": findings, "judged": judged})
    gate = config.gate
    if run.allow_shrink:
        gate = gate.model_copy(update={"max_shrink": 1.0})
    before_quality = baseline.served.quality if baseline.served else None
    checks = check_release(quality, before_quality, gate, tried=outcomes.failure_rate is not None)
    checks.append(_bars_in_order(config.linking))
    checks += at_hand.standing
    return draft.model_copy(update={"quality": quality, "gate": checks})


def _bars_in_order(linking: LinkingConfig) -> GateCheck:
    """Links that are shown must be among those that are kept."""
    harm = "weak links are shown, and nothing is kept for a look"
    return at_most("linking.keep_above", linking.keep_above, linking.link_above, harm)


def _samples(run: Run, snapshot: ReleaseSnapshot, served: ReleaseSnapshot | None) -> Samples:
    beside = served
    if served is not None and served.release.generation != snapshot.release.generation:
        beside = None
    # What asks no model is made again in any case.
    most = run.config.gate.recheck or _REMADE
    return Samples(snapshot, beside, most, run.config.index.seed + 1)


def _asked(samples: Samples, sources: Sources, share: float) -> Iterator[Finding]:
    """All that models are asked for."""
    samples = replace(samples, share=share)
    yield from known_answers(sources)
    yield from encoded_again(samples, sources)
    if sources.files is not None:
        yield from pictures_again(samples, sources.files)
        yield from frames_again(samples, sources.files)


def _why_no_model(samples: Samples, at_hand: AtHand, config: Config) -> str:
    """Why models are not asked; "" where they are. An upgrade or another setting never asks any."""
    if not config.gate.recheck:
        return "gate.recheck is 0"
    if at_hand.sources is None:
        return "this command asks no model; the next ingest that makes something new does"
    if not any(samples.made_by_models(name).new.any() for name in MADE_BY_MODELS):
        return "models have made nothing since the served release"
    return ""


def _judged(
    snapshot: ReleaseSnapshot,
    served: ReleaseSnapshot | None,
    queries: Sequence[JudgedQuery],
    *,
    required: bool = False,
) -> JudgedQuality | None:
    """How queries are answered, now and by the served release, as far as its encoders are here.

    None where the encoders of the new one are not here, unless it is required that they are.
    """
    if not queries:
        return None
    try:
        now = answers_of(snapshot, queries, load_picture)
    except (ModelUnavailable, SpaceMismatch):
        if required:
            raise
        return None
    try:
        before = answers_of(served, queries, load_picture) if served is not None else None
    except (ModelUnavailable, SpaceMismatch):
        before = None
    return judged_quality(now, before)
