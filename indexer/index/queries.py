"""The queries that an index is tuned to and judged by: of kinds that are found ever less easily.

Rows that were held out lie where the rows lie, and flatter. What shoppers ask for lies further off:
the text of a product beside what is said of it in a video, a studio picture beside a frame, typed
words beside both. So queries of each kind are asked, and the kind that is found worst counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lance
import numpy as np
import numpy.typing as npt

from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import among, parts
from reelshelf.schemas.media import Vectors

# What each column is searched with beside its own rows: a column of the same vector space.
_ASKED_WITH = {
    ("segments", "frame_vector"): ("product_images", "image_vector"),
    ("segments", "text_vector"): ("products", "text_vector"),
    ("products", "facts_vector"): ("products", "text_vector"),
    ("product_images", "image_vector"): ("segments", "frame_vector"),
}
_NAMES = {
    "products": "catalog texts",
    "product_images": "catalog pictures",
    "segments": "moments of videos",
}
# Columns that what a shopper types is compared with.
TYPED_COLUMNS = ("text_vector", "facts_vector")
ROWS, BETWEEN, TYPED = "held-out rows", "between rows", "typed queries"


@dataclass(frozen=True, slots=True, eq=False)
class QuerySet:
    """Queries of one kind, `(q, dim)`; `groups`, `(q,)`, says which are alike, -1 is none."""

    kind: str
    vectors: Vectors
    groups: npt.NDArray[np.int64] | None = None


def query_sets(
    pinned: PinnedTables,
    table: str,
    column: str,
    most: int,
    seed: int,
    *,
    typed: Vectors | None = None,
    centroids: Vectors | None = None,
) -> list[QuerySet]:
    """Queries that are no rows of the column: between its rows, of the catalog, and typed ones.

    At most so many of each kind. `centroids` are those of the column's index, if it has one.
    """
    dataset = pinned.dataset(table)
    between = interpolate(dataset, column, most, seed)
    sets = [QuerySet(BETWEEN, between, nearest_centroids(between, centroids))]
    other, other_column = _ASKED_WITH[table, column]
    if other in pinned.versions:
        sets.append(_of_another(pinned, other, other_column, most, seed))
    if typed is not None and column in TYPED_COLUMNS and len(typed):
        sets.append(QuerySet(TYPED, typed[:most]))
    dim = dataset.schema.field(column).type.list_size
    return [own for own in sets if len(own.vectors) and own.vectors.shape[1] == dim]


def nearest_centroids(vectors: Vectors, centroids: Vectors | None) -> npt.NDArray[np.int64] | None:
    """The partition that each vector would be in."""
    if centroids is None or not len(vectors):
        return None
    # Centroids of unit vectors are no unit vectors: the nearest is by distance.
    nearness = 2 * vectors @ centroids.T - (centroids**2).sum(axis=1)
    return np.asarray(nearness.argmax(axis=1), np.int64)


def interpolate(dataset: lance.LanceDataset, column: str, most: int, seed: int) -> Vectors:
    """Queries `(most, dim)` between pairs of random rows: near the data, and no rows themselves."""
    drawn = sample_vectors(dataset, column, 2 * most, seed)
    if not len(drawn):
        return drawn
    firsts = np.arange(most) % len(drawn)
    others = (firsts + len(drawn) // 2) % len(drawn)
    # Leaning to the first: half-way between two rows there may be nothing at all.
    queries = drawn[firsts] + 0.5 * drawn[others]
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    return queries


def _of_another(pinned: PinnedTables, table: str, column: str, most: int, seed: int) -> QuerySet:
    """Rows of another table as queries, grouped by what the catalog says that they are."""
    dataset = pinned.dataset(table)
    total = dataset.count_rows()
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(total, min(total, most), replace=False)).tolist()
    owners = [] if table == "segments" else ["product_key"]
    rows = dataset.take(places, columns=[column, *owners])
    rows = rows.filter(rows[column].is_valid())
    vectors = vector_matrix(rows[column])
    sound = np.isfinite(vectors).all(axis=1)
    groups = None
    if owners:
        groups = _categories(pinned, rows["product_key"].to_pylist())[sound]
    return QuerySet(_NAMES[table], vectors[sound], groups)


def _categories(pinned: PinnedTables, keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """A number for the category of each product; -1 where it has none."""
    known: dict[str, tuple[str, ...]] = {}
    for part in parts(sorted(set(keys))):
        rows = pinned.scan("products", ["product_key", "category"], among("product_key", part))
        cells = (rows[name].to_pylist() for name in ("product_key", "category"))
        known |= {key: tuple(category or ()) for key, category in zip(*cells, strict=True)}
    numbers: dict[tuple[str, ...], int] = {(): -1}
    return np.array(
        [numbers.setdefault(known.get(key, ()), len(numbers) - 1) for key in keys], np.int64
    )
