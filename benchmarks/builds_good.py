"""Builds that must pass, by name: each changes a copy of a published store as life does."""

import datetime as dt

from benchmarks.builds import CONFIG, VIDEOS, Case, Copy, Outcome, Verdict, case, config_of
from benchmarks.vectors import in_turn
from reelshelf.indexer.index import encode
from reelshelf.indexer.index.build import Builder, build_indexes
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.pipeline.upkeep import prune_store
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.tables import DATA_TABLES, among
from reelshelf.schemas.keys import video_key

GOOD: dict[str, Case] = {}


@case(GOOD, "unchanged")
def _unchanged(copy: Copy) -> Verdict:
    return copy.ingested()


@case(GOOD, "indexes trained anew")
def _anew(copy: Copy) -> Verdict:
    return copy.ingested(reindex=ReindexRequest(stages=("index",)))


@case(GOOD, "another seed")
def _seed(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"seed": 7}))


@case(GOOD, "other partitions")
def _partitions(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"partitions": 16}))


@case(GOOD, "partitions by the rule")
def _rule(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"partitions": 0}))


@case(GOOD, "other sub-vectors")
def _sub_vectors(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"sub_vectors": 8}))


@case(GOOD, "built from buffers")
def _buffers(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"build": "buffers", "seed": 3}))


@case(GOOD, "built in four pieces")
def _pieces(copy: Copy) -> Verdict:
    rows = copy.store.scan("segments", None)
    copy.store.writable("segments").delete("true")
    for start in range(0, len(rows), -(-len(rows) // 4)):
        piece = rows.slice(start, -(-len(rows) // 4))
        copy.store.writable("segments").insert(piece)
    builder = Builder(CONFIG.index, in_turn, workers=4, retrain=True)
    return copy.judged(build_indexes(copy.store, builder, copy.release.indexes))


@case(GOOD, "encoded again with the same quantizer")
def _again(copy: Copy) -> Verdict:
    segments = encode.encode_fragments(
        copy.store, copy.quantizer, copy.fragments, CONFIG.index, in_turn, 1
    )
    encode.commit(copy.store, copy.quantizer, segments)
    return copy.published()


@case(GOOD, "a tenth more videos")
def _grown(copy: Copy) -> Verdict:
    more = [f"v{i}" for i in range(VIDEOS + VIDEOS // 10)]
    return copy.ingested(videos=copy.shop.videos(more))


@case(GOOD, "five nights of a few videos more")
def _nights(copy: Copy) -> Verdict:
    found = Verdict(Outcome.UNCHANGED)
    for night in range(1, 6):
        more = [f"v{i}" for i in range(VIDEOS + 4 * night)]
        found = copy.ingested(videos=copy.shop.videos(more))
    return found


@case(GOOD, "a tenth of the videos gone")
def _fewer(copy: Copy) -> Verdict:
    return copy.ingested(videos=copy.shop.videos()[VIDEOS // 10 :])


@case(GOOD, "a third of the videos gone")
def _many_fewer(copy: Copy) -> Verdict:
    return copy.ingested(videos=copy.shop.videos()[VIDEOS // 3 :])


@case(GOOD, "tuned for more recall")
def _wider(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"recall_target": 0.99}))


@case(GOOD, "probes by hand")
def _by_hand(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"nprobes": 24, "refine_factor": 40}))


@case(GOOD, "flat")
def _flat(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"kind": "flat"}))


@case(GOOD, "compacted tables")
def _compacted(copy: Copy) -> Verdict:
    for name in DATA_TABLES:
        copy.store.writable(name).optimize.compact_files()
    return copy.published()


@case(GOOD, "some videos deleted by hand")
def _deleted(copy: Copy) -> Verdict:
    copy.store.delete_videos([video_key(CONFIG.shop_id, f"v{i}") for i in range(10)])
    return copy.published()


@case(GOOD, "a few failures")
def _few_failures(copy: Copy) -> Verdict:
    broken = [f"broken{i}" for i in range(VIDEOS // 20)]
    return copy.ingested(videos=copy.shop.videos() + copy.shop.videos(broken))


@case(GOOD, "a few links less")
def _fewer_links(copy: Copy) -> Verdict:
    keys = copy.store.scan("links", ["link_key"])["link_key"].to_pylist()
    copy.store.writable("links").delete(among("link_key", keys[::20]))
    return copy.published()


@case(GOOD, "other prices")
def _prices(copy: Copy) -> Verdict:
    return copy.ingested([row | {"price": 3} for row in copy.shop.products()])


@case(GOOD, "some new titles")
def _titles(copy: Copy) -> Verdict:
    rows = copy.shop.products()
    new = [row | {"title": f"New {row['title']}"} for row in rows[:10]]
    return copy.ingested(new + rows[10:])


@case(GOOD, "some products delisted, one new")
def _delisted(copy: Copy) -> Verdict:
    rows = copy.shop.products()
    new = rows[0] | {"sku": "SKU-new", "title": "Something New"}
    return copy.ingested([*rows[5:], new])


@case(GOOD, "merchants of all videos changed")
def _merchants(copy: Copy) -> Verdict:
    rows = [row | {"merchant_id": "new"} for row in copy.shop.videos()]
    return copy.ingested(videos=rows)


@case(GOOD, "some videos cut anew")
def _cut(copy: Copy) -> Verdict:
    rows = [
        row | {"file": f"videos/v{VIDEOS + i}.mp4"} if i < 10 else row
        for i, row in enumerate(copy.shop.videos())
    ]
    return copy.ingested(videos=rows)


@case(GOOD, "another bar for links")
def _link_bar(copy: Copy) -> Verdict:
    return copy.published(config_of(linking={"link_above": 0.55}))


@case(GOOD, "other search settings")
def _search(copy: Copy) -> Verdict:
    return copy.published(config_of(search={"lexical": 0.4}))


@case(GOOD, "pruned")
def _pruned(copy: Copy) -> Verdict:
    copy.touch()
    copy.published()
    none = dt.timedelta(0)
    prune_store(copy.uri, CONFIG, keep=1, grace=none, older_than=none)
    return copy.ingested(videos=copy.shop.videos()[3:])


@case(GOOD, "published after a rollback")
def _after_rollback(copy: Copy) -> Verdict:
    copy.touch()
    copy.published()
    releases.rollback(copy.store)
    return copy.published()
