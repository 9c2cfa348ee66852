"""Inputs without rows, as the last run found them."""

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.store import rows
from indexer.store.rows import RunContext
from indexer.store.tables import Store
from schemas.catalog import RejectedPicture, RejectedRow
from schemas.errors import FailureKind
from schemas.outcomes import Failed


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """Why a video or a picture had no rows after the last run. Pictures have no kind."""

    stage: str
    kind: FailureKind | None
    message: str
    attempt: int
    stage_fingerprint: str


def known_failures(store: Store) -> dict[str, KnownFailure]:
    """Failed videos and pictures, by their keys."""
    found = store.scan("failures", None).to_pylist()
    return {
        row["failure_key"]: KnownFailure(
            row["stage"],
            FailureKind(row["kind"]) if row["input"] == "video" else None,
            row["message"],
            row["attempt"],
            row["stage_fingerprint"],
        )
        for row in found
        if row["input"] in ("video", "picture")
    }


def write_failures(
    store: Store,
    failed: Sequence[Failed],
    pictures: Sequence[RejectedPicture],
    rejected: Sequence[RejectedRow],
    picture_fingerprint: str,
    run: RunContext,
) -> None:
    """Make `failures` say what this run found: an input that is well again leaves it."""
    table = rows.failure_rows(failed, pictures, rejected, picture_fingerprint, run)
    merge = store.merge("failures", "failure_key")
    merge.when_matched_update_all().when_not_matched_insert_all()
    merge.when_not_matched_by_source_delete().execute(table)
