"""The head of a store: who may write, what is published, and which release is served.

All of it stands in one row of one table, and every change of it is a compare-and-swap on the number
of its change, which Lance carries out as a conditional merge: of two writers that start from the
same row, one finds that it has moved on and changes nothing. So a run whose lease was taken over
cannot publish, however late it wakes up, and going back to an older release needs no lease. (The
need for such a fence, and why checking a clock is not enough: M. Kleppmann, "How to do distributed
locking", 2016.)

A holder renews its lease while it works. It counts as dead when the lease has run out, or at once
when the same machine can see that its process is gone.
"""

import datetime as dt
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store, missing_columns
from reelshelf.schemas import tables
from reelshelf.schemas.errors import GateRefused, StoreBusy

# A lease is renewed this often within its term, so that a slow write or two do not lose it.
_RENEWALS = 4
# Changes of one row that come between reading and writing it: renewals, a rollback.
_TRIES = 20
# What Lance raises when a folder is gone or an endpoint does not answer.
_OUT_OF_REACH = (OSError, RuntimeError, ValueError)


_OF_THE_HOLDER = ("run_id", "holder", "machine", "process", "renewed_at", "expires_at")


@dataclass(frozen=True, slots=True)
class Published:
    """A published release by its run. `left_at`: when searchers were told to leave it, if ever."""

    run_id: str
    left_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The row. `run_id` is None while nobody writes, `serving` before the first release.

    `published` is in the order of publication. `hold` says why runs may not publish. `withdrawn`
    are the runs whose releases somebody went back from, `erased` those whose releases hold
    something that was erased: nobody goes back to either. `calibration` is what counts since
    somebody went back (see `calibrations`), `restoring` what tables are on their way to (see
    `stepping`).
    """

    change: int
    token: str
    published: tuple[Published, ...]
    serving: str | None = None
    hold: str | None = None
    run_id: str | None = None
    holder: str | None = None
    machine: str | None = None
    process: str | None = None
    renewed_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    withdrawn: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()
    calibration: str | None = None
    restoring: str | None = None

    def serve(self, run_id: str) -> "Head":
        """The same with another release served."""
        at = now()
        published = tuple(
            Published(p.run_id, None if p.run_id == run_id else p.left_at or at)
            for p in self.published
        )
        return replace(self, published=published, serving=run_id)


def read_head(store: Store) -> Head:
    """The head as it is now. One small read: this is how a searcher learns of a new release."""
    row = store.scan("head", None).to_pylist()[0]
    del row["head"]
    row["published"] = tuple(Published(**item) for item in row["published"])
    for name in ("withdrawn", "erased"):
        row[name] = tuple(row[name] or ())
    # What a newer version keeps there is not for this one.
    return Head(**{name: row[name] for name in Head.__dataclass_fields__})


def change_head(store: Store, edit: Callable[[Head], Head]) -> Head:
    """Change the head in one step, whatever else changes it meanwhile; the new one.

    `edit` gets the head as it is and may raise; it is asked again where another change came first.
    Raises StoreBusy where that never ends.
    """
    if missing := missing_columns(store, "head"):
        store.dataset("head").add_columns(pa.schema(missing))
    for _ in range(_TRIES):
        old = read_head(store)
        new = replace(edit(old), change=old.change + 1)
        if _swap(store, old, new):
            return new
    raise StoreBusy(f"{store.uri}: its head changes all the time: try again")


def _swap(store: Store, old: Head, new: Head) -> bool:
    """Replace the head if it is still `old`; whether it was."""
    row = {"head": "head"} | {name: getattr(new, name) for name in Head.__dataclass_fields__}
    row["published"] = [asdict(item) for item in new.published]
    merge = store.merge("head", "head").when_matched_update_all(f"target.change = {old.change}")
    done = merge.execute(pa.Table.from_pylist([row], schema=tables.head_schema()))
    return int(done["num_updated_rows"]) == 1


class Lease:
    """The right to write into a store and to publish. A context manager; use `Lease.take`.

    `prove` raises StoreBusy once the lease may have been lost: `Store.guarded` has every write ask.
    `taken_over` is the run that held it before and has not given it back, None where none has.
    """

    def __init__(
        self, store: Store, head: Head, term_s: float, asked: float, taken_over: str | None
    ) -> None:
        self.taken_over = taken_over
        # Whoever took over must fence before it gives the lease back: else nobody does.
        self.is_ready = taken_over is None
        self._store = store
        self._token = head.token
        self._term_s = term_s
        self._renewed = asked
        self._lost = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._renew_on, name="lease", daemon=True)

    @classmethod
    def take(cls, store: Store, run_id: str, term_s: float) -> "Lease":
        """Take the lease of a store. Raises StoreBusy while a living run holds it."""
        asked = _clock()
        token = str(uuid.uuid4())
        before: list[str | None] = []

        def mine(head: Head) -> Head:
            if head.run_id is not None and not _is_dead(head):
                raise StoreBusy(
                    f"{store.uri}: run {head.run_id} on {head.holder} is writing (its lease runs "
                    f"until {head.expires_at:%Y-%m-%d %H:%M:%S} UTC and is renewed while it "
                    "lives): wait for it, or end it"
                )
            taken = replace(
                head,
                token=token,
                run_id=run_id,
                holder=f"{socket.gethostname()}, process {os.getpid()}",
                machine=_this_machine(),
                process=_process(os.getpid()),
            )
            before.append(head.run_id)
            return _renewed(taken, term_s)

        head = change_head(store, mine)
        return cls(store, head, term_s, asked, before[-1])

    def check(self) -> None:
        """Raise StoreBusy if the lease is lost, or may be: by this process's own clock."""
        if self._lost or _clock() - self._renewed > self._term_s:
            raise self._busy()

    def prove(self) -> None:
        """Raise StoreBusy if the lease is lost, by the store's own word.

        Two machines may not agree on the time; whether the head still names this lease, they do.
        """
        self.check()
        if read_head(self._store).token != self._token:
            self._lost = True
            raise self._busy()

    def change(self, edit: Callable[[Head], Head]) -> Head:
        """Change the head in one step with the proof of the lease."""
        self.check()
        return self._change(edit)

    def _change(self, edit: Callable[[Head], Head]) -> Head:
        def proven(head: Head) -> Head:
            if head.token != self._token:
                self._lost = True
                raise self._busy()
            return _renewed(edit(head), self._term_s)

        with self._lock:
            return change_head(self._store, proven)

    def publish(
        self, run_id: str, *, end_hold: bool = False, in_place_of: str | None = None
    ) -> None:
        """Have searchers go to the release of `run_id`.

        Raises GateRefused where somebody has gone back to an older release, unless that hold is to
        end. With `in_place_of` it takes the place of that run's release and leaves a hold as it is;
        StoreBusy where that one is not served any more.
        """

        def edit(head: Head) -> Head:
            if in_place_of is not None and head.serving != in_place_of:
                raise StoreBusy(
                    f"{self._store.uri}: somebody went to another release meanwhile: run the same "
                    "command again"
                )
            if head.hold and not (end_hold or in_place_of):
                raise GateRefused(held_back(head.hold))
            hold = head.hold if in_place_of else None
            grown = replace(head, published=(*head.published, Published(run_id)), hold=hold)
            return grown.serve(run_id)

        self.change(edit)
        self._store.sync("head")

    def _busy(self) -> StoreBusy:
        return StoreBusy(
            f"{self._store.uri}: this run was away for longer than its lease of {self._term_s:g} s "
            "and another may have taken its place: nothing more is written or published"
        )

    def _renew_on(self) -> None:
        while not self._ended.wait(self._term_s / _RENEWALS):
            asked = _clock()
            try:
                self._change(lambda head: head)
            except StoreBusy:
                if self._lost:
                    return
            except _OUT_OF_REACH:
                continue  # the store is out of reach; `check` knows when that was too long
            else:
                self._renewed = asked

    def __enter__(self) -> Self:
        self._renewer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._renewer.join()

        def free(head: Head) -> Head:
            if head.token != self._token:
                raise self._busy()
            # Nobody writes; all else stays.
            nobody = dict.fromkeys(_OF_THE_HOLDER)
            return replace(head, token=str(uuid.uuid4()), **nobody)  # type: ignore[arg-type]

        if not self.is_ready:
            return
        # Where the store is out of reach the lease runs out by itself; a lost one is another's.
        with suppress(StoreBusy, *_OUT_OF_REACH):
            change_head(self._store, free)


