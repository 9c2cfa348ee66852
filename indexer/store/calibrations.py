"""Calibrations fitted on a shop's labels. The next run links with the newest."""

import uuid

import pyarrow as pa

from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas import tables
from reelshelf.schemas.calibration import Calibration
from reelshelf.schemas.upgrades import calibration_record


def save_calibration(store: Store, calibration: Calibration) -> None:
    """Append; older ones stay, so that what a release was linked with can always be found."""
    row = {
        "calibration_id": str(uuid.uuid4()),
        "created_at": now(),
        "record": calibration.model_dump_json(),
    }
    table = pa.Table.from_pylist([row], schema=tables.calibrations_schema())
    store.writable("calibrations").insert(table)


def newest_calibration(store: Store) -> Calibration | None:
    """The one fitted last, if any was."""
    rows = store.scan("calibrations", None).sort_by("created_at").to_pylist()
    if not rows:
        return None
    return Calibration.model_validate(calibration_record(rows[-1]["record"]))
