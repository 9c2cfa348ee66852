"""Calibrating on a shop's own labels: from judged videos to fitted weights.

Labels are JSON lines, one for each judged video: `{"video_id": ..., "links": [{"sku": ...}, ...]}`;
other fields are ignored. A judged video without links says that it sells nothing of the catalog,
which is as worth knowing as a link. Videos that are not judged are left out.
"""

import datetime as dt
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reelshelf.indexer.linking.calibration import fit, probability
from reelshelf.indexer.quality.relinking import released_linker, released_videos
from reelshelf.indexer.store.ids import stored_skus, stored_videos
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.calibration import Calibration, Signal, Trust
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.overrides import Override, Verdict


@dataclass(frozen=True, slots=True)
class LabeledPair:
    """A (video, SKU) pair that some modality speaks for, and whether it is truly a link.

    `sku` stands for its group: that of the labels, where one of its variants is judged a link.
    """

    video_id: str
    cluster: str
    sku: str
    signals: Mapping[Signal, float]
    linked: bool


@dataclass(frozen=True, slots=True)
class Labeled:
    """What a release shows of the judged videos.

    `unknown` are judged videos that the release does not hold; `silent` are true links that no
    modality speaks for, which no calibration can find.
    """

    pairs: tuple[LabeledPair, ...]
    videos: int
    unknown: tuple[str, ...]
    silent: tuple[LabeledPair, ...]


def read_labels(path: Path) -> dict[str, frozenset[str]]:
    """The SKUs that each judged video sells. Raises InputError with the line that is wrong."""
    truth: dict[str, frozenset[str]] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"labels {path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            video_id, skus = str(row["video_id"]), [str(link["sku"]) for link in row["links"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'labels {path}:{number}: wanted {{"video_id": ..., "links": [{{"sku": ...}}]}}, '
                f"got {line[:80]!r}"
            ) from error
        truth[video_id] = truth.get(video_id, frozenset()) | frozenset(skus)
    if not truth:
        raise InputError(f"labels {path}: holds no label")
    return truth