def held_back(reason: str) -> str:
    """What a run is told that may not publish."""
    return (
        f"not published: {reason}. Runs keep the tables up to date and do not publish until "
        "`reelshelf publish` says so"
    )


def _clock() -> float:
    """Seconds that go on while the machine is suspended, where it has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _renewed(head: Head, term_s: float) -> Head:
    at = now()
    return replace(head, renewed_at=at, expires_at=at + dt.timedelta(seconds=term_s))


def _is_dead(head: Head) -> bool:
    here = head.machine == _this_machine()
    if here and head.process is not None and _is_gone(head.process):
        return True
    return head.expires_at is None or head.expires_at < now()


def _this_machine() -> str:
    """Where a process id means the same process: this boot of this machine, this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        # Elsewhere than on Linux nobody can tell: a name that no other process has.
        return str(uuid.uuid4())


def _process(pid: int) -> str | None:
    """A process id with the tick it began at, since ids are used again; None where nobody can tell.

    Ticks count from the machine's start: no change of its clock moves them.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return f"{pid}@{fields[19]}"


def _is_gone(process: str) -> bool:
    """Whether a process of this machine has surely ended.

    One that may not be looked at (another user's, under `hidepid`) may live.
    """
    pid = int(process.partition("@")[0])
    seen = _process(pid)
    if seen is not None:
        return seen != process
    try:
        os.kill(pid, 0)  # asks and does nothing: the kernel answers for processes of others too
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
