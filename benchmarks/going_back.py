"""A folder that loses a third of its videos for a night, and a restore of a large table.

The night with fewer videos needs `--allow-shrink`; when they are back, no model may be asked and
the links must be those of before. Then a table of synthetic segments is released, changed and set
back to its release. Last, the prices of a large catalog are brought up to date without a video.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from reelshelf.indexer.pipeline import products_only
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.run import row_context
from reelshelf.indexer.pipeline.upkeep import restore_store
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.runs import RunEnd, begin_run, end_run
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.writing import writing
from reelshelf.schemas.errors import GateRefused
from reelshelf.schemas.run import Ending
from tests.support.fakes import FakeTexts
from tests.support.shops import Shop, list_nth, make_many, make_shop, product_row, small_config

_PIECE = 50_000


def links_of(shop: Shop) -> set[tuple[str, str, float]]:
    """Every link that is served."""
    snapshot = ReleaseSnapshot.open(shop.request.store)
    return {(video, link.sku, link.score) for video, _, link in released_links(snapshot)}


def lose_a_third(root: Path, videos: int) -> dict[str, float]:
    """Three nights of a whole shop, one of two thirds, one of a whole shop again."""
    shop, config = make_many(root, videos), small_config()
    for left in (videos, videos - 1, videos):
        list_nth(shop, range(left))
        shop.run(config).or_raise()
    before = links_of(shop)
    list_nth(shop, range(videos * 2 // 3))
    refused = False
    try:
        shop.run(config).or_raise()
    except GateRefused:
        refused = True
    shop.run(config, allow_shrink=True).or_raise()
    left = Store.open(shop.request.store).count("videos")
    list_nth(shop, range(videos))
    result = shop.run(config).or_raise()
    asked = sum(count for name, count in result.calls.items() if name != "files_hashed")
    return {
        "refused_without_allow_shrink": float(refused),
        "videos_left_for_a_night": float(left),
        "videos_back": float(result.planned.videos_back),
        "model_calls_when_they_were_back": float(asked),
        "links_that_differ": float(len(before ^ links_of(shop))),
    }


def synthetic(store: Store, rows: int) -> None:
    """Segments of no video, as many as asked."""
    numbers = np.random.default_rng(0)
    real = store.scan("segments", None).slice(0, 1)
    for start in range(0, rows, _PIECE):
        count = min(_PIECE, rows - start)
        piece = pa.concat_tables([real] * count).combine_chunks()
        for name in ("frame_vector", "text_vector"):
            field = piece.schema.field(name)
            dim = field.type.list_size
            flat = pa.array(numbers.standard_normal(count * dim, np.float32))
            vectors = pa.FixedSizeListArray.from_arrays(flat, dim)
            piece = piece.set_column(piece.schema.get_field_index(name), field, vectors)
        keys = pa.array([f"{start + i:036x}" for i in range(count)])
        place = piece.schema.get_field_index("segment_key")
        piece = piece.set_column(place, piece.schema.field(place), keys)
        store.dataset("segments").insert(piece)


def restore_large(root: Path, rows: int) -> dict[str, float]:
    """Release many segments, delete half of them, go back."""
    shop, config = make_shop(root), small_config()
    first = shop.ingest(config).newest
    uri, run_id = shop.request.store, "00000000-0000-0000-0000-000000000001"
    synthetic(Store.open(uri), rows)
    with writing(Store.open(uri), run_id, config) as (store, lease):
        begin_run(store, run_id, config, {}, now())
        names = {"release_id": "r000002-large", "sequence": 2, "run_id": run_id}
        large = first.model_copy(update=names | {"tables": releases.pin_tables(store)})
        releases.publish(store, large, lease)
        end_run(store, row_context(run_id, config, first.models), RunEnd(Ending.PUBLISHED))
    store = Store.open(uri)
    whole = store.count("segments")
    store.dataset("segments").delete("segment_key LIKE '%1' OR segment_key LIKE '%2'")
    left = store.count("segments")
    began = time.monotonic()
    restore_store(uri, config, large.release_id)
    seconds = time.monotonic() - began
    return {
        "segments": float(whole),
        "segments_deleted": float(whole - left),
        "segments_after_the_restore": float(store.count("segments")),
        "restore_s": seconds,
    }


def bring_up_products(root: Path, count: int) -> dict[str, float]:
    """Index a large catalog, change every price, and bring it up to date."""
    setattr(products_only, "load_text_encoder", lambda _: FakeTexts())  # noqa: B010
    shop, config = make_shop(root), small_config()
    shop.ingest(config)
    rows = [product_row(name) for name in ("red", "green", "blue")]
    rows += [
        {"sku": f"P{i}", "title": f"Lamp {i} of series {i % 977}", "price": i % 90 + 1}
        for i in range(count)
    ]
    seconds = []
    for raised in (0, 1):
        for row in rows:
            row["price"] = float(json.dumps(row["price"])) + raised
        shop.set_products(rows)
        began = time.monotonic()
        request = shop.request
        products_only.ingest_products(
            request.catalog, request.store, config, NoProgress(), allow_shrink=True
        ).or_raise()
        seconds.append(time.monotonic() - began)
    return {"products": float(count), "products_new_s": seconds[0], "prices_s": seconds[1]}


def main() -> int:
    """Lose, come back, restore, bring up; print."""
    parser = parser_of(__doc__)
    args = parse(
        parser,
        videos=Count(45, 120),
        segments=Count(100_000, 1_000_000),
        products=Count(10_000, 100_000),
    )
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        figures = lose_a_third(root / "third", args.videos)
        figures |= restore_large(root / "large", args.segments)
        figures |= bring_up_products(root / "products", args.products)
    missing = figures["segments"] - figures["segments_after_the_restore"]
    asked = [
        Bar("refused first", figures["refused_without_allow_shrink"], 1, at_least=True),
        Bar("model calls", figures["model_calls_when_they_were_back"], 0, at_least=False),
        Bar("links that differ", figures["links_that_differ"], 0, at_least=False),
        Bar("restore, s", figures["restore_s"], 10, at_least=False),
        Bar("segments missing after it", missing, 0, at_least=False),
        Bar("prices of a catalog, s", figures["prices_s"], 300, at_least=False),
    ]
    return conclude("going_back", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
