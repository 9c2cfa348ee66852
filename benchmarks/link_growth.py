"""What linking costs while a catalog grows.

    python -m benchmarks.link_growth [--out DIR] [--products N] [--videos V] [--full]

Catalogs of 1,000, 10,000 ... N made products are linked with V made videos of a minute each, by the
real matchers: vectors of the offline profile's dimensions, clustered by kind and family; titles of
made words; a part of the products in groups of variants. Videos show, name, describe and print what
they sell, each now and then, with noise. Each catalog is prepared in a process of its own and
linked in another. Up to 100,000 products the links are compared with those of all products.

CPU is of all threads; memory that is not shared is what a process holds beside mapped files.
"""

import math
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Bar, Count, conclude, own_memory, parse, parser_of
from benchmarks.store_growth import IMAGE_DIM, TEXT_DIM
from reelshelf.indexer.index import linkers
from reelshelf.indexer.index.candidates import FLAT_UP_TO, candidates_for, trained_cells
from reelshelf.indexer.linking.calibration import default_calibration
from reelshelf.indexer.linking.candidates import AllGroups
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.visual_stats import fit_visual_stats, term_shares_of
from reelshelf.indexer.store import shared
from reelshelf.indexer.store.catalog_files import catalog_in, new_mapped, new_vectors, write_rows
from reelshelf.indexer.text.analyzer import analyzer_of
from reelshelf.indexer.text.counts import counts_of
from reelshelf.schemas.config import LinkingConfig
from reelshelf.schemas.keys import product_key
from reelshelf.schemas.links import LinkableVideo
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.segments import PostKind, PostText, ScreenText, Segment, Utterance
from reelshelf.schemas.tables import products_schema
from reelshelf.schemas.visual_stats import VisualStats, WhitenedSpace

_SHOP = "made"
_LARGEST_COMPARED = 100_000
_COMPARED_VIDEOS = 16
_AT_ONCE = 8192
_MOMENT_MS, _MOMENTS = 3000, 20
_LINK = 0.5
_SYLLABLES = [
    first + rest
    for first in ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "gl")
    for rest in ("a", "e", "i", "o", "u", "ar", "en", "il", "on")
]
_COLORS = ("red", "blue", "green", "black", "white", "grey", "brown", "pink", "gold", "silver")
_CHATTER = (
    "Today I am looking at something that many of you have asked me about.",
    "It comes in three sizes, and the small one fits into any drawer.",
    "Tell me in the comments what you would like to see next week.",
    "I have used it every day for a month now and it still looks new.",
    "Some people say that it is too heavy, and I do not think so.",
    "Wait for the end of the video, there is a surprise for you.",
    "We went to the lake with the whole family and had a great time.",
    "My grandmother had one like this, only much older of course.",
)


