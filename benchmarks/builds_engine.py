"""Builds that go wrong on the way to the tables: encoders, batches, linkers, settings, other shops.

What is stored is what was written, so no checksum tells. Each runs `ingest` on a copy of the
published store, with something in its models or its code that does not do what it should.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from benchmarks.builds import (
    CONFIG,
    PRODUCTS,
    VIDEOS,
    Case,
    Copy,
    GridImages,
    Verdict,
    case,
    config_of,
    ended,
    models_of,
    run,
)
from reelshelf.indexer.extract import segments as cutting
from reelshelf.indexer.index import linkers
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.pipeline.engine import ModelLoader
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.store.tables import among
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.links import ProductLink
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.release import ModelRef
from tests.support.fakes import FakeTexts, unit

ENGINE_BAD: dict[str, Case] = {}
EVERYTHING = ReindexRequest(everything=True)

Wrong = Callable[[Vectors, np.random.Generator], Vectors]


def _noise(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    return unit(rng.normal(size=vectors.shape).astype(np.float32))


def _shifted(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    del rng
    return np.roll(vectors, 1, axis=0)


def _constant(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    del rng
    return np.repeat(vectors[:1], len(vectors), axis=0)


def _permuted(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    return rng.permutation(vectors)


def _tenth_is_noise(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    mixed = vectors.copy()
    chosen = rng.random(len(vectors)) < 0.1
    mixed[chosen] = unit(rng.normal(size=vectors[chosen].shape).astype(np.float32))
    return mixed


def _mirrored(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    del rng
    return np.ascontiguousarray(vectors[:, ::-1])


WRONGS: dict[str, Wrong] = {
    "noise": _noise,
    "off by one in their batch": _shifted,
    "one for all": _constant,
    "permuted in their batch": _permuted,
    "noise for a tenth": _tenth_is_noise,
    "with their numbers mirrored": _mirrored,
}


class WrongImages(GridImages):
    """Images encoded by the base's encoder, and then something is done to the vectors.

    `space` names another one, for a new generation.
    """

    def __init__(self, wrong: Wrong, space: str | None = None) -> None:
        self._wrong = wrong
        self._rng = np.random.default_rng(0)
        if space is not None:
            self.device: Device = "cpu"
            self.ref = renamed(GridImages.ref, space)

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Encode n images."""
        return self._wrong(super().encode_images(images), self._rng)


class WrongTexts(FakeTexts):
    """The same for texts."""

    def __init__(self, wrong: Wrong, space: str | None = None) -> None:
        self._wrong = wrong
        self._rng = np.random.default_rng(0)
        if space is not None:
            self.device: Device = "cpu"
            self.ref = renamed(FakeTexts.ref, space)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts."""
        return self._wrong(super().encode_texts(texts), self._rng)


def renamed(ref: ModelRef, space: str) -> ModelRef:
    """The same model under another name, with a space of its own."""
    return ref.model_copy(update={"name": space, "space": space})


def hashed(vectors: Vectors) -> Vectors:
    """A vector that is a function of another, and means nothing."""
    rows = []
    for vector in vectors:
        seed = np.frombuffer(vector.tobytes(), np.uint32)
        rows.append(np.random.default_rng(seed).normal(size=len(vector)))
    return unit(np.asarray(rows, np.float32).reshape(vectors.shape))


def _hashed(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    del rng
    return hashed(vectors)


@dataclass(frozen=True)
class Night:
    """A run on a copy with other models: a tenth more videos and products, or all of them anew."""

    copy: Copy
    models: ModelLoader
    within: AbstractContextManager[Any] = field(default_factory=nullcontext)
    reindex: ReindexRequest | None = None
    config: Config = CONFIG

    def verdict(self) -> Verdict:
        """How it ended."""
        shop = self.copy.shop
        shop.write_lists(VIDEOS // 10, PRODUCTS // 10)
        with self.within:
            return ended(run(shop, self.copy.uri, self.config, self.reindex, self.models))


def _declare_encoders() -> None:
    for told, wrong in {**WRONGS, "a hash of the right ones": _hashed}.items():
        for what, make in (("image", WrongImages), ("text", WrongTexts)):

            def tonight(copy: Copy, wrong: Wrong = wrong, make: Any = make) -> Verdict:
                made = make(wrong)
                loader = models_of(images=made) if make is WrongImages else models_of(texts=made)
                return Night(copy, loader).verdict()

            def anew(copy: Copy, wrong: Wrong = wrong, make: Any = make) -> Verdict:
                made = make(wrong, f"another-{make.__name__.lower()}")
                loader = models_of(images=made) if make is WrongImages else models_of(texts=made)
                return Night(copy, loader, reindex=EVERYTHING).verdict()

            case(ENGINE_BAD, f"{what} vectors of tonight are {told}")(tonight)
            if told != "with their numbers mirrored":  # as good a space as any
                case(ENGINE_BAD, f"{what} vectors of a new generation are {told}")(anew)


_declare_encoders()


class _RotatedLinker:
    """Says of each product what another linker found for the next one of the video's."""

    def __init__(self, linker: Linker) -> None:
        self._linker = linker

    def link(self, copies: Any, rules: Any = ()) -> list[list[ProductLink]]:
        return [
            [
                replace(link, product_key=other.product_key, sku=other.sku)
                for link, other in zip(found, [*found[1:], *found[:1]], strict=True)
            ]
            for found in self._linker.link(copies, rules)
        ]


