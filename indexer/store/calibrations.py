"""Calibrations fitted on a shop's labels. The next run links with the newest."""

import uuid

import pyarrow as pa

from indexer.linking.calibration import default_calibration
from indexer.store.rows import now
from indexer.store.tables import Store
from schemas import tables
from schemas.calibration import Calibration


def save_calibration(store: Store, calibration: Calibration) -> None:
    """Append; older ones stay, so that what a release was linked with can always be found."""
    row = {
        "calibration_id": str(uuid.uuid4()),
        "created_at": now(),
        "record": calibration.model_dump_json(),
    }
    table = pa.Table.from_pylist([row], schema=tables.calibrations_schema())
    store.writable("calibrations").add(table)


def newest_calibration(store: Store) -> Calibration:
    """The one fitted last, or the one that ships where none was."""
    rows = store.table("calibrations").to_arrow().sort_by("created_at").to_pylist()
    if not rows:
        return default_calibration()
    return Calibration.model_validate_json(rows[-1]["record"])
