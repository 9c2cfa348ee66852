"""Builds that must pass, by name: each changes a copy of a published store as life does."""

import datetime as dt
from collections.abc import Sequence

import numpy as np

from benchmarks.builds import (
    CONFIG,
    FLAT,
    PRODUCTS,
    VIDEOS,
    Case,
    Copy,
    GridImages,
    Outcome,
    Verdict,
    case,
    config_of,
    ended,
    load_others,
    models_of,
    run,
)
from reelshelf.indexer.index import encode
from reelshelf.indexer.index.build import Builder, build_indexes
from reelshelf.indexer.index.parts import in_turn
from reelshelf.indexer.pipeline.erasing import erase, lift_erased
from reelshelf.indexer.pipeline.products_only import ingest_products
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.pipeline.upkeep import prune_store
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.tables import DATA_TABLES
from reelshelf.schemas.devices import Device
from reelshelf.schemas.media import Pixels, Vectors
from tests.support.fakes import unit
from tests.support.shops import write_lines

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


@case(GOOD, "some videos taken down")
def _taken_down(copy: Copy) -> Verdict:
    erase(copy.uri, CONFIG, videos=[f"v{i}" for i in range(10)])
    return copy.published()


@case(GOOD, "some products taken down, then a night")
def _products_taken_down(copy: Copy) -> Verdict:
    erase(copy.uri, CONFIG, skus=[f"SKU-{i}" for i in range(5)])
    return copy.ingested()


@case(GOOD, "what was taken down is let in again")
def _let_in_again(copy: Copy) -> Verdict:
    erase(copy.uri, CONFIG, videos=["v1", "v2"])
    lift_erased(copy.uri, CONFIG, videos=["v1", "v2"])
    return copy.ingested()


@case(GOOD, "a few failures among new videos")
def _few_failures(copy: Copy) -> Verdict:
    names = [f"v{VIDEOS + i}" for i in range(12)] + ["broken0", "broken1"]
    return copy.ingested(videos=copy.shop.videos() + copy.shop.videos(names))


@case(GOOD, "an index file that is missing is built anew")
def _index_file(copy: Copy) -> Verdict:
    copy.touch()
    copy.file("_indices").unlink()
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


def _more_videos(copy: Copy, count: int) -> list[dict[str, object]]:
    return copy.shop.videos([f"v{i}" for i in range(VIDEOS + count)])


