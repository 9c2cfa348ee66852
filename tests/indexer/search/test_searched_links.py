"""Links as columns say what they say as records."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.links import LINK_COLUMNS, SearchedLinks
from reelshelf.indexer.search.relevance import Relevance
from reelshelf.indexer.search.retrievers import ByProducts, Question
from reelshelf.indexer.store.link_file import LinkRows
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.links import Evidence, Modality, ProductLink, Span
from reelshelf.schemas.tables import links_schema
from tests.support.catalogs import columns_of, videos_of

COLUMNS = columns_of([Product(sku, sku) for sku in ("a", "b", "c")])
VIDEOS = videos_of(["v1", "v2"])
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
                "sense": piece.modality.value,
                "span": piece.span
                and {"start_ms": piece.span.start_ms, "end_ms": piece.span.end_ms},
                "at_ms": piece.at_ms,
                "score": piece.score,
                "text": piece.text,
            }
            for piece in link.evidence
        ]
        own = {name: getattr(link, name) for name in ("video_key", "product_key", "sku", "score")}
        scores = {modality.value: score for modality, score in link.scores}
        posted = scores.pop("post_text", None)
        own |= {"scores": scores, "post_text_score": posted}
        return {**own, "spans": [], "evidence": pieces}

    schema = pa.schema([links_schema().field(name) for name in LINK_COLUMNS])
    return pa.Table.from_pylist([cells(link) for link in links], schema=schema)


def asked_for(relevance: list[float]) -> Question:
    values = np.array(relevance, np.float32)
    return Question(None, None, None, Relevance(np.arange(len(values)), values))


@given(st.lists(LINKS, max_size=8), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_table_of_links_is_searched_as_its_records_are(
    links: list[ProductLink], relevance: list[float]
) -> None:
    table = SearchedLinks.of_rows(LinkRows(table_of(links)), VIDEOS, COLUMNS, 0.5)
    records = SearchedLinks.of_records(links, VIDEOS, COLUMNS, 0.5)
    question = asked_for(relevance)
    found, other = (ByProducts(own).find(question, None, 9) for own in (table, records))
    for name in ("videos", "scores", "starts", "ends", "links"):
        assert getattr(found, name).tolist() == getattr(other, name).tolist()
    assert list(table.records) == links
    for place, score, start, end in zip(
        found.links.tolist(), found.scores, found.starts, found.ends, strict=True
    ):
        link = links[place]
        assert link.sku != "gone"
        expected = relevance[COLUMNS.skus[link.sku]] * link.score**0.5
        assert abs(score - expected) < 1e-6
        span = next((piece.span for piece in link.evidence if piece.span), Span(0, 0))
        assert (start, end) == (span.start_ms, span.end_ms)


@given(st.lists(LINKS, max_size=8))
def test_what_a_video_sells_are_its_sure_links_surest_first(links: list[ProductLink]) -> None:
    found = SearchedLinks.of_rows(LinkRows(table_of(links)), VIDEOS, COLUMNS, 0.5)
    for video, key in enumerate(VIDEOS.keys):
        own = [
            (-link.score, link.sku)
            for link in links
            if link.video_key == key and link.sku != "gone" and link.score >= 0.5
        ]
        sold = [links[place] for place in found.sold[video].tolist()]
        assert [(-link.score, link.sku) for link in sold] == sorted(own)


def test_a_filter_comes_before_depth() -> None:
    links = [
        ProductLink(key, "p", "a", score, (), (), ()) for key, score in (("v1", 0.9), ("v2", 0.8))
    ]
    own = ByProducts(SearchedLinks.of_records(links, VIDEOS, COLUMNS, 0.5))
    question = asked_for([1.0, 0.0, 0.0])
    assert own.find(question, None, 1).videos.tolist() == [0]
    assert own.find(question, np.array([False, True]), 1).videos.tolist() == [1]


def test_a_shop_without_products_is_asked_for_nothing() -> None:
    nothing = columns_of([])
    empty = SearchedLinks.of_records([], VIDEOS, nothing, 0.5)
    assert len(ByProducts(empty).find(asked_for([]), None, 9)) == 0
