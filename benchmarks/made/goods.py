"""What made shops sell: thirty things each (goods.tsv), and siblings of ten of them."""

import csv
import random
from dataclasses import dataclass, replace
from pathlib import Path

COLORS = {"Teal": 75, "Violet": 125, "Lime": 45, "Rose": 155}


@dataclass(frozen=True)
class Item:
    """A product, and how its pictures are made: of which art, in which hue, with which print."""

    sku: str
    art: str
    title: str
    brand: str | None
    category: tuple[str, ...]
    description: str
    spoken: str
    price: float
    hue: int = 0
    label: str | None = None
    pictures: int = 2


def shops() -> list[str]:
    """Names of all shops, in order."""
    return list(dict.fromkeys(row["shop"] for row in _rows()))


def items_of(shop: str, rng: random.Random) -> list[Item]:
    """The forty products of a shop. SKUs look like those of a shop: each has its own form."""
    rows = [row for row in _rows() if row["shop"] == shop]
    form = shops().index(shop)
    items = []
    for place, row in enumerate(rows):
        number = rng.randrange(10_000, 99_999)
        head = row["category"][:2].upper()
        sku = (
            f"{head}-{number}", f"{number}", f"{shop[0]}{number}{head}".upper(),
            f"{head}{place:03d}",
            f"{number}.{place:02d}", f"{head}_{number}", f"art{number}", f"{number}-{head}",
        )[form]  # fmt: skip
        items.append(
            Item(
                sku,
                row["art"],
                row["title"],
                None if row["brand"] == "-" else row["brand"],
                tuple(row["category"].split("/")),
                row["description"],
                row["spoken"],
                round(rng.uniform(1.5, 9.9) * rng.choice((1, 1, 10, 40)), 2),
                pictures=rng.choice((1, 2, 2, 3)),
            )
        )
    # Some stand without a picture, as in any catalog.
    items[7] = replace(items[7], pictures=0)
    return items + [_sibling(item, rng) for item in rng.sample(items[:7] + items[8:], 10)]


def _sibling(item: Item, rng: random.Random) -> Item:
    """The same thing in another color, or with its edition printed on it."""
    if rng.random() < 0.6:
        color, hue = rng.choice(list(COLORS.items()))
        return replace(
            item,
            sku=f"{item.sku}-{color[0]}",
            title=f"{item.title} {color}",
            description=f"{item.description} In {color.lower()}.",
            spoken=f"the {color.lower()} one, {item.spoken}",
            price=round(item.price * rng.uniform(0.9, 1.2), 2),
            hue=hue,
        )
    edition = rng.choice(("Pro", "Lite", "Max", "Basic"))
    return replace(
        item,
        sku=f"{item.sku}-{edition[:2]}",
        title=f"{item.title} {edition}",
        description=f"{item.description} The {edition.lower()} edition.",
        spoken=f"the {edition.lower()} edition, {item.spoken}",
        price=round(item.price * rng.uniform(0.7, 1.8), 2),
        label=edition,
    )


def _rows() -> list[dict[str, str]]:
    with (Path(__file__).parent / "goods.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))
