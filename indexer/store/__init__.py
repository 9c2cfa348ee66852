"""The database: Lance tables under one URI, and the releases that name their versions."""

from reelshelf.indexer.store import products, releases
from reelshelf.indexer.store.calibrations import (
    calibration_of,
    newest_calibration,
    save_calibration,
)
from reelshelf.indexer.store.checksums import FileLog, damage, damaged_elsewhere, damaged_files
from reelshelf.indexer.store.connection import check_conditional_writes, check_writable
from reelshelf.indexer.store.erased import (
    SKU,
    VIDEO,
    ErasedItem,
    delete_erased,
    delete_items,
    erased_items,
    holding,
    is_known,
    lift,
    mark_holding,
    note_erased,
)
from reelshelf.indexer.store.failures import (
    KnownFailure,
    known_failures,
    note_failures,
    write_failures,
)
from reelshelf.indexer.store.fence import restore_table
from reelshelf.indexer.store.head import Head, Lease, held_back, read_head
from reelshelf.indexer.store.ids import stored_skus, stored_videos
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.migration import (
    Upgrade,
    fingerprint_names,
    keep_settings,
    kept_config,
    upgrade,
    upgrade_of,
)
from reelshelf.indexer.store.nearest import nearest
from reelshelf.indexer.store.products import (
    PictureState,
    ProductState,
    picture_states,
    product_states,
    product_titles,
    read_products,
)
from reelshelf.indexer.store.quantizers import quantizer_hashes, read_quantizer, save_quantizer
from reelshelf.indexer.store.recovery import clear_head, wrong_with_release
from reelshelf.indexer.store.releases import (
    Listed,
    config_of,
    find_release,
    latest_in_generation,
    list_releases,
    listed_releases,
    nothing_published,
    rollback,
    served_release,
)
from reelshelf.indexer.store.retention import Pruned, prunable, prune, youngest
from reelshelf.indexer.store.rows import Cells, RunContext, links_from, now, vector_matrix
from reelshelf.indexer.store.runs import (
    RunEnd,
    RunRecord,
    all_runs,
    close_dead_runs,
    end_run,
    last_indexing,
    note_stage,
    run_records,
)
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.sources import FileState, forget_seen, note_seen, seen_files
from reelshelf.indexer.store.stepping import as_released, restore_tables
from reelshelf.indexer.store.tables import (
    DATA_TABLES,
    TABLE_KEYS,
    Store,
    VideoFrames,
    VideoState,
    among,
    unguarded,
)
from reelshelf.indexer.store.torn import drop_torn, torn_videos
from reelshelf.indexer.store.vanished import (
    KeptIn,
    KeptVideo,
    bring_back,
    forget_vanished,
    keep_vanished,
    kept_videos,
)
from reelshelf.indexer.store.visual_stats import (
    known_visual_stats,
    read_visual_stats,
    save_visual_stats,
)
from reelshelf.indexer.store.writing import recorded, taking, writing

__all__ = [
    "DATA_TABLES",
    "SKU",
    "TABLE_KEYS",
    "VIDEO",
    "Cells",
    "ErasedItem",
    "FileLog",
    "FileState",
    "Head",
    "KeptIn",
    "KeptVideo",
    "KnownFailure",
    "Lease",
    "Listed",
    "PictureState",
    "ProductState",
    "Pruned",
    "ReleaseSnapshot",
    "RunContext",
    "RunEnd",
    "RunRecord",
    "Store",
    "Upgrade",
    "VideoFrames",
    "VideoState",
    "all_runs",
    "among",
    "as_released",
    "bring_back",
    "calibration_of",
    "check_conditional_writes",
    "check_writable",
    "clear_head",
    "close_dead_runs",
    "config_of",
    "damage",
    "damaged_elsewhere",
    "damaged_files",
    "delete_erased",
    "delete_items",
    "drop_torn",
    "end_run",
    "erased_items",
    "find_release",
    "fingerprint_names",
    "forget_seen",
    "forget_vanished",
    "held_back",
    "holding",
    "is_known",
    "keep_settings",
    "keep_vanished",
    "kept_config",
    "kept_videos",
    "known_failures",
    "known_visual_stats",
    "last_indexing",
    "latest_in_generation",
    "lift",
    "links_from",
    "list_releases",
    "listed_releases",
    "mark_holding",
    "nearest",
    "newest_calibration",
    "note_erased",
    "note_failures",
    "note_seen",
    "note_stage",
    "nothing_published",
    "now",
    "picture_states",
    "product_states",
    "product_titles",
    "products",
    "prunable",
    "prune",
    "quantizer_hashes",
    "read_head",
    "read_products",
    "read_quantizer",
    "read_visual_stats",
    "recorded",
    "released_links",
    "releases",
    "restore_table",
    "restore_tables",
    "rollback",
    "run_records",
    "save_calibration",
    "save_quantizer",
    "save_visual_stats",
    "seen_files",
    "served_release",
    "stored_skus",
    "stored_videos",
    "taking",
    "torn_videos",
    "unguarded",
    "upgrade",
    "upgrade_of",
    "vector_matrix",
    "write_failures",
    "writing",
    "wrong_with_release",
    "youngest",
]
