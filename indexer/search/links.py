"""The links of a release as a search reads them: columns to look through, records to show.

A query looks at every link and shows a few. Scores, products and moments are arrays; evidence stays
in the table it was read from until somebody asks for a link by its place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store.rows import links_from
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.links import ProductLink, VariantState

# What a record is made of; the other columns need not be held in memory.
LINK_COLUMNS = [
    *("video_key", "product_key", "sku", "score", "scores", "spans", "evidence"),
    *("group_id", "variant", "override", "timeline"),
]

Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class SearchedLinks:
    """n links. `products` are places in the catalog, -1 for those that it does not hold.

    `starts` and `ends`, in milliseconds, are of the first evidence that has a span; 0 where there
    is none. `groups` are ids of groups of variants, "" for a product alone; `unknown` says where it
    is not known which of them is shown, `corrected` where an override stands behind the link.
    `record` makes a link of a place.
    """

    video_keys: Sequence[str]
    products: Places
    scores: npt.NDArray[np.float64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    groups: Sequence[str]
    unknown: npt.NDArray[np.bool_]
    corrected: npt.NDArray[np.bool_]
    record: Callable[[int], ProductLink]

    @classmethod
    def of_table(cls, links: pa.Table, catalog: CatalogIndex) -> "SearchedLinks":
        """Links as a release stores them, by their `LINK_COLUMNS`."""
        starts, ends = _moments(links["evidence"])
        return cls(
            links["video_key"].to_pylist(),
            _places(links["sku"].to_pylist(), catalog),
            links["score"].to_numpy().astype(np.float64),
            starts,
            ends,
            links["group_id"].fill_null("").to_pylist(),
            _flags(pc.equal(links["variant"], VariantState.UNKNOWN.value)),
            _flags(pc.is_valid(pc.struct_field(links["override"], "verdict"))),
            lambda place: links_from(links.slice(place, 1))[0],
        )

    @classmethod
    def of_records(cls, links: Sequence[ProductLink], catalog: CatalogIndex) -> "SearchedLinks":
        """Links that are in memory already."""
        spans = [
            next((e.span for e in link.evidence if e.span is not None), None) for link in links
        ]
        return cls(
            [link.video_key for link in links],
            _places([link.sku for link in links], catalog),
            np.array([link.score for link in links], np.float64),
            np.array([span.start_ms if span else 0 for span in spans], np.int64),
            np.array([span.end_ms if span else 0 for span in spans], np.int64),
            [link.group_id or "" for link in links],
            np.array([link.variant is VariantState.UNKNOWN for link in links], np.bool_),
            np.array([link.override is not None for link in links], np.bool_),
            links.__getitem__,
        )


def _flags(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)


def _places(skus: Sequence[str], catalog: CatalogIndex) -> Places:
    return np.array([catalog.index_of.get(sku, -1) for sku in skus], np.intp)


def _moments(
    evidence: pa.ChunkedArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Start and end of the first piece of each link's evidence that has a span."""
    owners = pc.list_parent_indices(evidence).to_numpy()
    spans = pc.struct_field(pc.list_flatten(evidence), "span")
    starts, ends = (pc.struct_field(spans, name) for name in ("start_ms", "end_ms"))
    there = starts.is_valid().to_numpy()
    links, first = np.unique(owners[there], return_index=True)
    found = []
    for side in (starts, ends):
        column = np.zeros(len(evidence), np.int64)
        column[links] = side.drop_null().to_numpy()[first]
        found.append(column)
    return found[0], found[1]
