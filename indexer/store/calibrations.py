"""Calibrations fitted on a shop's labels. The next run links with the newest.

After somebody went back to an older release, the one of that release counts, until another is
fitted. The head keeps it: going back is one commit, and the release may be pruned one day.
"""

import json
import uuid
from dataclasses import replace

import pyarrow as pa

from reelshelf.indexer.store.head import Lease, read_head
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas import tables
from reelshelf.schemas.calibration import Calibration
from reelshelf.schemas.release import Release
from reelshelf.schemas.upgrades import calibration_record


def save_calibration(store: Store, calibration: Calibration, lease: Lease) -> None:
    """Append; older ones stay, so that what a release was linked with can always be found."""
    row = {
        "calibration_id": str(uuid.uuid4()),
        "created_at": now(),
        "record": calibration.model_dump_json(),
    }
    table = pa.Table.from_pylist([row], schema=tables.calibrations_schema())
    store.writable("calibrations").insert(table)
    store.sync("calibrations")
    lease.change(lambda head: replace(head, calibration=None))
    store.sync("head")


def calibration_of(release: Release) -> str:
    """What the head keeps of a release that somebody went back to."""
    record = release.calibration.model_dump(mode="json")
    return json.dumps({"generation": release.generation, "calibration": record})


def newest_calibration(store: Store) -> Calibration | None:
    """The one to link with: the one fitted last, if any was, or what somebody went back to."""
    kept = read_head(store).calibration
    if kept is not None:
        held = json.loads(kept)
        if held["generation"] == store.generation:
            record = json.dumps(held["calibration"])
            return Calibration.model_validate(calibration_record(record))
    rows = store.scan("calibrations", None).sort_by("created_at").to_pylist()
    if not rows:
        return None
    return Calibration.model_validate(calibration_record(rows[-1]["record"]))
