"""What a run decides: scope, plan, order of commits, what is news, publishing.

It knows no engine: `Engine` and `Progress` are protocols that jobs/ fulfils.
"""

from reelshelf.indexer.pipeline.checking import Checked, check_source
from reelshelf.indexer.pipeline.correcting import (
    Corrected,
    import_overrides,
    reapply_overrides,
    remove_overrides,
)
from reelshelf.indexer.pipeline.engine import (
    MOST_BATCH_BYTES,
    Decode,
    DetectorLoader,
    Engine,
    ModelLoader,
    ThisProcess,
)
from reelshelf.indexer.pipeline.erasing import erase, lift_erased
from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.outdated import Outdated, outdated
from reelshelf.indexer.pipeline.plan import PlanCounts
from reelshelf.indexer.pipeline.planning import IngestRequest, plan_only
from reelshelf.indexer.pipeline.posters import MadePosters, make_posters
from reelshelf.indexer.pipeline.preview import Preview, preview
from reelshelf.indexer.pipeline.products_only import ingest_products
from reelshelf.indexer.pipeline.progress import NoProgress, Progress, Stage
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.pipeline.settings import config_for, config_of_today
from reelshelf.indexer.pipeline.upkeep import (
    keep_calibration,
    prune_store,
    publish,
    restore_store,
    rollback_store,
    upgrade_store,
    verify,
    would_prune,
)

__all__ = [
    "MOST_BATCH_BYTES",
    "Checked",
    "Corrected",
    "Decode",
    "DetectorLoader",
    "Engine",
    "IngestRequest",
    "IngestResult",
    "MadePosters",
    "ModelLoader",
    "NoProgress",
    "Outdated",
    "PlanCounts",
    "Preview",
    "Progress",
    "ReindexRequest",
    "Stage",
    "ThisProcess",
    "check_source",
    "config_for",
    "config_of_today",
    "erase",
    "import_overrides",
    "ingest",
    "ingest_products",
    "keep_calibration",
    "lift_erased",
    "make_posters",
    "outdated",
    "plan_only",
    "preview",
    "prune_store",
    "publish",
    "reapply_overrides",
    "remove_overrides",
    "restore_store",
    "rollback_store",
    "upgrade_store",
    "verify",
    "would_prune",
]