def _declare_growth() -> None:
    for percent in (1, 3, 30, 100, 300):

        def grown(copy: Copy, percent: int = percent) -> Verdict:
            return copy.ingested(videos=_more_videos(copy, VIDEOS * percent // 100))

        def flat(copy: Copy, percent: int = percent) -> Verdict:
            return copy.ingested(videos=_more_videos(copy, VIDEOS * percent // 100), config=FLAT)

        case(GOOD, f"{percent} % more videos")(grown)
        case(GOOD, f"{percent} % more videos, flat")(flat)


_declare_growth()


def _new_products(copy: Copy, **cells: object) -> list[dict[str, object]]:
    """A quarter more products, with some cells of their own."""
    rows = copy.shop.products()
    new = [
        row | {"sku": f"{row['sku']}-more", "title": f"{row['title']} more"} | cells
        for row in rows[: PRODUCTS // 4]
    ]
    return [*rows, *new]


@case(GOOD, "a quarter more products")
def _more_products(copy: Copy) -> Verdict:
    return copy.ingested(_new_products(copy))


@case(GOOD, "a new category")
def _category(copy: Copy) -> Verdict:
    return copy.ingested(_new_products(copy, category=["Garden", "Tools"]))


@case(GOOD, "all products in another category")
def _categories(copy: Copy) -> Verdict:
    return copy.ingested([row | {"category": ["Sale"]} for row in copy.shop.products()])


@case(GOOD, "new products in another language")
def _language(copy: Copy) -> Verdict:
    return copy.ingested(_new_products(copy, title="Зимняя куртка с капюшоном", language="ru"))


@case(GOOD, "new products of another merchant, in another currency")
def _currency(copy: Copy) -> Verdict:
    return copy.ingested(_new_products(copy, merchant_id="other", currency="JPY", price=1200))


@case(GOOD, "new products without pictures")
def _without_pictures(copy: Copy) -> Verdict:
    return copy.ingested(_new_products(copy, images=[]))


@case(GOOD, "a season: a third of videos and products replaced")
def _season(copy: Copy) -> Verdict:
    products = _new_products(copy)[PRODUCTS // 4 :]
    return copy.ingested(products, _more_videos(copy, VIDEOS // 3)[VIDEOS // 3 :])


@case(GOOD, "a merchant leaves")
def _merchant_leaves(copy: Copy) -> Verdict:
    products = copy.shop.products()[PRODUCTS // 4 :]
    return copy.ingested(products, copy.shop.videos()[VIDEOS // 4 :])


@case(GOOD, "more than half leaves, and somebody has said so")
def _allowed(copy: Copy) -> Verdict:
    copy.shop.write_lists()
    rows = copy.shop.videos()[VIDEOS * 6 // 10 :]
    copy.shop.write_videos(rows)
    return ended(run(copy.shop, copy.uri, CONFIG, allow_shrink=True))


@case(GOOD, "a merchant comes back")
def _comes_back(copy: Copy) -> Verdict:
    copy.ingested(videos=copy.shop.videos()[VIDEOS // 4 :])
    return copy.ingested()


@case(GOOD, "encoded again by equal encoders")
def _equal(copy: Copy) -> Verdict:
    again = ReindexRequest(everything=True)
    return ended(run(copy.shop, copy.uri, CONFIG, again, load_others))


class _BetterImages(GridImages):
    """Another space, without the way in which all vectors of the base lean."""

    device: Device = "cpu"
    ref = GridImages.ref.model_copy(update={"name": "better", "space": "better"})

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        return unit(super().encode_images(images) - np.float32(0.1))


@case(GOOD, "encoded again by a better encoder")
def _better(copy: Copy) -> Verdict:
    again = ReindexRequest(everything=True)
    return ended(run(copy.shop, copy.uri, CONFIG, again, models_of(images=_BetterImages())))


@case(GOOD, "encoded again by the same encoders")
def _same(copy: Copy) -> Verdict:
    return copy.ingested(reindex=ReindexRequest(everything=True))


@case(GOOD, "frames encoded again")
def _frames(copy: Copy) -> Verdict:
    return copy.ingested(reindex=ReindexRequest(stages=("visual",)))


@case(GOOD, "texts encoded again")
def _texts(copy: Copy) -> Verdict:
    return copy.ingested(reindex=ReindexRequest(stages=("text",)))


@case(GOOD, "links made again")
def _links(copy: Copy) -> Verdict:
    return copy.ingested(reindex=ReindexRequest(stages=("links",)))


@case(GOOD, "other prices by products only")
def _products_only(copy: Copy) -> Verdict:
    rows = [row | {"price": 7} for row in copy.shop.products()]
    write_lines(copy.shop.list_of("catalog"), rows)
    catalog = str(copy.shop.list_of("catalog"))
    return ended(ingest_products(catalog, copy.uri, CONFIG, NoProgress()))


@case(GOOD, "all products described anew")
def _descriptions(copy: Copy) -> Verdict:
    return copy.ingested([row | {"description": "new words"} for row in copy.shop.products()])


@case(GOOD, "attributes, ratings and sales come")
def _ratings(copy: Copy) -> Verdict:
    more = {"rating": 4.5, "sales": 9, "attributes": {"color": "red"}}
    return copy.ingested([row | more for row in copy.shop.products()])


@case(GOOD, "all videos get titles and dates")
def _dated(copy: Copy) -> Verdict:
    more = {"title": "Seen tonight", "published_at": "2026-01-01T00:00:00Z"}
    return copy.ingested(videos=[row | more for row in copy.shop.videos()])


@case(GOOD, "merchants declare what their videos sell")
def _declared(copy: Copy) -> Verdict:
    rows = copy.shop.videos()
    told = [row | {"skus": [f"SKU-{i % PRODUCTS}"]} for i, row in enumerate(rows)]
    return copy.ingested(videos=told)


@case(GOOD, "copies of videos that are there")
def _copies(copy: Copy) -> Verdict:
    rows = copy.shop.videos()
    rows += [row | {"video_id": f"copy{i}"} for i, row in enumerate(rows[:20])]
    return copy.ingested(videos=rows)


@case(GOOD, "pictures of some products changed")
def _pictures(copy: Copy) -> Verdict:
    rows = copy.shop.products()
    moved = [row | {"images": [f"images/{(i + 1) % 80}.png"]} for i, row in enumerate(rows[:10])]
    return copy.ingested([*moved, *rows[10:]])
