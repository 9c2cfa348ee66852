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
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from reelshelf.indexer.linking.contests import CLAIMING, Contest, Kind, closeness
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.calibration import Calibration, Signal
from reelshelf.schemas.media import Vectors

# Of a contest: its kind and place; what the best and the second of its groups reach; how near all
# of them are to the best, in sum; the words that the best claims; whether a group that is linked is
# among them.
_ENTRY = np.dtype(
    [
        ("kind", "u1"),
        ("place", "<u4"),
        ("best", "<f4"),
        ("second", "<f4"),
        ("others", "<f4"),
        ("claimed", "<u8"),
        ("linked", "?"),
    ]
)
Entries = npt.NDArray[np.void]
_T = TypeVar("_T", bound=np.generic)
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


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Contests one after the other, each with any group.

    `numbers` and `rivals`, `(n,)`, are those of all of them, `owners`, `(n,)`, says which contest
    each is of, and `starts`, `(contests,)`, where each contest begins.
    """

    contests: Sequence[Contest]
    numbers: Numbers
    rivals: npt.NDArray[np.bool_]
    owners: Numbers
    starts: Numbers

    @classmethod
    def of(cls, contests: Iterable[Contest]) -> "_Joined":
        some = [contest for contest in contests if len(contest.numbers)]
        sizes = np.array([len(contest.numbers) for contest in some], np.intp)
        return cls(
            some,
            _joined([contest.numbers for contest in some], np.intp),
            _joined([contest.rivals for contest in some], np.bool_),
            np.repeat(np.arange(len(some)), sizes),
            np.cumsum(sizes) - sizes,
        )

    def parts(self, values: npt.NDArray[_T]) -> list[npt.NDArray[_T]]:
        """`(n,)` values contest by contest."""
        return np.split(values, self.starts[1:])[: len(self.contests)]

    def each(self, values: Iterable[float]) -> npt.NDArray[np.float64]:
        """`(n,)` what is one value of each contest."""
        return np.array(list(values), np.float64)[self.owners]

    def any(self, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """`(contests,)` in which any of `(n,)` is chosen."""
        return np.asarray(np.bincount(self.owners, chosen, len(self.contests)) > 0)

    def in_match(self, kept: Vectors) -> npt.NDArray[np.bool_]:
        """`(n,)` which of them keep enough for a match."""
        return np.asarray(kept >= self.each(c.least for c in self.contests))

    def has_linked(self, kept: Vectors, linked: Numbers) -> npt.NDArray[np.bool_]:
        """`(contests,)` in which a group that is linked has a part."""
        # One may have none because another claims its words.
        claiming = self.each(c.kind in CLAIMING for c in self.contests) > 0.0
        return self.any((self.in_match(kept) | claiming) & np.isin(self.numbers, linked))

    def deciding(self, kept: Vectors, linked: Numbers) -> Numbers:
        """Groups that are linked, and those that take something off them."""
        beside = self.rivals & self.has_linked(kept, linked)[self.owners]
        return np.union1d(linked, self.numbers[beside])


def _joined(parts: Sequence[npt.NDArray[_T]], kind: type[_T]) -> npt.NDArray[_T]:
    return np.concatenate(parts) if parts else np.empty(0, kind)


@dataclass(frozen=True, slots=True)
class Bar:
    """How much a group needs to be linked: a calibration, and the least score of a link."""

    calibration: Calibration
    keep_above: float

    def passed(
        self, found: _Joined, kept: Vectors, beside: Vectors, declared: Collection[int]
    ) -> Numbers:
        """The groups, in order, that are linked if they keep so much; those declared are.

        `kept` and `beside`, `(n,)`, are what each group may keep of a contest and what the
        contest's second signal says of it.
        """
        weights = self.calibration.weights
        told = np.array(sorted(declared), np.intp)
        enough = np.flatnonzero(found.in_match(kept))
        if not len(enough):
            return told
        kinds = [contest.kind for contest in found.contests]
        says = [weights.get(signal, 0.0) * unit for signal, unit in map(_SAYS.__getitem__, kinds)]
        says_beside = [weights.get(_BESIDE[k], 0.0) if k in _BESIDE else 0.0 for k in kinds]
        owners = found.owners[enough]
        gains = np.array(says)[owners] * kept[enough]
        gains += np.array(says_beside)[owners] * beside[enough]
        # Of each kind the strongest counts.
        pairs, place = np.unique(
            found.numbers[enough] * len(Kind) + np.array(kinds, np.intp)[owners],
            return_inverse=True,
        )
        best = np.full(len(pairs), -np.inf)
        np.maximum.at(best, place, gains)
        numbers, place = np.unique(pairs // len(Kind), return_inverse=True)
        total = np.bincount(place, best) + weights.get(Signal.BRAND, 0.0)
        needed = float(logit(self.keep_above)) - self.calibration.bias
        return np.union1d(numbers[total >= needed - _SLACK], told)


def traced(by_copy: Sequence[Sequence[Contest]], bar: Bar, declared: Collection[int]) -> Trace:
    """The trace of some copies, given the contests of each."""
    found = _Joined.of(contest for own in by_copy for contest in own)
    own = _joined([contest.own for contest in found.contests], np.float32)
    beside = _joined([contest.beside for contest in found.contests], np.float32)
    linked = bar.passed(found, own, beside, declared)
    # Where one of these goes, or one that takes anything off them, the video is linked again.
    staying = np.isin(found.numbers, found.deciding(own, linked))
    most = [c.most(part) for c, part in zip(found.contests, found.parts(staying), strict=True)]
    kept = _joined([part for part, _ in most], np.float32)
    beside = _joined([part for _, part in most], np.float32)
    linked = bar.passed(found, kept, beside, declared)
    # Who joins takes something off what groups have now: it lets none gain.
    told = np.isin(found.numbers, list(declared))
    matched = found.any(told) | found.has_linked(own, linked)
    has_linked = dict(zip(map(id, found.contests), matched, strict=True))
    entries = tuple(
        np.array([_entry(c, has_linked[id(c)]) for c in of_copy if len(c.numbers)], _ENTRY)
        for of_copy in by_copy
    )
    return Trace(found.deciding(kept, linked), entries)


def _entry(contest: Contest, has_linked: np.bool_) -> tuple[float | bool, ...]:
    """What is kept of a contest."""
    reached = contest.reached
    first = int(np.argmax(reached))
    best = max(float(reached[first]), 0.0)
    others = np.delete(reached, first)
    second = max(float(others.max(initial=0.0)), 0.0)
    near = 0.0
    if not math.isinf(contest.softness):
        # How near all rivals are to the best, in sum.
        behind = (np.float32(best) - reached[contest.rivals]) / np.float32(contest.softness)
        near = float(closeness(behind).sum())
    return contest.kind, contest.place, best, second, near, contest.claimed, bool(has_linked)


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
    new: list[Contest] = []
    kept: list[Vectors] = []
    beside: list[Vectors] = []
    for own, entries in zip(by_copy, known, strict=True):
        places = {(int(entry["kind"]), int(entry["place"])): entry for entry in entries}
        for contest in (c for c in own if len(c.numbers)):
            entry = places.get((int(contest.kind), contest.place), _NONE)
            left, ahead, has_say = _left(contest, entry)
            if has_say and entry["linked"]:
                return True
            new.append(contest)
            kept.append(left)
            beside.append(ahead)
    if not new:
        return False
    return bool(len(bar.passed(_Joined.of(new), np.concatenate(kept), np.concatenate(beside), ())))


def _left(contest: Contest, known: np.void) -> tuple[Vectors, Vectors, bool]:
    """What rivals that are known by an entry leave at most, of both signals.

    Also whether any of the groups has a say among them.
    """
    best, second, others = (float(known[name]) for name in ("best", "second", "others"))
    reached = contest.reached
    ahead = reached - np.float32(best)
    if math.isinf(contest.softness):
        # Who is level with the second changes nothing: the first is as far ahead as it was.
        more = max(second, best - contest.lead) + _ROUNDING
        return ahead, ahead, bool((reached > more).any())
    behind = np.maximum(np.float32(-_SLACK) - ahead, 0.0) / np.float32(contest.softness)
    near = closeness(behind)
    if contest.words is not None:
        # All of its words are the best one's, who comes first: of two that are whole, the longer.
        claimed = known["claimed"]
        after = (ahead < -_ROUNDING) | (
            (reached == 1.0) & (best == 1.0) & (contest.words != claimed)
        )
        taken = (contest.words & ~claimed == 0) & after
        near = np.where(taken, np.float32(0.0), near)
    left = reached * near / np.maximum(near + np.float32(others), 1e-6)
    kept = np.where((ahead > -_SLACK) & (near > 0.0), reached, left)
    beside = (
        contest.beside if contest.kind in CLAIMING else np.clip(ahead, -contest.lead, contest.lead)
    )
    return kept, np.asarray(beside, np.float32), bool((near > 0.0).any())


def as_bytes(entries: Entries) -> bytes:
    """Contests of a copy, to be stored."""
    return entries.tobytes()


def from_bytes(stored: bytes) -> Entries:
    """What `as_bytes` made."""
    return np.frombuffer(stored, _ENTRY)