@case(ENGINE_BAD, "links of tonight permuted over products")
def _links(copy: Copy) -> Verdict:
    made = linkers.linker_of
    within = patch(
        "reelshelf.indexer.pipeline.linking.linker_of", lambda recipe: _RotatedLinker(made(recipe))
    )
    return Night(copy, models_of(), within).verdict()


def _cut_wrongly(change: Callable[[Any], Any]) -> AbstractContextManager[Any]:
    right = cutting.cut_moments

    def wrong(*args: Any) -> Any:
        return tuple(change(moment) for moment in right(*args))

    return patch.object(cutting, "cut_moments", wrong)


@case(ENGINE_BAD, "all moments of tonight begin at 0")
def _starts(copy: Copy) -> Verdict:
    within = _cut_wrongly(lambda moment: replace(moment, start_ms=0))
    return Night(copy, models_of(), within).verdict()


@case(ENGINE_BAD, "moments of tonight end before they begin")
def _ends(copy: Copy) -> Verdict:
    within = _cut_wrongly(lambda m: replace(m, start_ms=m.end_ms, end_ms=m.start_ms))
    return Night(copy, models_of(), within).verdict()


@case(ENGINE_BAD, "every new video failed")
def _all_failed(copy: Copy) -> Verdict:
    broken = [f"broken{i}" for i in range(5)]
    return copy.ingested(videos=copy.shop.videos() + copy.shop.videos(broken))


@case(ENGINE_BAD, "nearly half of the videos gone from the tables")
def _gone(copy: Copy) -> Verdict:
    keys = copy.store.scan("videos", ["video_key"])["video_key"].to_pylist()
    copy.store.delete_videos(keys[: VIDEOS * 45 // 100])
    return copy.published()


@case(ENGINE_BAD, "three in a hundred products gone from the tables")
def _products_gone(copy: Copy) -> Verdict:
    keys = copy.store.scan("products", ["product_key"])["product_key"].to_pylist()
    few = keys[: max(2, PRODUCTS * 3 // 100)]
    for name in ("links", "product_images", "products"):
        copy.store.writable(name).delete(among("product_key", few))
    return copy.published()


@case(ENGINE_BAD, "rows of another shop")
def _another_shop(copy: Copy) -> Verdict:
    rows = copy.store.scan("videos", None)
    field = rows.schema.field("shop_id")
    place = rows.schema.get_field_index("shop_id")
    rows = rows.slice(0, 20).set_column(place, field, pa.array(["other"] * 20))
    copy.store.merge("videos", "video_key").when_matched_update_all().execute(rows)
    return copy.published()


@case(ENGINE_BAD, "bars for links swapped")
def _bars(copy: Copy) -> Verdict:
    return copy.published(config_of(linking={"keep_above": 0.5, "link_above": 0.02}))


@case(ENGINE_BAD, "a calibration with another bias")
def _bias(copy: Copy) -> Verdict:
    return _with_calibration(copy, lambda c: c.model_copy(update={"bias": 99.0}))


@case(ENGINE_BAD, "a calibration with its weights turned over")
def _weights(copy: Copy) -> Verdict:
    return _with_calibration(
        copy, lambda c: c.model_copy(update={"weights": {k: -w for k, w in c.weights.items()}})
    )


def _with_calibration(copy: Copy, change: Callable[[Any], Any]) -> Verdict:
    from reelshelf.indexer.pipeline.upkeep import keep_calibration

    keep_calibration(copy.uri, CONFIG, change(copy.release.calibration))
    return copy.published()


@case(ENGINE_BAD, "visual statistics with other bytes")
def _statistics(copy: Copy) -> Verdict:
    rows = copy.store.scan("backgrounds", None)
    place = rows.schema.get_field_index("frame_mean")
    mean = rows["frame_mean"].combine_chunks()
    flat = -np.asarray(mean.flatten(), np.float32)
    changed = pa.FixedSizeListArray.from_arrays(pa.array(flat), mean.type.list_size)
    rows = rows.set_column(place, rows.schema.field(place), changed)
    copy.store.merge("backgrounds", "background_id").when_matched_update_all().execute(rows)
    return copy.ingested(videos=copy.shop.videos([f"v{i}" for i in range(VIDEOS + 12)]))
