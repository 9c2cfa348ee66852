"""Names that products have, looked up both ways: the names of a product, the products of a name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text import Numbering, Rows, Strings, Texts

Products = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The names of one field, in n products. Two that differ in case alone are one.

    `keys` are the names in the form in which they are compared, `written` as the catalog writes
    them. `of` has the names of each product by number, `having` the products of each name.
    """

    keys: Strings
    written: Texts
    of: Rows
    having: Rows

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, name: str) -> int | None:
        """The number of a name, whatever its case."""
        return self.keys.get(key_of(name))

    def having_prefix(self, prefix: str) -> range:
        """The numbers of the keys that begin so."""
        return range(self.keys.place(prefix), self.keys.place(prefix + "\U0010ffff"))

    def products(self, numbers: Sequence[int]) -> Products:
        """`(products,)` which have any of some names."""
        inside = np.zeros(len(self.of), bool)
        inside[self.having.together(np.array(numbers, np.intp))] = True
        return inside

    def any_of(self, numbers: Sequence[int], products: npt.NDArray[np.integer]) -> Products:
        """`(products,)` which of some products have any of some names."""
        places, sizes = self.of.places(products)
        found = np.zeros(len(products), bool)
        has = np.isin(self.of.values[places], numbers)
        found[np.repeat(np.arange(len(products)), sizes)[has]] = True
        return found


class LabelsReader:
    """Reads the names of products that come one after the other."""

    def __init__(self) -> None:
        self._written: dict[str, str] = {}
        self._rows = Numbering()

    def add(self, names: Sequence[str]) -> None:
        """Those of the next product."""
        own = {key_of(name): name for name in reversed(names)}
        for key, name in own.items():
            self._written.setdefault(key, name)
        self._rows.add(own)

    def made(self) -> Labels:
        """The names of all of them."""
        keys, of = self._rows.made()
        return Labels(
            keys, Texts.of(self._written[key] for key in keys), of, of.inverted(len(keys))
        )


def key_of(name: str) -> str:
    """A name in the form in which names are compared."""
    return " ".join(filter(None, name.casefold().split(" ")))
