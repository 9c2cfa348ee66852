"""Make the eight shops.

    python -m benchmarks.made --packages DIR --out DIR [--shop NAME] [--seed N]

PACKAGES is a folder of the archives that benchmarks/made/packages.py names and how to fetch them.
Needs the extra `made`, espeak-ng and flite. OUT receives a folder for each shop, as
`python -m benchmarks.shop` reads it.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import write_lines
from benchmarks.made.art import Art
from benchmarks.made.clips import plan
from benchmarks.made.film import Studio
from benchmarks.made.goods import Item, items_of, shops
from benchmarks.made.packages import font_file, unpack
from benchmarks.made.styles import STYLES

_IMAGE_QUERIES = 8


def make(shop: str, unpacked: Path, out: Path, seed: int) -> None:
    """Write catalog, videos, queries and labels of one shop."""
    rng = random.Random(f"{shop} {seed}")  # noqa: S311 - no secret hangs on it
    style = STYLES[shop]
    art = Art(unpacked, unpacked / "sprites")
    studio = Studio(shop, art, style, font_file(unpacked, style.font))
    items = items_of(shop, rng)
    for name in ("catalog/images", "videos", "query_images"):
        (out / name).mkdir(parents=True, exist_ok=True)
    _write_catalog(studio, items, out, rng)
    labels: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for clip in plan(shop, items, style, art.sides(shop), rng):
        made = studio.clip(clip, out / "videos", rng)
        labels += made
        declared = [item.sku for item in clip.declared]
        rows += [
            {"video_id": row["video_id"], "file": f"videos/{row['video_id']}.mp4",
             "merchant_skus": declared if row["duplicate_of"] is None else []}
            for row in made
        ]  # fmt: skip
    write_lines(out / "videos.jsonl", rows)
    write_lines(out / "labels.jsonl", labels)
    _write_queries(studio, items, labels, out, rng)


def _write_catalog(studio: Studio, items: list[Item], out: Path, rng: random.Random) -> None:
    rows: list[dict[str, object]] = []
    for item in items:
        images = []
        for number in range(item.pictures):
            name = f"images/{item.sku}_{number}.webp"
            studio.picture(item, number, rng).save(out / "catalog" / name, quality=85)
            images.append(name)
        rows.append(
            {"sku": item.sku, "title": item.title, "brand": item.brand,
             "category": list(item.category), "price": item.price, "currency": "EUR",
             "description": item.description, "images": images}
        )  # fmt: skip
    write_lines(out / "catalog" / "products.jsonl", rows)


def _write_queries(
    studio: Studio,
    items: list[Item],
    labels: Sequence[dict[str, object]],
    out: Path,
    rng: random.Random,
) -> None:
    """Queries by title, with a typo, by paraphrase and by picture, of what the videos sell."""
    found: dict[str, set[str]] = {}
    for row in labels:
        for link in row["links"]:  # type: ignore[attr-defined]
            found.setdefault(link["sku"], set()).add(str(row["video_id"]))
    shown = [item for item in items if item.sku in found]
    rows: list[dict[str, object]] = []
    for item in shown:
        rows.append({"kind": "title", "text": item.title, "skus": [item.sku]})
        rows.append({"kind": "paraphrase", "text": item.spoken, "skus": [item.sku]})
    for item in rng.sample(shown, 6):
        place = rng.randrange(1, len(item.title) - 1)
        typed = item.title[:place] + item.title[place + 1 :]
        rows.append({"kind": "typo", "text": typed.lower(), "skus": [item.sku]})
    for item in rng.sample([item for item in shown if item.pictures], _IMAGE_QUERIES):
        name = f"query_images/{item.sku}.webp"
        studio.picture(item, 2, rng).save(out / name, quality=80)
        rows.append({"kind": "image", "text": None, "image": name, "skus": [item.sku]})
    for number, row in enumerate(rows):
        skus = row.pop("skus")
        row["query_id"] = f"q{number:03d}"
        row["relevant_skus"] = skus
        row["relevant_video_ids"] = sorted({v for sku in skus for v in found[sku]})  # type: ignore[attr-defined]
    write_lines(out / "queries.jsonl", rows)


def main() -> int:
    """Parse the command line and make what is not there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--packages", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--shop", choices=shops(), action="append", help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    unpacked = args.out / "unpacked"
    unpack(args.packages, unpacked)
    for shop in args.shop or shops():
        if not (args.out / shop / "queries.jsonl").exists():
            make(shop, unpacked, args.out / shop, args.seed)
            print(f"{shop}: made", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
