"""Linking where every product has three sizes that look the same.

    python -m benchmarks.variants [BENCH_DIR] [--store URI] [--score SCORE_PY]

BENCH_DIR is ingested from a copy without answers, unless --store is one of it. Its catalog is
varied in memory: each product in three sizes, with the same pictures, its title and the size, and
prices of their own; once with a `group_id`, once without. Links are scored with the weights that
ship, by group. Then each link that is true is told apart: a line on screen, a subtitle or a price
that names one of the sizes is put into the video's rows, and what is linked then is counted.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from benchmarks.harness import (
    EXAMPLE_SHOP,
    Bar,
    bench_folder,
    conclude,
    parse,
    parser_of,
    write_lines,
)
from benchmarks.quality import ask, open_shop
from reelshelf.indexer.linking.calibration import default_calibration
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.visual_stats import fit_visual_stats, term_shares_of
from reelshelf.indexer.quality.labeled import read_labels
from reelshelf.indexer.quality.relinking import released_videos
from reelshelf.indexer.store.products import read_products
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.models.registry import load_text_encoder
from reelshelf.schemas.catalog import EncodedProduct
from reelshelf.schemas.config import load_config
from reelshelf.schemas.links import LinkableVideo, ProductLink, VariantState
from reelshelf.schemas.media import Box
from reelshelf.schemas.segments import PostKind, PostText, ScreenText, Segment

# None costs what the product does: a price that a video shows already tells nothing.
SIZES = (("Small", "0.80"), ("Medium", "1.10"), ("Large", "1.35"))
_PARTED = "\u00a7"
Copies = Sequence[tuple[str, LinkableVideo]]


@dataclass(frozen=True)
class Varied:
    """A catalog with the linker for it; `base` gives the SKU that a variant was made of."""

    catalog: CatalogIndex
    linker: Linker

    @staticmethod
    def base(sku: str) -> str:
        """The SKU before the size."""
        return sku.partition(_PARTED)[0]


def varied(products: Sequence[EncodedProduct], *, grouped: bool) -> list[EncodedProduct]:
    """Each product in all sizes."""
    encoder = load_text_encoder(load_config(None))
    rows = []
    for item in products:
        for size, factor in SIZES:
            price = item.product.price
            rows.append(
                replace(
                    item.product,
                    sku=f"{item.product.sku}{_PARTED}{size[0]}",
                    title=f"{item.product.title} {size}",
                    price=(price * Decimal(factor)).quantize(Decimal("0.01")) if price else None,
                    group_id=item.product.sku if grouped else None,
                )
            )
    texts = encoder.encode_texts([row.text for row in rows])
    facts = encoder.encode_texts([row.facts for row in rows])
    images = [item.images for item in products for _ in SIZES]
    return [
        EncodedProduct(row, text, fact, own)
        for row, text, fact, own in zip(rows, texts, facts, images, strict=True)
    ]


def linker_for(snapshot: ReleaseSnapshot, products: Sequence[EncodedProduct]) -> Varied:
    """The linker of a release over another catalog, with the weights that ship."""
    catalog = CatalogIndex.of(products, snapshot.config.text.analyzer)
    sample = snapshot.store.segment_sample(snapshot.config.linking.visual_stats_segments)
    shares = term_shares_of(sample.texts, catalog.analyzer)
    stats = fit_visual_stats(
        sample.frames, sample.shots, catalog, segments=len(sample.frames), term_shares=shares
    )
    space, shop = snapshot.release.models.text.space, snapshot.release.shop_id
    config = snapshot.config.linking
    return Varied(catalog, Linker(catalog, shop, stats, default_calibration(), config, space))


def as_varied(copies: Copies, size: str | None) -> list[LinkableVideo]:
    """Videos whose declared SKUs are those of a size; none of them where it is None."""
    return [
        replace(
            video,
            merchant_skus=tuple(f"{sku}{_PARTED}{size}" for sku in video.merchant_skus)
            if size
            else video.merchant_skus,
        )
        for _, video in copies
    ]


def link_all(videos: Iterable[Copies], by: Varied, size: str | None) -> list[dict[str, object]]:
    """Lines for the scorer, by the SKUs that variants were made of."""
    rows: dict[tuple[str, str], float] = {}
    for copies in videos:
        for (name, _), links in zip(copies, by.linker.link(as_varied(copies, size)), strict=True):
            for link in links:
                pair = (name, by.base(link.sku))
                rows[pair] = max(rows.get(pair, 0.0), link.score)
    return [{"video_id": v, "sku": sku, "score": score} for (v, sku), score in rows.items()]


def on_screen(segment: Segment, text: str) -> Segment:
    """A moment with a line more on screen."""
    line = ScreenText(text, 0.95, segment.start_ms, segment.end_ms, Box(0.1, 0.1, 0.9, 0.2))
    return replace(segment, screen_text=(*segment.screen_text, line))


def in_subtitles(segment: Segment, text: str) -> Segment:
    """A moment with a subtitle more."""
    line = PostText(PostKind.SUBTITLE, text, segment.start_ms, segment.end_ms)
    return replace(segment, post_text=(*segment.post_text, line))


def told(
    videos: Sequence[Copies], by: Varied, truth: dict[str, frozenset[str]]
) -> dict[str, tuple[int, int]]:
    """Of true links, how many are of the right size where something names it, and of how many."""
    products = {item.product.sku: item.product for item in by.catalog.products}
    found = {kind: [0, 0] for kind in ("caption", "subtitle", "price")}
    for number, copies in enumerate(videos):
        for place, (name, video) in enumerate(copies):
            linked = {by.base(link.sku): link for link in _strong(by, copies, place, video)}
            for sku in sorted(linked.keys() & truth.get(name, frozenset())):
                size = SIZES[(number + place) % len(SIZES)][0]
                right = f"{sku}{_PARTED}{size[0]}"
                product = products[right]
                ways: dict[str, tuple[Callable[[Segment, str], Segment], str]] = {
                    "caption": (on_screen, product.title),
                    "subtitle": (in_subtitles, f"This is the {product.title}."),
                }
                if product.price is not None:
                    ways["price"] = (on_screen, f"{product.price} {product.currency or ''}")
                for kind, (add, text) in ways.items():
                    links = _strong(by, copies, place, _with(video, linked[sku], add, text))
                    own = [link for link in links if by.base(link.sku) == sku]
                    found[kind][1] += 1
                    found[kind][0] += (
                        len(own) == 1
                        and own[0].sku == right
                        and own[0].variant is VariantState.KNOWN
                    )
    return {kind: (right, of) for kind, (right, of) in found.items()}


def _strong(by: Varied, copies: Copies, place: int, video: LinkableVideo) -> list[ProductLink]:
    others = [replace(other, merchant_skus=()) for _, other in copies]
    others[place] = replace(video, merchant_skus=())
    return [link for link in by.linker.link(others)[place] if link.score >= 0.5]


def _with(
    video: LinkableVideo, link: ProductLink, add: Callable[[Segment, str], Segment], text: str
) -> LinkableVideo:
    """A video with a text more in the moment that speaks most for a link."""
    at = next((piece.at_ms for piece in link.evidence if piece.at_ms is not None), 0)
    place = max((i for i, s in enumerate(video.segments) if s.start_ms <= at), default=0)
    segments = list(video.segments)
    segments[place] = add(segments[place], text)
    return replace(video, segments=tuple(segments))


def main() -> int:
    """Score the catalog as it is and varied, then tell variants apart."""
    parser = parser_of(__doc__)
    default = bench_folder("dev") or EXAMPLE_SHOP
    parser.add_argument("bench", type=Path, nargs="?", default=default, metavar="BENCH_DIR")
    parser.add_argument("--store", metavar="URI", help="a store of BENCH_DIR, already ingested")
    parser.add_argument("--score", type=Path, metavar="SCORE_PY")
    args = parse(parser)
    scorer = args.score or args.bench.resolve().parent / "score.py"
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        uri = args.store or str(out / "store")
        if not args.store:
            open_shop(args.bench, out, load_config(None))
        snapshot = ReleaseSnapshot.open(uri)
        clusters = snapshot.store.clusters(snapshot.versions["videos"])
        videos = list(released_videos(snapshot, sorted(clusters)))
        products = read_products(snapshot.store, snapshot.versions)
        truth = dict(read_labels(args.bench / "labels.jsonl"))
        figures: dict[str, float] = {}
        plain = linker_for(snapshot, products)
        grouped = linker_for(snapshot, varied(products, grouped=True))
        inferred = linker_for(snapshot, varied(products, grouped=False))
        for name, by, size in (
            ("unvaried", plain, None),
            ("grouped", grouped, "M"),
            ("inferred", inferred, "M"),
        ):
            write_lines(out / f"{name}.jsonl", link_all(videos, by, size))
            given = ask(scorer, args.bench, "--links", out / f"{name}.jsonl")["links"]["given"]
            figures |= {f"f1_{name}": given["f1"], f"tnr_{name}": given["tnr"]}
        for kind, (right, of) in told(videos, grouped, truth).items():
            figures |= {f"right_by_{kind}": right / max(of, 1), f"links_with_{kind}": float(of)}
    for name in ("grouped", "inferred"):
        figures[f"f1_kept_{name}"] = figures[f"f1_{name}"] / figures["f1_unvaried"]
    asked = [
        Bar("group F1 kept, with group_id", figures["f1_kept_grouped"], 0.95, at_least=True),
        Bar("group F1 kept, inferred", figures["f1_kept_inferred"], 0.95, at_least=True),
        *(
            Bar(f"right variant by {kind}", figures[f"right_by_{kind}"], 0.9, at_least=True)
            for kind in ("caption", "subtitle", "price")
        ),
    ]
    return conclude("variants", figures, asked, args.out)


if __name__ == "__main__":
    sys.exit(main())
