"""What decided the links of a video, and what another product would have to reach to change them.

Links depend on few products: on those that are linked, and on the rivals that take something off
them. A trace names these, and keeps of each contest how much it takes to have a say in it. With it,
products that are new or have changed are held against a video alone, without the rest of the
catalog, and a video that none of them concerns keeps its links.

A group counts as linked here where it would be, were its two strongest rivals of any moment gone:
so a group that comes up because others go is not overlooked.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from reelshelf.indexer.linking.contests import CLAIMING, Contest, Kind, closeness
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.calibration import Calibration, Signal
from reelshelf.schemas.media import Vectors

# Of a contest: its kind and place; what the best and the second of its groups reach; how near all
# of them are to the best, in sum; whether a group that is linked is among them.
_ENTRY = np.dtype(
    [
        ("kind", "u1"),
        ("place", "<u4"),
        ("best", "<f4"),
        ("second", "<f4"),
        ("others", "<f4"),
        ("linked", "?"),
    ]
)
Entries = npt.NDArray[np.void]
# What halves of vectors, and sums in another order, move.
_SLACK = 2e-3
_ROUNDING = 1e-5
# The signals of what groups keep of a contest, for each unit of it, and those beside.
_SAYS: dict[Kind, tuple[Signal, float]] = {
    Kind.SEEN: (Signal.VISUAL_SIMILARITY, 1.0),
    Kind.MEANT: (Signal.ASR_SEMANTIC, 5.0),
    Kind.HEARD: (Signal.ASR_PHONETIC, 1.0),
    Kind.PRINTED: (Signal.PACKAGING_TEXT, 1.0),
    Kind.WRITTEN: (Signal.OCR_TITLE, 1.0),
    Kind.SAID: (Signal.ASR_TITLE, 1.0),
    Kind.POSTED: (Signal.POST_TITLE, 1.0),
}
_BESIDE = {Kind.SEEN: Signal.VISUAL_MARGIN, Kind.WRITTEN: Signal.OCR_PRICE}


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The groups that decide the links of some copies, and the contests of each copy."""

    deciding: Numbers
    contests: tuple[Entries, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """How much a group needs to be linked: a calibration, and the least score of a link."""

    calibration: Calibration
    keep_above: float

    def passed(self, found: Iterable["Kept"], declared: Collection[int]) -> Numbers:
        """The groups, in order, that are linked if each keeps so much; those declared are."""
        weights = self.calibration.weights
        groups, kinds, gains = [], [], []
        for item in found:
            contest = item.contest
            enough = np.flatnonzero(item.kept >= contest.least)
            if not len(enough):
                continue
            signal, unit = _SAYS[contest.kind]
            gain = weights.get(signal, 0.0) * unit * item.kept[enough].astype(np.float64)
            if contest.kind in _BESIDE:
                gain += weights.get(_BESIDE[contest.kind], 0.0) * item.beside[enough]
            groups.append(contest.numbers[enough])
            kinds.append(np.full(len(enough), int(contest.kind), np.intp))
            gains.append(gain)
        told = np.array(sorted(declared), np.intp)
        if not groups:
            return told
        # Of each kind the strongest counts.
        pairs, place = np.unique(
            np.concatenate(groups) * len(Kind) + np.concatenate(kinds), return_inverse=True
        )
        best = np.full(len(pairs), -np.inf)
        np.maximum.at(best, place, np.concatenate(gains))
        numbers, place = np.unique(pairs // len(Kind), return_inverse=True)
        total = np.bincount(place, best) + weights.get(Signal.BRAND, 0.0)
        needed = float(logit(self.keep_above)) - self.calibration.bias
        return np.union1d(numbers[total >= needed - _SLACK], told)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What the groups of a contest may keep, `(n,)`, and what its second signal says of each."""

    contest: Contest
    kept: Vectors
    beside: Vectors


def traced(by_copy: Sequence[Sequence[Contest]], bar: Bar, declared: Collection[int]) -> Trace:
    """The trace of some copies, given the contests of each."""
    contests = [contest for own in by_copy for contest in own if len(contest.numbers)]
    linked = bar.passed((Kept(c, c.own, c.beside) for c in contests), declared)
    # Where one of these goes, or one that takes anything off them, the video is linked again.
    deciding = _deciding(contests, linked, [c.own for c in contests])
    most = [Kept(c, *c.most(np.isin(c.numbers, deciding))) for c in contests]
    linked = bar.passed(most, declared)
    deciding = _deciding(contests, linked, [item.kept for item in most])
    say = {id(item.contest): _has_linked(item.contest, item.kept, linked) for item in most}
    entries = []
    for own in by_copy:
        rows = []
        for contest in (c for c in own if len(c.numbers)):
            ranked = np.sort(np.append(contest.reached, np.float32(0.0)))
            best, second = float(ranked[-1]), float(ranked[-2])
            near = _near(contest, best)
            rows.append((contest.kind, contest.place, best, second, near, say[id(contest)]))
        entries.append(np.array(rows, _ENTRY))
    return Trace(deciding, tuple(entries))


def _has_linked(contest: Contest, kept: Vectors, linked: Numbers) -> bool:
    """Whether one of the groups that are linked has a part in a contest."""
    has_part = kept >= contest.least
    if contest.kind in CLAIMING:
        # It may have none because another claims its words.
        has_part = np.ones(len(kept), bool)
    return bool(np.isin(contest.numbers[has_part], linked).any())


def _deciding(contests: Sequence[Contest], linked: Numbers, kept: Sequence[Vectors]) -> Numbers:
    """Groups that are linked, and those that take something off them."""
    rivals = [
        contest.numbers[contest.rivals]
        for contest, own in zip(contests, kept, strict=True)
        if _has_linked(contest, own, linked)
    ]
    return np.unique(np.concatenate([linked, *rivals]))


def _near(contest: Contest, best: float) -> float:
    """How near all rivals are to the best, in sum."""
    if math.isinf(contest.softness):
        return 0.0
    behind = (best - contest.reached[contest.rivals]) / np.float32(contest.softness)
    return float(closeness(behind).sum())


_NONE = np.zeros(1, _ENTRY)[0]


def concerns(
    by_copy: Sequence[Sequence[Contest]],
    known: Sequence[Entries],
    bar: Bar,
    declared: Collection[int],
) -> bool:
    """Whether groups that a trace does not know have a say in the links of some copies.

    `by_copy` are the contests of each copy among these groups alone, `known` what the trace has of
    it, `declared` those that are declared: these always do.
    """
    if declared:
        return True
    found: list[Kept] = []
    for own, entries in zip(by_copy, known, strict=True):
        places = {(int(entry["kind"]), int(entry["place"])): entry for entry in entries}
        for contest in (c for c in own if len(c.numbers)):
            entry = places.get((int(contest.kind), contest.place), _NONE)
            kept, has_say = _kept(
                contest, float(entry["best"]), float(entry["second"]), float(entry["others"])
            )
            if has_say and entry["linked"]:
                return True
            found.append(kept)
    return bool(len(bar.passed(found, ())))


def _kept(contest: Contest, best: float, second: float, others: float) -> tuple[Kept, bool]:
    """What rivals that are known by these leave at most; whether any has a say among them."""
    reached = contest.reached
    ahead = reached - np.float32(best)
    if math.isinf(contest.softness):
        # Who is level with the second changes nothing: the first is as far ahead as it was.
        more = max(second, best - contest.lead) + _ROUNDING
        return Kept(contest, ahead, ahead), bool((reached > more).any())
    behind = np.maximum(np.float32(-_SLACK) - ahead, 0.0) / np.float32(contest.softness)
    near = closeness(behind)
    left = reached * near / np.maximum(near + np.float32(others), 1e-6)
    kept = np.where(ahead > -_SLACK, reached, left)
    beside = (
        contest.beside if contest.kind in CLAIMING else np.clip(ahead, -contest.lead, contest.lead)
    )
    return Kept(contest, kept, np.asarray(beside, np.float32)), bool((near > 0.0).any())


def as_bytes(entries: Entries) -> bytes:
    """Contests of a copy, to be stored."""
    return entries.tobytes()


def from_bytes(stored: bytes) -> Entries:
    """What `as_bytes` made."""
    return np.frombuffer(stored, _ENTRY)