def as_stored(
    snapshot: ReleaseSnapshot, truth: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Labels with their ids spelled as a release spells them."""
    videos = stored_videos(snapshot, truth)
    skus = stored_skus(snapshot, {sku for links in truth.values() for sku in links})
    found: dict[str, frozenset[str]] = {}
    for name, links in truth.items():
        known = found.get(videos[name], frozenset())
        found[videos[name]] = known | {skus[sku] for sku in links}
    return found


def labeled_pairs(snapshot: ReleaseSnapshot, truth: Mapping[str, frozenset[str]]) -> Labeled:
    """Every candidate pair of the judged videos, with its signals as this release measures them."""
    linker = released_linker(snapshot)
    truth = as_stored(snapshot, truth)
    keys = {video_key(snapshot.release.shop_id, video_id): video_id for video_id in truth}
    clusters = snapshot.store.clusters(snapshot.versions["videos"])
    pairs: list[LabeledPair] = []
    silent: list[LabeledPair] = []
    known = sorted(keys.keys() & clusters.keys())
    for copies in released_videos(snapshot, known):
        candidates = linker.considered([video for _, video in copies])
        for (video_id, video), found in zip(copies, candidates, strict=True):
            if video_id not in truth:
                continue
            cluster, true = clusters[video.video_key], truth[video_id]
            left = set(true)
            for candidate in found:
                # Of a group the SKU that is judged to be there stands for all of its variants.
                skus = linker.skus(candidate)
                judged = sorted(true.intersection(skus))
                left.difference_update(judged)
                sku = judged[0] if judged else skus[0]
                pair = LabeledPair(video_id, cluster, sku, candidate.signals, bool(judged))
                pairs.append(pair)
            silent += [LabeledPair(video_id, cluster, sku, {}, True) for sku in sorted(left)]
    unknown = tuple(sorted(keys[key] for key in keys.keys() - clusters.keys()))
    return Labeled(tuple(pairs), len(known), unknown, tuple(silent))


# How the reason of an override begins that comes from labels.
JUDGED = "judged in "
_ENOUGH_DECLARED = 5
_TRUSTWORTHY, _WORTHLESS = 0.95, 0.3


def learned_trust(
    snapshot: ReleaseSnapshot, truth: Mapping[str, frozenset[str]]
) -> dict[str, Trust]:
    """What the declarations of each merchant turned out to be worth in judged videos.

    Nothing is said of a merchant of whom few declarations are judged.
    """
    truth = as_stored(snapshot, truth)
    declared: dict[str, list[bool]] = defaultdict(list)
    columns = ["video_id", "merchant_id", "merchant_skus"]
    for row in snapshot.scan("videos", columns, "merchant_skus IS NOT NULL").to_pylist():
        true = truth.get(row["video_id"])
        if true is not None:
            declared[row["merchant_id"] or ""] += [sku in true for sku in row["merchant_skus"]]
    found = {}
    for merchant, right in sorted(declared.items()):
        share = sum(right) / max(len(right), 1)
        if len(right) >= _ENOUGH_DECLARED and share >= _TRUSTWORTHY:
            found[merchant] = Trust.LINKED
        elif len(right) >= _ENOUGH_DECLARED and share <= _WORTHLESS:
            found[merchant] = Trust.IGNORED
    return found


def judged_overrides(
    shop_id: str, truth: Mapping[str, frozenset[str]], source: str
) -> list[Override]:
    """Labels as overrides: what is judged to be there always is, and nothing else ever."""
    at, why = dt.datetime.now(dt.UTC), f"{JUDGED}{source}"
    overrides = []
    for video_id, skus in sorted(truth.items()):
        key = video_key(shop_id, video_id)
        overrides += [
            Override(key, video_id, Verdict.ALWAYS, sku, why=why, at=at) for sku in sorted(skus)
        ]
        overrides.append(Override(key, video_id, Verdict.NEVER, why=why, at=at))
    return overrides


def calibrate(pairs: Sequence[LabeledPair], prior: Calibration, *, fitted_on: str) -> Calibration:
    """Fit on labeled pairs. Raises InputError where they cannot teach anything."""
    try:
        signals = [pair.signals for pair in pairs]
        return fit(signals, [pair.linked for pair in pairs], prior, fitted_on=fitted_on)
    except ValueError as error:
        raise InputError(f"calibrate: {error}; label more videos") from error


def folds_of(clusters: Iterable[str], folds: int, seed: int) -> dict[str, int]:
    """The fold of each cluster: duplicates of one video never stand on both sides."""
    names = sorted(set(clusters))
    random.Random(seed).shuffle(names)  # noqa: S311 - no secret hangs on it
    return {name: i % folds for i, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class Folds:
    """Calibrations, each fitted on all folds but one; `fold` says in which a cluster is."""

    fold: Mapping[str, int]
    fitted: tuple[Calibration, ...]

    def unseen_by(self, cluster: str) -> Calibration:
        """A calibration that has not seen this cluster; any, for one that is in no fold."""
        return self.fitted[self.fold.get(cluster, 0)]

    def scores(self, pairs: Iterable[LabeledPair]) -> list[float]:
        """Each pair's probability by the calibration that has not seen it."""
        return [probability(self.unseen_by(pair.cluster), pair.signals) for pair in pairs]


def fit_folds(
    pairs: Sequence[LabeledPair], prior: Calibration, *, folds: int = 5, seed: int = 0
) -> Folds:
    """Fit on every choice of all folds but one; duplicates of a video share its fold."""
    fold = folds_of([pair.cluster for pair in pairs], folds, seed)
    fitted = [
        calibrate(
            [pair for pair in pairs if fold[pair.cluster] != held_out],
            prior,
            fitted_on=f"all folds but {held_out}",
        )
        for held_out in range(folds)
    ]
    return Folds(fold, tuple(fitted))


@dataclass(frozen=True, slots=True)
class UnseenQuality:
    """How links at 0.5 do on videos that no label was read of."""

    precision: float
    recall: float


def unseen_quality(labeled: Labeled, prior: Calibration) -> UnseenQuality | None:
    """Measured over five folds; None where the labels are too few to leave any out."""
    try:
        scores = fit_folds(labeled.pairs, prior).scores(labeled.pairs)
    except InputError:
        return None
    linked = [pair.linked for pair in labeled.pairs]
    hits = sum(true and score >= 0.5 for true, score in zip(linked, scores, strict=True))
    said = sum(score >= 0.5 for score in scores)
    return UnseenQuality(hits / max(said, 1), hits / max(sum(linked) + len(labeled.silent), 1))
