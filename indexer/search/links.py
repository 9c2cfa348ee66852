"""The links of a release as a search reads them: columns to look through, records to show.

A query looks at every link and shows a few. Scores, products and moments are arrays; evidence stays
in rows of a file until somebody asks for a link by its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.videos import Places, SearchedVideos, places_in
from reelshelf.indexer.store.link_file import LinkRows
from reelshelf.indexer.text import Rows, Texts
from reelshelf.schemas.links import Evidence, ProductLink, VariantState
from reelshelf.schemas.media import Vectors

# What a record is made of; the other columns need not be held in memory.
LINK_COLUMNS = [
    *("video_key", "product_key", "sku", "score", "scores", "spans", "evidence"),
    *("group_id", "variant", "override", "timeline", "post_text_score"),
]
# What a link has a probability by, each alone.
MODALITIES = ("visual", "ocr", "asr", "merchant", "post_text")


@dataclass(frozen=True, slots=True, eq=False)
class SearchedLinks:
    """n links. `videos` and `products` are places, -1 for those that the release does not hold.

    `starts` and `ends`, in milliseconds, are of the first evidence that has a span; 0 where there
    is none. `modal`, `(n, 5)`, are the probabilities by each of `MODALITIES`. `groups` are ids of
    groups of variants, "" for a product alone; `unknown` says where it is not known which of them
    is shown, `corrected` where an override stands behind the link. `of_product` has for each
    product its links to videos that are there, `sold` for each video its sure links to products
    that are there, surest first; `sold_products` are the places of what each of these is of.
    `roots` are the square roots of scores, `records` are all links with their evidence, of which
    one at a time is looked at.
    """

    videos: Places
    products: Places
    scores: npt.NDArray[np.float64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    modal: Vectors
    groups: Texts
    unknown: npt.NDArray[np.bool_]
    corrected: npt.NDArray[np.bool_]
    of_product: Rows
    roots: Vectors
    sold: Rows
    sold_products: Places
    records: Sequence[ProductLink]

    def evidence(self, link: int) -> tuple[Evidence, ...]:
        """The evidence of one link."""
        if isinstance(self.records, LinkRows):
            return self.records.evidence(link)
        return self.records[link].evidence

    @classmethod
    def of_rows(
        cls,
        rows: LinkRows,
        videos: SearchedVideos,
        products: ProductColumns,
        above: float,
    ) -> "SearchedLinks":
        """Links as a release stores them, by their `LINK_COLUMNS`; those from `above` on count."""
        links = rows.table
        starts, ends = _moments(links["evidence"])
        *of_struct, apart = MODALITIES
        given = [pc.struct_field(links["scores"], name) for name in of_struct]
        given.append(links[f"{apart}_score"])
        modal = [column.fill_null(0.0).to_numpy() for column in given]
        return _made(
            videos.places(links["video_key"]),
            places_in(products.skus, links["sku"]),
            links["score"].to_numpy().astype(np.float64),
            starts,
            ends,
            np.stack(modal, axis=1).astype(np.float32),
            Texts(links["group_id"].fill_null("").combine_chunks().cast(pa.large_string())),
            _flags(pc.equal(links["variant"], VariantState.UNKNOWN.value)),
            _flags(pc.is_valid(pc.struct_field(links["override"], "verdict"))),
            (above, len(videos), len(products)),
            rows,
        )

    @classmethod
    def of_records(
        cls,
        links: Sequence[ProductLink],
        videos: SearchedVideos,
        products: ProductColumns,
        above: float,
    ) -> "SearchedLinks":
        """Links that are in memory already."""
        spans = [
            next((e.span for e in link.evidence if e.span is not None), None) for link in links
        ]
        by_modality = [{modality.value: score for modality, score in link.scores} for link in links]
        modal = [[own.get(name, 0.0) for name in MODALITIES] for own in by_modality]
        return _made(
            np.array([videos.keys.get(link.video_key, -1) for link in links], np.intp),
            np.array([products.skus.get(link.sku, -1) for link in links], np.intp),
            np.array([link.score for link in links], np.float64),
            np.array([span.start_ms if span else 0 for span in spans], np.int64),
            np.array([span.end_ms if span else 0 for span in spans], np.int64),
            np.array(modal, np.float32).reshape(-1, len(MODALITIES)),
            Texts.of(link.group_id or "" for link in links),
            np.array([link.variant is VariantState.UNKNOWN for link in links], np.bool_),
            np.array([link.override is not None for link in links], np.bool_),
            (above, len(videos), len(products)),
            links,
        )

    def __len__(self) -> int:
        return len(self.videos)


def _made(
    videos: Places,
    products: Places,
    scores: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    modal: Vectors,
    groups: Texts,
    unknown: npt.NDArray[np.bool_],
    corrected: npt.NDArray[np.bool_],
    counted: tuple[float, int, int],
    records: Sequence[ProductLink],
) -> SearchedLinks:
    above, count, count_products = counted
    usable = np.flatnonzero((products >= 0) & (videos >= 0))
    there = usable[scores[usable] >= above]
    # Surest first, and of equals by SKU.
    there = there[np.lexsort((products[there], -scores[there]))]
    sold = Rows.of_pairs(videos[there], there, count)
    return SearchedLinks(
        videos,
        products,
        scores,
        starts,
        ends,
        modal,
        groups,
        unknown,
        corrected,
        Rows.of_pairs(products[usable], usable, count_products),
        np.sqrt(scores).astype(np.float32),
        sold,
        products[sold.values],
        records,
    )


def _flags(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)


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
