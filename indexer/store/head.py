"""The head of a store: who may write, and what is published.

Both stand in one row of one table, and every change of it is a compare-and-swap on its token, which
Lance carries out as a conditional merge: of two writers that start from the same token, one finds
that the row has moved on and changes nothing. So a run whose lease was taken over cannot publish,
however late it wakes up. (The need for such a fence, and why checking a clock is not enough:
M. Kleppmann, "How to do distributed locking", 2016.)

A holder renews its lease while it works. It counts as dead when the lease has run out, or at once
when the same machine can see that its process is gone.
"""

import datetime as dt
import os
import socket
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from indexer.store.rows import now
from indexer.store.tables import Store
from schemas import tables
from schemas.errors import StoreBusy

# A lease is renewed this often within its term, so that a slow write or two do not lose it.
_RENEWALS = 4
# What Lance raises when a folder is gone or an endpoint does not answer.
_OUT_OF_REACH = (OSError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class Head:
    """The row. `run_id` is None while nobody writes; `published` lists run ids, newest last."""

    token: str
    published: tuple[str, ...]
    run_id: str | None = None
    holder: str | None = None
    machine: str | None = None
    process: str | None = None
    renewed_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None


def read_head(store: Store) -> Head:
    """The head as it is now. One small read."""
    row = store.scan("head", None).to_pylist()[0]
    del row["head"]
    return Head(**(row | {"published": tuple(row["published"])}))


def _swap(store: Store, token: str, new: Head) -> bool:
    """Replace the head if its token is still `token`; whether it was."""
    row = {"head": "head"} | {name: getattr(new, name) for name in Head.__dataclass_fields__}
    row["published"] = list(new.published)
    # Tokens are UUIDs of our own, or empty: nothing of a stranger's gets into this condition.
    merge = store.merge("head", "head").when_matched_update_all(f"target.token = '{token}'")
    done = merge.execute(pa.Table.from_pylist([row], schema=tables.head_schema()))
    return int(done["num_updated_rows"]) == 1


class Lease:
    """The right to write into a store and to publish. A context manager; use `Lease.take`.

    `check` raises StoreBusy once the lease may have been lost; call it before every commit.
    """

    def __init__(self, store: Store, head: Head, term_s: float) -> None:
        self._store = store
        self._head = head
        self._term_s = term_s
        self._renewed = time.monotonic()
        self._lost = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._renew_on, name="lease", daemon=True)

    @classmethod
    def take(cls, store: Store, run_id: str, term_s: float) -> "Lease":
        """Take the lease of a store. Raises StoreBusy while a living run holds it."""
        head = read_head(store)
        if head.run_id is not None and not _is_dead(head):
            raise StoreBusy(
                f"{store.uri}: run {head.run_id} on {head.holder} is writing (its lease runs until "
                f"{head.expires_at:%Y-%m-%d %H:%M:%S} UTC and is renewed while it lives): wait for "
                "it, or end it"
            )
        mine = Head(
            token=str(uuid.uuid4()),
            published=head.published,
            run_id=run_id,
            holder=f"{socket.gethostname()}, process {os.getpid()}",
            machine=_this_machine(),
            process=_process(os.getpid()),
        )
        if not _swap(store, head.token, _renewed(mine, term_s)):
            raise StoreBusy(f"{store.uri}: another run took the lease a moment ago: wait for it")
        return cls(store, mine, term_s)

    @property
    def published(self) -> tuple[str, ...]:
        """Run ids of the published releases, the newest last."""
        return self._head.published

    def check(self) -> None:
        """Raise StoreBusy if the lease is lost, or may be: by this process's own clock."""
        if self._lost or time.monotonic() - self._renewed > self._term_s:
            raise self._busy()

    def publish(self, run_ids: Sequence[str]) -> None:
        """Make `run_ids` what is published, in one step with the proof of the lease."""
        self.check()
        with self._lock:
            head = replace(self._head, published=tuple(run_ids))
            if not _swap(self._store, self._head.token, _renewed(head, self._term_s)):
                self._lost = True
                raise self._busy()
            self._head = head

    def _busy(self) -> StoreBusy:
        return StoreBusy(
            f"{self._store.uri}: this run was away for longer than its lease of {self._term_s:g} s "
            "and another may have taken its place: nothing more is written or published"
        )

    def _renew_on(self) -> None:
        while not self._ended.wait(self._term_s / _RENEWALS):
            with self._lock:
                asked = time.monotonic()
                try:
                    held = _swap(self._store, self._head.token, _renewed(self._head, self._term_s))
                except _OUT_OF_REACH:
                    continue  # the store is out of reach; `check` knows when that was too long
                if not held:
                    self._lost = True
                    return
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
        if self._lost:
            return
        # Where the store is out of reach the lease runs out by itself.
        with suppress(*_OUT_OF_REACH):
            # Read again: the answer to a publication may have been lost on its way.
            published = read_head(self._store).published
            _swap(self._store, self._head.token, Head(str(uuid.uuid4()), published))


def _renewed(head: Head, term_s: float) -> Head:
    at = now()
    return replace(head, renewed_at=at, expires_at=at + dt.timedelta(seconds=term_s))


def _is_dead(head: Head) -> bool:
    if head.machine == _this_machine() and head.process is not None:
        pid = int(head.process.partition("@")[0])
        if _process(pid) != head.process:
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
    """A process id with the tick it began at, since ids are used again; None where it is gone.

    Ticks count from the machine's start: no change of its clock moves them.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return f"{pid}@{fields[19]}"
