"""Inputs without rows, as the last run found them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reelshelf.indexer.store import rows
from reelshelf.indexer.store.rows import RunContext
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.catalog import RejectedPicture, RejectedRow
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.outcomes import Failed


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """Why a video or a picture had no rows after the last run. Pictures have no kind."""

    stage: str
    kind: FailureKind | None
    message: str
    attempt: int
    stage_fingerprint: str


def known_failures(store: Store, names: Mapping[str, str] | None = None) -> dict[str, KnownFailure]:
    """Failed videos and pictures, by their keys. `names` as in `Store.video_states`."""
    names = names or {}
    found = store.scan("failures", None).to_pylist()
    return {
        row["failure_key"]: KnownFailure(
            row["stage"],
            FailureKind(row["kind"]) if row["input"] == "video" else None,
            row["message"],
            row["attempt"],
            names.get(row["stage_fingerprint"], row["stage_fingerprint"]),
        )
        for row in found
        if row["input"] in ("video", "picture")
    }


def note_failures(store: Store, failed: Sequence[Failed], run: RunContext) -> None:
    """Add failures of a run that stopped before its end: what it did not reach keeps its own."""
    if not failed:
        return
    merge = store.merge("failures", "failure_key")
    merge.when_matched_update_all().when_not_matched_insert_all()
    merge.execute(rows.failure_rows(failed, (), (), run))


def write_failures(
    store: Store,
    failed: Sequence[Failed],
    pictures: Sequence[RejectedPicture],
    rejected: Sequence[RejectedRow],
    run: RunContext,
) -> None:
    """Make `failures` say what this run found: an input that is well again leaves it."""
    table = rows.failure_rows(failed, pictures, rejected, run)
    merge = store.merge("failures", "failure_key")
    merge.when_matched_update_all().when_not_matched_insert_all()
    merge.when_not_matched_by_source_delete().execute(table)
