"""What an index names is what all products come to: the links of both are the same."""

import random

import numpy as np
import pytest

from reelshelf.indexer.index import candidates
from reelshelf.indexer.index.candidates import (
    HeardGroups,
    IndexedGroups,
    NearestGroups,
    SoundIndex,
    candidates_for,
    trained_cells,
)
from reelshelf.indexer.linking.calibration import default_calibration
from reelshelf.indexer.linking.candidates import AllGroups, CandidateMaker, Comparable
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.sounds import sounds
from reelshelf.indexer.linking.visual_stats import fit_visual_stats
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.catalog import EncodedImage, EncodedProduct, Product
from reelshelf.schemas.config import LinkingConfig
from reelshelf.schemas.links import LinkableVideo
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.segments import Segment, Utterance
from reelshelf.schemas.visual_stats import VisualStats

DIM, FAMILIES, MEMBERS = 160, 400, 3
SYLLABLES = ("ba", "den", "fil", "gor", "kat", "lum", "mir", "nos", "pel", "rad", "sur", "tov")


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def near(base: Vectors, rng: np.random.Generator, share: float) -> Vectors:
    return unit(share * base + (1.0 - share) * unit(rng.standard_normal(base.shape)))


def word(draw: random.Random) -> str:
    return "".join(draw.choice(SYLLABLES) for _ in range(3))


def made_catalog() -> CatalogIndex:
    """Families of products alike; of each third the products are one group."""
    rng, draw = np.random.default_rng(3), random.Random(3)
    items = []
    for family in range(FAMILIES):
        look, text = (unit(rng.standard_normal(DIM)) for _ in range(2))
        name = f"{word(draw)} {word(draw)}"
        for member in range(MEMBERS):
            sku = f"F{family:03d}-{member}"
            row = Product(
                sku,
                f"{name} {word(draw)}".title(),
                group_id=f"G-{family}" if family % 3 == 0 else None,
                language="en",
            )
            picture = EncodedImage(f"{sku}.jpg", sku, near(look, rng, 0.7))
            own, facts = near(text, rng, 0.7), near(text, rng, 0.7)
            items.append(EncodedProduct(row, own, facts, (picture,)))
    return CatalogIndex.of(items)


CATALOG = made_catalog()


def stats() -> VisualStats:
    frames = unit(np.random.default_rng(5).standard_normal((300, DIM)))
    return fit_visual_stats(frames, np.arange(300), CATALOG, segments=300)


def videos() -> list[LinkableVideo]:
    rng, draw = np.random.default_rng(7), random.Random(7)
    made = []
    for number in range(30):
        item = draw.choice(CATALOG.products)
        title = item.product.title
        heard = title if number % 2 else title.replace("o", "u").replace("d", "t")
        segment = Segment(
            segment_key=str(number),
            start_ms=0,
            end_ms=2000,
            shot_index=0,
            keyframe_ms=0,
            frame_count=1,
            frame_vector=near(item.images[0].vector, rng, 0.6),
            screen_text=(),
            utterances=(Utterance(f"look at the {heard.lower()}", 0, 2000, -0.2),),
            utterance_vectors=near(item.facts_vector, rng, 0.6)[None],
            text="",
            text_vector=None,
            language="en",
        )
        made.append(LinkableVideo(f"v{number}", (), (segment,)))
    return made


def scores(maker: CandidateMaker) -> list[dict[str, float]]:
    linker = Linker(CATALOG, "shop", stats(), default_calibration(), LinkingConfig(), "", maker)
    return [{link.sku: link.score for link in linker.link([video])[0]} for video in videos()]


def test_links_by_index_are_those_of_all_products() -> None:
    every, found = scores(AllGroups.of), scores(IndexedGroups)
    assert sum(score >= 0.5 for own in every for score in own.values()) >= 10
    for own, other in zip(every, found, strict=True):
        assert {sku for sku, score in own.items() if score >= 0.5} == {
            sku for sku, score in other.items() if score >= 0.5
        }
        for sku in own.keys() | other.keys():
            assert own.get(sku, 0.0) == pytest.approx(other.get(sku, 0.0), abs=0.05)


def test_an_index_names_few() -> None:
    source = IndexedGroups(Comparable.of(CATALOG, stats()))
    (segment,) = videos()[0].segments
    for named in (
        source.seen(segment.frame_vector[None]),
        source.meant(segment.utterance_vectors),
        source.sounding(sounds(segment.utterances[0].text, CATALOG.analyzer)),
    ):
        assert 0 < len(named) < len(CATALOG.groups) // 3
        assert np.all(np.diff(named) > 0)


def test_what_is_found_of_a_product_is_the_same_whatever_else_there_is() -> None:
    """By cells that are the shop's. Those that are trained on what there is find others."""
    rng = np.random.default_rng(9)
    vectors = unit(rng.standard_normal((2000, DIM)))
    frames = unit(rng.standard_normal((40, DIM)))
    some = np.arange(0, 2000, 5)

    def found(places: np.ndarray, cells: bytes | None) -> list[set[int]]:
        index = NearestGroups(vectors, places, places, 64, cells)
        return [set(index.near(frame[None]).tolist()) for frame in frames]

    cells = trained_cells(len(vectors), lambda most: vectors[:most])
    for shared, is_same in ((cells, True), (None, False)):
        every, few = (found(places, shared) for places in (np.arange(2000), some))
        own = [named.intersection(some.tolist()) for named in every]
        assert all(a <= b for a, b in zip(own, few, strict=True)) is is_same


def test_only_a_large_catalog_is_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    comparable = Comparable.of(CATALOG, None)
    count = len(CATALOG.groups)
    for names, flat, kind in (
        (count, count, AllGroups),
        (count - 1, count, HeardGroups),
        (count - 1, count - 1, IndexedGroups),
    ):
        monkeypatch.setattr(candidates, "NAMES_UP_TO", names)
        monkeypatch.setattr(candidates, "FLAT_UP_TO", flat)
        assert type(candidates_for(comparable)) is kind


def test_short_names_are_found_by_all_of_their_sounds() -> None:
    names = ("Tea", "Soda", "Velvet Cushion", "Walnut Desk Lamp")
    vector = unit(np.ones(DIM))
    products = [EncodedProduct(Product(n, n, language="en"), vector, vector, ()) for n in names]
    catalog = CatalogIndex.of(products)
    index = SoundIndex(Comparable.of(catalog, None).sounds)
    found = index.near(sounds("a cup of tea on the wall not desk", catalog.analyzer))
    named = {catalog.product(int(place)).sku for place in found}
    assert named >= {"Tea", "Walnut Desk Lamp"}
    assert "Velvet Cushion" not in named