def _drawing(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - for made products, the same in every process


@dataclass(frozen=True, slots=True)
class Item:
    """A made product, as far as videos show it."""

    sku: str
    title: str
    facts: str
    printed: str
    place: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What is another in a catalog: places with other titles, with other pictures, that are gone.

    `new` is how many are new.
    """

    retitled: frozenset[int] = frozenset()
    pictured: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()
    new: int = 0


UNCHANGED = Changes()
_CHANGED = "Edition"


class Shop:
    """A catalog of `count` made products: titles, vectors and videos, the same in every process."""

    def __init__(self, count: int) -> None:
        self.count = count
        rng = _drawing(7)
        words = {self._word(rng) for _ in range(round(600 + 3 * count**0.6))}
        self._words = sorted(words)
        self._brands = [self._word(rng).title() for _ in range(round(4 + count**0.5))]
        self._kinds = round(4 + count**0.4)

    @staticmethod
    def _word(rng: random.Random) -> str:
        return "".join(rng.choice(_SYLLABLES) for _ in range(rng.choice((2, 2, 3))))

    def _rare(self, rng: random.Random) -> str:
        """A word, frequent ones more often, about as words are in titles (Zipf's law)."""
        return self._words[min(int(len(self._words) ** rng.random()), len(self._words) - 1)]

    def family(self, place: int) -> int:
        """The family of a product: of four, of a size or color each."""
        return place // 4

    def item(self, place: int) -> Item:
        """What the product at a place is called."""
        family = self.family(place)
        rng = _drawing(family)
        brand, name = (
            rng.choice(self._brands),
            [self._rare(rng) for _ in range(rng.choice((2, 3, 4)))],
        )
        kind = self._words[family % self._kinds]
        own = _drawing(-place - 1)
        color = own.choice(_COLORS)
        title = " ".join(
            [brand, *name, kind, *([self._rare(own)] if self.alone(place) else []), color]
        )
        return Item(
            f"M-{place:08d}",
            title.title(),
            f"{title}, {color} color",
            " ".join([brand, *name]),
            place,
        )

    def alone(self, place: int) -> bool:
        """Whether the product's family is no group of variants."""
        return self.family(place) % 3 > 0

    def brand(self, place: int) -> str:
        """Its brand."""
        return _drawing(self.family(place)).choice(self._brands)

    def vectors(self, places: range, dim: int, salt: int, own: float) -> Vectors:
        """`(n, dim)` of some products in order: of their kind, their family and their own."""
        families = np.arange(places.start // 4, places.stop // 4 + 1)
        kinds = _unit(np.random.default_rng(salt).standard_normal((self._kinds, dim), np.float32))
        rng = np.random.default_rng([salt, places.start])
        of_family = 0.6 * kinds[families % self._kinds] + 0.8 * _unit(_drawn(salt, families, dim))
        mine = _unit(rng.standard_normal((len(places), dim), np.float32))
        family = of_family[np.arange(places.start, places.stop) // 4 - families[0]]
        return _unit(math.sqrt(1 - own**2) * _unit(family) + own * mine)


def _drawn(salt: int, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]", dim: int) -> Vectors:
    """A vector for each number, whatever others are asked for."""
    out = np.empty((len(numbers), dim), np.float32)
    for row, number in enumerate(numbers.tolist()):
        out[row] = np.random.default_rng([salt, 1, number]).standard_normal(dim, np.float32)
    return out


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / norms, np.float32)


def write_shop(shop: Shop, folder: Path, changes: Changes = UNCHANGED) -> None:
    """Write the catalog as a store's would be: rows, and vectors in mapped files."""
    places = [p for p in range(shop.count + changes.new) if p not in changes.removed]
    schema = products_schema(TEXT_DIM)
    schema = pa.schema([field for field in schema if not field.name.endswith("_vector")])
    rows = []
    for place in places:
        item = shop.item(place)
        title = f"{item.title} {_CHANGED}" if place in changes.retitled else item.title
        rows.append(
            dict.fromkeys(schema.names)
            | {
                "product_key": product_key(_SHOP, item.sku),
                "sku": item.sku,
                "title": title,
                "brand": shop.brand(place),
                "price": Decimal(1 + place % 199),
                "currency": "EUR",
                "language": "en",
                "images": [f"{item.sku}.jpg"],
                "group_id": None if shop.alone(place) else f"G-{shop.family(place)}",
            }
        )
    products = pa.Table.from_pylist(rows, schema=pa.schema([f.with_nullable(True) for f in schema]))
    printed = [[shop.item(place).printed] for place in places]
    pictures = pa.table(
        {
            "product_key": products["product_key"],
            "uri": pc.list_flatten(products["images"]),
            "content_sha256": [f"{place:064x}" for place in places],
            "printed": pa.array(printed, pa.list_(pa.string())),
        }
    )
    count = len(places)
    write_rows(folder, products, pictures, np.arange(count + 1))
    arrays = new_vectors(folder, count, count, TEXT_DIM, IMAGE_DIM)
    row_of = np.full(shop.count + changes.new, -1)
    row_of[places] = np.arange(count)
    # What is new is drawn apart, so that all others are as they were.
    for first, last in ((0, shop.count), (shop.count, shop.count + changes.new)):
        for start in range(first, last, _AT_ONCE):
            drawn = range(start, min(start + _AT_ONCE, last))
            rows_of = row_of[drawn.start : drawn.stop]
            vectors = _vectors_of(shop, drawn, changes)
            for array, own in zip(arrays, vectors, strict=True):
                array[rows_of[rows_of >= 0]] = own[rows_of >= 0]


def _vectors_of(shop: Shop, places: range, changes: Changes) -> tuple[Vectors, Vectors, Vectors]:
    """The vectors of texts, facts and pictures of some products in order."""
    image = shop.vectors(places, IMAGE_DIM, 1, 0.6)
    for place in changes.pictured.intersection(places):
        other = _unit(_drawn(6, np.array([place]), IMAGE_DIM))[0]
        image[place - places.start] = _unit(image[place - places.start] + other)
    facts = shop.vectors(places, TEXT_DIM, 2, 0.5)
    noise = np.random.default_rng([3, places.start]).standard_normal(
        (len(places), TEXT_DIM), np.float32
    )
    return _unit(0.9 * facts + 0.43 * _unit(noise)), facts, image


class Videos:
    """Made videos of a minute, of what some products of a catalog on disk are sold with."""

    def __init__(self, shop: Shop, image: Vectors, facts: Vectors) -> None:
        self._shop, self._image, self._facts = shop, image, facts
        rng = np.random.default_rng(11)
        self._look = _unit(rng.standard_normal(IMAGE_DIM, np.float32))
        self._scenes = _unit(rng.standard_normal((64, IMAGE_DIM), np.float32))

    def of(self, number: int) -> LinkableVideo:
        """One of them."""
        rng, noise = _drawing(1000 + number), np.random.default_rng([5, number])
        sold = [rng.randrange(self._shop.count) for _ in range(rng.choice((1, 1, 2)))]
        items = [self._shop.item(place) for place in sold]
        post = tuple(
            PostText(PostKind.TITLE, f"{item.title} - what is new this week")
            for item in items[:1]
            if rng.random() < 0.5
        )
        moments = tuple(self._moment(place, items, rng, noise, post) for place in range(_MOMENTS))
        declared = tuple(item.sku for item in items if rng.random() < 0.3)
        return LinkableVideo(f"video-{number}", declared, moments)

    def _moment(
        self,
        at: int,
        items: list[Item],
        rng: random.Random,
        noise: np.random.Generator,
        post: tuple[PostText, ...],
    ) -> Segment:
        start = at * _MOMENT_MS
        item = items[at * len(items) // _MOMENTS]
        shown = rng.random() < 0.6
        base = self._image[item.place] if shown else self._scenes[rng.randrange(len(self._scenes))]
        mixed = 0.7 * np.asarray(base) + 0.35 * self._look
        frame = _unit(mixed + 0.55 * _unit(noise.standard_normal(IMAGE_DIM, np.float32)))
        said = rng.choice(_CHATTER)
        vector = _unit(noise.standard_normal(TEXT_DIM, np.float32))
        what = rng.random()
        if what < 0.1:
            said = f"This is the {misheard(item.title, rng)} that I told you about."
        elif what < 0.2:
            said = f"It is {item.facts.lower()}, as you can see."
            vector = _unit(0.75 * np.asarray(self._facts[item.place]) + 0.66 * vector)
        lines: tuple[ScreenText, ...] = ()
        if shown and rng.random() < 0.3:
            text = item.title if rng.random() < 0.5 else misheard(item.printed, rng)
            lines = (ScreenText(text, 0.9, start, start + _MOMENT_MS, Box(0.1, 0.1, 0.5, 0.2)),)
        return Segment(
            segment_key=f"{at}",
            start_ms=start,
            end_ms=start + _MOMENT_MS,
            shot_index=at,
            keyframe_ms=start,
            frame_count=3,
            frame_vector=frame,
            screen_text=lines,
            utterances=(Utterance(said, start, start + _MOMENT_MS, -0.2),) if at % 2 else (),
            utterance_vectors=vector[None] if at % 2 else np.empty((0, TEXT_DIM), np.float32),
            text=said,
            text_vector=vector,
            language="en",
            post_text=post,
        )


def misheard(text: str, rng: random.Random) -> str:
    """A text with a letter in ten taken for another, and a space that is lost now and then."""
    letters = [rng.choice("aeiourstln") if rng.random() < 0.1 and c != " " else c for c in text]
    return "".join(c for c in letters if c != " " or rng.random() > 0.15).lower()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What it took to make a linker."""

    cpu_s: float
    own_bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What linking took for each video, and what it held."""

    cpu_s: float
    own_bytes: int
    links: list[dict[str, float]]


def prepare(folder: Path, count: int) -> Prepared:
    """Write a made catalog, and the linker of it."""
    shop = Shop(count)
    (folder / "catalog").mkdir(parents=True)
    write_shop(shop, folder / "catalog")
    with own_memory() as peak:
        began = time.process_time()
        shared.save(_linker(shop, folder, indexed=True), folder)
        return Prepared(time.process_time() - began, peak[0])


def _linker(shop: Shop, folder: Path, *, indexed: bool) -> Linker:
    return linker_with(stats_of(shop, folder), folder, indexed=indexed)


def stats_of(shop: Shop, folder: Path) -> VisualStats:
    """The statistics of a made shop whose catalog lies in a folder."""
    catalog = catalog_in(folder / "catalog", "icu")
    videos = Videos(shop, catalog.vectors.image, catalog.facts_vectors)
    segments = [s for number in range(200) for s in videos.of(100_000 + number).segments]
    step = max(1, shop.count // 8192)
    some = type(catalog).of([catalog.products[i] for i in range(0, shop.count, step)])
    stats = fit_visual_stats(
        np.stack([s.frame_vector for s in segments]),
        np.arange(len(segments)),
        some,
        segments=len(segments),
        pictures=shop.count,
        term_shares=term_shares_of((s.text for s in segments), analyzer_of("icu", ("en",))),
        counts=counts_of(some, shop.count, ()),
    )
    if shop.count <= FLAT_UP_TO:
        return stats
    pictures, texts = catalog.vectors.image, (catalog.text_vectors, catalog.facts_vectors)

    def some_of(vectors: Vectors, most: int) -> Vectors:
        places = np.random.default_rng(0).choice(len(vectors), most, replace=False)
        return np.asarray(vectors[np.sort(places)], np.float32)

    space = WhitenedSpace(stats)
    return replace(
        stats,
        picture_cells=trained_cells(
            len(pictures), lambda most: space.of_pictures(some_of(pictures, most))
        ),
        text_cells=trained_cells(
            2 * shop.count,
            lambda most: np.concatenate([some_of(part, -(-most // 2)) for part in texts]),
        ),
    )


def linker_with(stats: VisualStats, folder: Path, *, indexed: bool) -> Linker:
    """The linker of the catalog in a folder."""
    catalog = catalog_in(folder / "catalog", "icu", stats.counts)
    place_for = partial(new_mapped, folder / f"pictures-{indexed}.npy")
    return Linker(
        catalog,
        _SHOP,
        stats,
        default_calibration(),
        LinkingConfig(),
        "",
        candidates_for if indexed else AllGroups.of,
        place_for,
    )


def link(folder: Path, count: int, videos: int, *, indexed: bool) -> Measured:
    """Link made videos by the linker of a folder, or by one that compares all products."""
    shop = Shop(count)
    with own_memory() as peak:
        linker = linkers.opened(folder) if indexed else _linker(shop, folder, indexed=False)
        catalog = catalog_in(folder / "catalog", "icu")
        made = Videos(shop, catalog.vectors.image, catalog.facts_vectors)
        taken = [made.of(number) for number in range(videos + 1)]
        linker.link(taken[-1:])  # what is loaded at the first video is not of the second
        began = time.process_time()
        found = [linker.link([video])[0] for video in taken[:-1]]
        spent = time.process_time() - began
        return Measured(spent / videos, peak[0], [{i.sku: i.score for i in own} for own in found])


@dataclass(frozen=True, slots=True)
class Agreement:
    """How links by index agree with those of a comparison with everything.

    `kept` is the share of links that are found; `off` is by how much the score of a link differs at
    most, and `any_off` that of whatever is stored, however weak.
    """

    kept: float
    off: float
    any_off: float

    @classmethod
    def of(cls, found: list[dict[str, float]], right: list[dict[str, float]]) -> "Agreement":
        """That of two ways to link the same videos, given as scores by SKU."""
        pairs = [
            (own.get(sku, 0.0), every.get(sku, 0.0))
            for own, every in zip(found, right, strict=False)
            for sku in own.keys() | every.keys()
        ]
        wanted = [got >= _LINK for got, score in pairs if score >= _LINK]
        return cls(
            sum(wanted) / max(len(wanted), 1),
            max((abs(a - b) for a, b in pairs if max(a, b) >= _LINK), default=0.0),
            max((abs(a - b) for a, b in pairs), default=0.0),
        )


def measure(size: int, videos: int) -> dict[str, float]:
    """The figures of one catalog."""
    with tempfile.TemporaryDirectory(prefix="reelshelf-link-growth-") as name:
        folder = Path(name)
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            prepared = pool.submit(prepare, folder, size).result()
            found = pool.submit(link, folder, size, videos, indexed=True).result()
            figures = {
                "cpu_s": found.cpu_s,
                "own_gb": found.own_bytes / 1e9,
                "prepare_cpu_s": prepared.cpu_s,
                "prepare_own_gb": prepared.own_bytes / 1e9,
                "links": sum(score >= _LINK for own in found.links for score in own.values()),
            }
            if size <= _LARGEST_COMPARED:
                few = min(_COMPARED_VIDEOS, videos)
                every = pool.submit(link, folder, size, few, indexed=False).result()
                agreed = Agreement.of(found.links, every.links)
                figures |= {
                    "all_cpu_s": every.cpu_s,
                    "links_kept": agreed.kept,
                    "link_off": agreed.off,
                    "score_off": agreed.any_off,
                }
    return figures


def main() -> int:
    """Run the benchmark; the exit code."""
    # As tasks have it that share a node: one thread each.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    args = parse(parser_of(__doc__), products=Count(100_000, 1_000_000), videos=Count(60, 60))
    sizes = [size for size in (1000, 10_000, 100_000, 1_000_000) if size <= args.products]
    found = {size: measure(size, args.videos) for size in sizes}
    names = list(found[sizes[0]])
    table = Table("products", *names)
    for size, own in found.items():
        table.add_row(f"{size:,}", *(f"{own[n]:.4g}" if n in own else "" for n in names))
    Console().print(table)
    last, first = sizes[-1], sizes[min(1, len(sizes) - 1)]
    ratio = found[last]["cpu_s"] / found[first]["cpu_s"]
    figures = {
        f"{name}_{size}": value for size, own in found.items() for name, value in own.items()
    }
    figures["exponent"] = math.log(ratio) / math.log(last / first) if last > first else 0.0
    compared = [own for own in found.values() if "links_kept" in own]
    kept, off = (
        f(own[n] for own in compared) for f, n in ((min, "links_kept"), (max, "score_off"))
    )
    bars = [
        Bar("CPU s per video minute at 1M", found[last]["cpu_s"], 0.15, at_least=False),
        Bar("CPU at 1M of that at 10k", ratio, 2.0, at_least=False),
        Bar("links kept, worst", kept, 0.99, at_least=True),
        Bar("score of a link off, worst", off, 0.01, at_least=False),
        Bar("a worker's own memory, GB", found[last]["own_gb"], 3.0, at_least=False),
    ]
    return conclude("link_growth", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
