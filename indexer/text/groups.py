"""Variants of one thing: which products of a catalog are a group, and what tells them apart.

A catalog says so by `group_id` ("item_group_id" in merchant feeds). Where it does not, products
that have the same pictures and the same title, but for what variants differ in (sizes, colors,
what stands behind a dash or in brackets), are one group.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.schemas.catalog import EncodedProduct, Product

# A picture that so many products have is a placeholder, and says nothing of any.
_MOST_VARIANTS = 200
# "T-Shirt - Red / M", "Lamp (large)", "Soap, 100 g": what follows is of the variant.
_TAIL = re.compile(r"\s+[-–—|/]\s+.*$|\s*[(\[].*$|,\s.*$", re.DOTALL)
_SIZES = frozenset(
    [
        "xxs",
        "xs",
        "s",
        "m",
        "l",
        "xl",
        "xxl",
        "xxxl",
        "2xl",
        "3xl",
        "4xl",
        "small",
        "medium",
        "large",
        "mini",
        "midi",
        "maxi",
        "big",
        "tiny",
        "regular",
        "jumbo",
        "klein",
        "mittel",
        "gross",
        "petit",
        "moyen",
        "grand",
        "pequeno",
        "mediano",
        "grande",
        "piccolo",
        "medio",
        "size",
        "grosse",
        "taille",
        "talla",
        "taglia",
        "set",
        "pack",
        "pcs",
        "stuck",
        "stk",
        "pieces",
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The groups of n products. Every product is in one, most alone.

    `of`, `(n,)`, numbers each product's group; `members` are the places of each group's products;
    `ids` name the groups of several, None for a product alone. `given` are the places of the
    products that the catalog gives each id, of however many merchants.
    """

    of: npt.NDArray[np.intp]
    members: tuple[npt.NDArray[np.intp], ...]
    ids: tuple[str | None, ...]
    given: Mapping[str, tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.members)

    def products_of(
        self, numbers: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The products of some groups, one group after the other, and where each group begins."""
        if len(numbers) == len(self) == len(self.of):
            return numbers, np.arange(len(numbers))
        own = [self.members[number] for number in numbers.tolist()]
        sizes = np.array([len(places) for places in own], np.intp)
        return np.concatenate(own), np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)


def groups_of(products: Sequence[EncodedProduct], analyzer: Analyzer) -> Groups:
    """Group a catalog; groups are numbered by their first product."""
    names: list[tuple[str, ...]] = [_given(item.product) or () for item in products]
    inferred = _alike(products, analyzer)
    for place, stem in inferred.items():
        names[place] = names[place] or stem
    numbers: dict[tuple[str, ...], int] = {}
    of = np.empty(len(products), np.intp)
    members: list[list[int]] = []
    for place, item in enumerate(products):
        name = names[place] or ("sku", item.product.sku)
        number = numbers.setdefault(name, len(members))
        if number == len(members):
            members.append([])
        members[number].append(place)
        of[place] = number
    ids = tuple(
        (products[own[0]].product.group_id or products[own[0]].product.sku)
        if len(own) > 1
        else None
        for own in members
    )
    given: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(products):
        if item.product.group_id is not None:
            given[item.product.group_id].append(place)
    return Groups(
        of,
        tuple(np.array(own, np.intp) for own in members),
        ids,
        {name: tuple(places) for name, places in given.items()},
    )


def _given(product: Product) -> tuple[str, ...] | None:
    """The group that the catalog names: an id is of one merchant."""
    if product.group_id is None:
        return None
    return ("group", product.merchant_id or "", product.group_id)


def _alike(products: Sequence[EncodedProduct], analyzer: Analyzer) -> dict[int, tuple[str, ...]]:
    """Products without a group that have the same pictures and title stem as another."""
    by_pictures: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, item in enumerate(products):
        if item.product.group_id is None and item.images:
            pictures = tuple(sorted({image.content_sha256 for image in item.images}))
            by_pictures[item.product.merchant_id or "", *pictures].append(place)
    found: dict[int, tuple[str, ...]] = {}
    for pictures, places in by_pictures.items():
        if 1 < len(places) <= _MOST_VARIANTS:
            found |= {
                place: ("stem", *pictures, *stem)
                for place in places
                if (stem := title_stem(products[place].product, analyzer))
            }
    return found


def title_stem(product: Product, analyzer: Analyzer) -> tuple[str, ...]:
    """The words of a title that all its variants have, as far as one title alone tells."""
    values = {word for _, value in product.attributes for word in analyzer.words(value)}
    head = _TAIL.sub("", product.title)
    words = analyzer.words(head) or analyzer.words(product.title)
    kept = [
        word
        for word in words
        if word not in _SIZES and word not in values and not any(c.isdigit() for c in word)
    ]
    return tuple(kept)


def common_words(titles: Iterable[Sequence[str]]) -> list[str]:
    """The words that all titles of a group have, in the order of the first one.

    All words of the first title where they have none in common.
    """
    own = [list(dict.fromkeys(title)) for title in titles]
    shared = set(own[0]).intersection(*own[1:])
    return [word for word in own[0] if word in shared] or own[0]
