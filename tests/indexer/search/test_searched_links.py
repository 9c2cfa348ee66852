"""Links as columns say what they say as records."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.links import LINK_COLUMNS, SearchedLinks
from reelshelf.indexer.search.retrievers import by_links
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.catalog import EncodedProduct, Product
from reelshelf.schemas.links import Evidence, Modality, ProductLink, Span
from reelshelf.schemas.tables import links_schema

VECTOR = np.ones(4, np.float32)
CATALOG = CatalogIndex.of(
    [EncodedProduct(Product(sku, sku), VECTOR, VECTOR, ()) for sku in ("a", "b", "c")]
)
SPANS = st.none() | st.builds(Span, st.integers(0, 50), st.integers(51, 99))
EVIDENCE = st.builds(
    Evidence,
    modality=st.sampled_from(Modality),
    span=SPANS,
    at_ms=st.none() | st.integers(0, 99),
    score=st.floats(0, 1, width=32),
    text=st.none() | st.text(max_size=5),
)
LINKS = st.builds(
    ProductLink,
    video_key=st.sampled_from(["v1", "v2"]),
    product_key=st.just("p"),
    sku=st.sampled_from(["a", "b", "c", "gone"]),
    score=st.floats(0, 1, width=32),
    scores=st.just(tuple((modality, 0.5) for modality in Modality)),
    spans=st.just(()),
    evidence=st.lists(EVIDENCE, max_size=3).map(tuple),
)


def table_of(links: list[ProductLink]) -> pa.Table:
    def cells(link: ProductLink) -> dict[str, object]:
        pieces = [
            {
                "modality": piece.modality.value,
                "span": piece.span
                and {"start_ms": piece.span.start_ms, "end_ms": piece.span.end_ms},
                "at_ms": piece.at_ms,
                "score": piece.score,
                "text": piece.text,
            }
            for piece in link.evidence
        ]
        own = {name: getattr(link, name) for name in ("video_key", "product_key", "sku", "score")}
        return {**own, "scores": dict(link.scores), "spans": [], "evidence": pieces}

    schema = pa.schema([links_schema().field(name) for name in LINK_COLUMNS])
    return pa.Table.from_pylist([cells(link) for link in links], schema=schema)


@given(st.lists(LINKS, max_size=8), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_table_of_links_is_searched_as_its_records_are(
    links: list[ProductLink], relevance: list[float]
) -> None:
    stored = SearchedLinks.of_table(table_of(links), CATALOG)
    stored = SearchedLinks.of_records(links, CATALOG)
    asked = np.array(relevance, np.float32)
    assert by_links(asked, stored) == by_links(asked, stored)
    assert [stored.record(place) for place in range(len(links))] == links
    for found in by_links(asked, stored):
        assert found.link is not None
        link = links[found.link]
        assert link.sku != "gone"
        expected = asked[CATALOG.index_of[link.sku]] * link.score**0.5
        assert abs(found.score - expected) < 1e-6
        span = next((piece.span for piece in link.evidence if piece.span), Span(0, 0))
        assert (found.start_ms, found.end_ms) == (span.start_ms, span.end_ms)


def test_a_shop_without_products_is_asked_for_nothing() -> None:
    empty = SearchedLinks.of_records([], CatalogIndex.of([]))
    assert by_links(np.zeros(0, np.float32), empty) == []
