"""How many results have each name of a field, for narrowing down a list."""

from collections.abc import Sequence

import numpy as np

from reelshelf.indexer.search.columns import PART, ProductColumns
from reelshelf.indexer.search.filters import NAMES, labels_of
from reelshelf.indexer.search.labels import Labels, key_of
from reelshelf.indexer.search.results import Facet, FacetValue
from reelshelf.indexer.text import Numbers
from reelshelf.schemas.errors import InputError

# So many values of a field are named.
_MOST = 50


def count_facets(
    fields: Sequence[str], products: Numbers, results: Numbers, columns: ProductColumns
) -> tuple[Facet, ...]:
    """The facets of some fields.

    Result `results[i]` has product `products[i]`; a result may have several, and counts once for
    each name that any of them has. Narrowed down to a value, a list of products has as many results
    as its count says. Raises InputError for a field that the catalog does not have.
    """
    return tuple(_facet(name, products, results, columns) for name in dict.fromkeys(fields))


def _facet(name: str, products: Numbers, results: Numbers, columns: ProductColumns) -> Facet:
    labels, own = _labels(name, columns)
    places, sizes = labels.of.places(products)
    numbers = labels.of.values[places].astype(np.intp)
    whose = np.repeat(results, sizes)
    inside = (numbers >= own.start) & (numbers < own.stop)
    pairs = np.unique(np.stack([whose[inside], numbers[inside]]), axis=1)
    counts = np.bincount(pairs[1] - own.start, minlength=len(own))
    there = np.flatnonzero(counts)
    best = there[np.argsort(-counts[there], kind="stable")][:_MOST]
    values = tuple(
        FacetValue(_shown(name, labels.written[own.start + place]), int(counts[place]))
        for place in best.tolist()
    )
    without = len(np.unique(results)) - len(np.unique(pairs[0]))
    return Facet(name, values, without)


def _labels(name: str, columns: ProductColumns) -> tuple[Labels, range]:
    """The names of a field, and which of the labels they are."""
    lower = name.casefold()
    if lower == "category":
        return columns.paths, range(len(columns.paths))
    if lower in NAMES:
        labels = labels_of(lower, columns)
        return labels, range(len(labels))
    own = columns.attributes.having_prefix(key_of(name) + PART)
    if not own:
        raise InputError(
            f"facet {name!r}: fields are {', '.join(NAMES)}, and attributes that the catalog has"
        )
    return columns.attributes, own


def _shown(name: str, written: str) -> str:
    if name.casefold() == "category":
        return " > ".join(written.split(PART))
    return written.rpartition(PART)[2]
