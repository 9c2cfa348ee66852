"""Long videos in small: chunks of seconds, a decoder that counts them, and what comes of it."""

import shutil
from collections import Counter

from reelshelf.indexer.extract import work
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.tables import Store
from reelshelf.models.protocols import TextDetector
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Divided, Failed, VideoJob
from tests.support.shops import Shop, small_config

CHUNK = {"chunk_s": 4}
# All that is written of a moment but its run.
SAID = ["segment_key", "start_ms", "end_ms", "shot_index", "keyframe_ms", "frame_count", "text"]


def chunked_config(**sections: dict[str, object]) -> Config:
    media = CHUNK | sections.pop("media", {})
    return small_config(media=media, **sections)


class Decoder:
    """The real one, which counts chunks and stops at some of them."""

    def __init__(self, *broken: int) -> None:
        self.broken = set(broken)
        self.chunks: Counter[int] = Counter()

    def __call__(
        self, job: VideoJob, config: Config, detector: TextDetector | None = None
    ) -> DecodedVideo | Divided | Failed:
        if job.chunk is not None:
            if job.chunk.number in self.broken:
                return work.failed(job, "decode", FailureKind.CRASHED, "crashed")
            self.chunks[job.chunk.number] += 1
        return work.decode(job, config, detector)


def moments(shop: Shop) -> list[dict[str, object]]:
    """The moments of the long video as they are served."""
    store = Store.open(shop.request.store)
    release = require_served(store)
    found = store.scan("segments", None, version=release.table_version("segments"))
    rows = found.sort_by([("start_ms", "ascending")]).to_pylist()
    own = [row for row in rows if row["video_id"] == "long"]
    return [{name: row[name] for name in SAID} for row in own]


def fresh(shop: Shop, settings: Config | None = None) -> list[dict[str, object]]:
    """What one run makes of the shop as it is, in a new store."""
    store, kept = shop.root / "store", shop.root / "kept"
    store.rename(kept)
    try:
        shop.ingest(settings or chunked_config())
        return moments(shop)
    finally:
        shutil.rmtree(store)
        kept.rename(store)
