"""Variants of one thing: which products of a catalog are a group, and what tells them apart.

A catalog says so by `group_id` ("item_group_id" in merchant feeds). Where it does not, products
that have the same pictures and the same title, but for what variants differ in (sizes, colors,
what stands behind a dash or in brackets), are one group.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.indexer.text.lookup import Numbers, Rows, Strings
from reelshelf.schemas.catalog import EncodedProduct, Product

# A picture that so many products have is a placeholder, and says nothing of any.
MOST_VARIANTS = 200
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

    `of`, `(n,)`, numbers each product's group; `members` are the places of each group's products.
    `given_ids` are the ids that the catalog gives to groups, of however many merchants, and `given`
    the places of the products of each.
    """

    of: npt.NDArray[np.int32]
    members: Rows
    given_ids: Strings
    given: Rows

    def __len__(self) -> int:
        return len(self.members)

    @property
    def firsts(self) -> Numbers:
        """`(groups,)` the first product of each."""
        return self.members.values[self.members.starts[:-1]].astype(np.intp)

    def products_of(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """The products of some groups, one group after the other, and where each group begins."""
        if len(numbers) == len(self) == len(self.of):
            return numbers, np.arange(len(numbers))
        places, sizes = self.members.places(numbers)
        return self.members.values[places].astype(np.intp), np.cumsum(sizes) - sizes

    def places_given(self, group_id: str) -> list[int]:
        """The products that the catalog gives an id of a group, in order."""
        row = self.given_ids.get(group_id)
        return self.given[row].tolist() if row is not None else []


def groups_of(products: Sequence[EncodedProduct], analyzer: Analyzer) -> Groups:
    """Group a catalog; groups are numbered by their first product."""
    names: dict[int, tuple[str, ...]] = {}
    given: list[tuple[str, int]] = []
    by_pictures: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, item in enumerate(products):
        product = item.product
        if product.group_id is not None:
            names[place] = ("group", product.merchant_id or "", product.group_id)
            given.append((product.group_id, place))
        elif item.images:
            pictures = tuple(sorted({image.content_sha256 for image in item.images}))
            by_pictures[product.merchant_id or "", *pictures].append(place)
    # Products without a group that have the same pictures and title stem as another.
    for pictures, places in by_pictures.items():
        if 1 < len(places) <= MOST_VARIANTS:
            for place in places:
                if stem := title_stem(products[place].product, analyzer):
                    names[place] = ("stem", *pictures, *stem)
    numbers: dict[tuple[str, ...], int] = {}
    of = np.empty(len(products), np.int32)
    count = 0
    for place in range(len(products)):
        name = names.get(place)
        of[place] = count if name is None else numbers.setdefault(name, count)
        count += of[place] == count
    ids = Strings.of(group_id for group_id, _ in given)
    id_of = ids.numbers
    return Groups(
        of,
        Rows.of_pairs(of, np.arange(len(of)), count),
        ids,
        Rows.of_pairs(
            np.array([id_of[group_id] for group_id, _ in given], np.intp),
            np.array([place for _, place in given], np.intp),
            len(ids),
        ),
    )


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
