"""Names that products have, looked up both ways: the names of a product, the products of a name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text import Rows, Strings, Texts, numbered

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

    @classmethod
    def read(cls, rows: Iterable[Sequence[str]]) -> "Labels":
        """The names of one product after the other."""
        first: dict[str, str] = {}

        def keyed(row: Sequence[str]) -> Iterable[str]:
            own = {key_of(name): name for name in reversed(row)}
            for key, name in own.items():
                first.setdefault(key, name)
            return own

        keys, of = numbered(keyed(row) for row in rows)
        return cls(keys, Texts.of(first[key] for key in keys), of, of.inverted(len(keys)))

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


def key_of(name: str) -> str:
    """A name in the form in which names are compared."""
    return " ".join(filter(None, name.casefold().split(" ")))
