"""Queries as shoppers type them, asked of the example shop with the real sentence encoder."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from reelshelf.indexer.search import searcher as searchers
from reelshelf.indexer.search.arrays import derived
from reelshelf.indexer.search.features import FeatureMatrix, shipped_ranker
from reelshelf.indexer.search.filters import read_filter
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.requests import ROWS, Rows, SearchRequest, read_like
from reelshelf.indexer.search.results import Answer, ProductHit
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.products import read_products
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.jobs.cli import main
from reelshelf.models.registry import load_query_encoder
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.config import load_config
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.rules import Rules
from tests.support.commands import EXAMPLE_SHOP, reelshelf
from tests.support.shops import write_lines

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def snapshot(example_store: Path) -> ReleaseSnapshot:
    return ReleaseSnapshot.open(str(example_store))


@pytest.fixture(scope="module")
def products(snapshot: ReleaseSnapshot) -> list[Product]:
    return [item.product for item in read_products(snapshot.store, snapshot.versions)]


@pytest.fixture(scope="module")
def searcher(snapshot: ReleaseSnapshot) -> Searcher:
    return Searcher(snapshot, QueryEncoders(text=load_query_encoder(load_config())))


ODD = [
    *('"red apple"', '"unclosed', "-", "AND", "*", "text:apple^3 AND (", "()[]{}", "%"),
    *("a" * 10_000, "apple " * 2_000, "\udcff\udcfe apple", "\x00\x1b[31mapple", "\U0001f34e"),
]


@pytest.mark.parametrize("text", ODD)
def test_text_is_never_syntax(searcher: Searcher, text: str) -> None:
    answer = searcher.search_text(text)
    assert answer.answered == bool(answer.hits)
    searcher.wanted(text)


def test_a_quoted_query_finds_what_the_same_words_find(searcher: Searcher) -> None:
    words = "tart meadow apple"
    plain, quoted = searcher.search_text(words), searcher.search_text(f'"{words}"')
    assert quoted.answered
    # The sentence encoder sees the quotes, which change little.
    assert quoted.hits[0].video_id == plain.hits[0].video_id
    assert dict(quoted.hits[0].retrievers)["lexical"] == dict(plain.hits[0].retrievers)["lexical"]


@pytest.mark.parametrize("text", ["", "   ", "\x00\u202e"])
def test_an_empty_query_is_refused_in_words(searcher: Searcher, text: str) -> None:
    with pytest.raises(InputError, match="the query is empty"):
        searcher.search_text(text)


@pytest.mark.parametrize(
    "word", ["jacket", "blanket", "pillow", "pants", "shorts", "phones", "like", "school", "time"]
)
def test_a_word_with_a_meaning_of_its_own_is_not_corrected(searcher: Searcher, word: str) -> None:
    query = searcher.analyze(word)
    assert (query.corrected, query.corrections) == (word, ())


@pytest.mark.slow
def test_a_misspelled_word_is_corrected_and_shown(
    example_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(example_store)
    found = reelshelf("search", "--store", store, "televison", "-k", "1")
    assert found["answered"]
    assert found["query"]["corrections"] == [{"typed": "televison", "taken": "television"}]
    assert main(["search", "--store", store, "televison under 90 dollars", "-k", "1"]) == 0
    told = capsys.readouterr().out
    assert 'Corrected: "televison" to "television".' in told
    assert '"under 90 dollars" filters nothing: prices here are in EUR' in told


def test_the_command_analyze_tells_all_that_is_understood(
    example_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "televison under 12345678.50, not red"
    store = ("--store", str(example_store))
    found = reelshelf("analyze", *store, text)
    assert (found["corrected"], found["excluded"]) == ("television", ["red"])
    assert reelshelf("analyze", *store, text, "--as-typed")["corrected"] == "televison"
    assert main(["analyze", *store, text]) == 0
    told = capsys.readouterr().out
    assert "Price: at most 12345678.50." in told
    assert "Without: red." in told


@pytest.mark.parametrize(
    "text",
    ["iphone 15 pro max", "lawn mower", "winter tires for truck", "asdkjhasd qwe", "wedding ring"],
)
def test_what_the_shop_does_not_have_is_not_found(searcher: Searcher, text: str) -> None:
    answer = searcher.search_text(text, k=3)
    assert not answer.answered
    assert answer.closest


@pytest.mark.slow
def test_nothing_found_is_told_and_what_came_closest_stands_apart(
    example_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(example_store)
    found = reelshelf("search", "--store", store, "iphone 15 pro max")
    assert (found["answered"], found["hits"]) == (False, [])
    assert found["closest"]
    assert main(["search", "--store", store, "iphone 15 pro max", "-k", "2"]) == 0
    told = capsys.readouterr().out
    assert told.index("nothing in the shop comes near it") < told.index("What came closest")


def test_every_judged_text_is_answered(searcher: Searcher) -> None:
    path = EXAMPLE_SHOP / "queries.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    texts = [row["text"] for row in rows if row.get("text")]
    assert [text for text in texts if not searcher.search_text(text).answered] == []


def test_a_category_returns_its_breadth(
    searcher: Searcher, snapshot: ReleaseSnapshot, products: list[Product]
) -> None:
    """Each product of a category that a video surely sells is among the results."""
    sold = set(snapshot.strong_links(["sku"])["sku"].to_pylist())
    names = {part for p in products for part in p.category} | {p.brand for p in products if p.brand}
    asked = 0
    for name in sorted(names):
        wanted = {p.sku for p in products if name in (*p.category, p.brand)} & sold
        hits = searcher.search_text(name, k=20).hits
        shown = {product.sku for hit in hits for product in hit.products}
        assert wanted <= shown, name
        asked += len(wanted)
    assert asked > 20


def test_what_is_not_wanted_is_not_shown(searcher: Searcher, products: list[Product]) -> None:
    brands = {product.sku: product.brand for product in products}
    first = searcher.search_text("shoes", k=20).hits
    brand = brands[first[0].products[0].sku]
    assert any(brands[product.sku] != brand for hit in first for product in hit.products)
    answer = searcher.search_text(f"shoes not {brand}", k=20)
    assert answer.query is not None
    assert answer.query.excluded == (brand.lower(),)
    assert answer.hits
    for hit in answer.hits:
        assert any(brands[product.sku] != brand for product in hit.products)


def test_arrays_that_are_mapped_answer_as_those_that_were_made(
    searcher: Searcher,
    snapshot: ReleaseSnapshot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(searchers, "shared_arrays", lambda own: derived(own, tmp_path))
    made = Searcher(snapshot, QueryEncoders(text=load_query_encoder(load_config())))
    for text in (
        "red apple",
        "televison under 400 euro",
        "shoes",
        "a chair to sit on",
        "lawn mower",
    ):
        one, other = (own.search_text(text, k=20) for own in (searcher, made))
        assert [(hit.video_id, hit.moments, hit.products) for hit in one.ranked] == [
            (hit.video_id, hit.moments, hit.products) for hit in other.ranked
        ]
        assert one.query == other.query


def test_without_vectors_words_and_products_answer(searcher: Searcher) -> None:
    request = SearchRequest("red apple", page_size=50)
    words = searcher.search(replace(request, without=frozenset({"vectors"})))
    assert words.hits[0].video_id == searcher.search(request).hits[0].video_id
    used = {name for hit in words.hits for name, _ in hit.retrievers}
    assert "lexical" in used
    assert not used & {"semantic", "visual"}
    # By meaning alone.
    sneakers = replace(request, text="sneakers")
    assert searcher.search(sneakers).answered
    assert not searcher.search(replace(sneakers, without=frozenset({"vectors"}))).answered


def pages(searcher: Searcher, request: SearchRequest) -> list[Answer]:
    found = [searcher.search(request)]
    while cursor := found[-1].next_cursor:
        found.append(searcher.search(replace(request, cursor=cursor)))
    return found


def shown(answer: Answer) -> list[tuple[str, str]]:
    """Results by kind and id."""
    return [
        ("product", one.sku) if isinstance(one, ProductHit) else (one.kind, one.video_id)
        for one in answer.results
    ]


@pytest.mark.parametrize("rows", ["videos", "products", "mixed"])
def test_pages_put_together_are_the_list(searcher: Searcher, rows: Rows) -> None:
    request = SearchRequest("shoes", rows=rows, page_size=50)
    whole = shown(searcher.search(request))
    parts = pages(searcher, replace(request, page_size=2))
    assert [one for part in parts for one in shown(part)] == whole
    assert len(parts) > 1
    assert {part.total for part in parts} == {len(whole)}


def test_a_mixed_row_has_both_lists_the_likeliest_first(searcher: Searcher) -> None:
    request = SearchRequest("red apple", rows="mixed", page_size=50, facets=("category",))
    answer = searcher.search(request)
    lists = [searcher.search(replace(request, rows=rows)) for rows in ("videos", "products")]
    assert sorted(shown(answer)) == sorted(one for own in lists for one in shown(own))
    likely = [one.probability for one in answer.results]
    assert all(value is not None and 0 <= value <= 1 for value in likely)
    counts = [{v.name: v.count for v in own.facets[0].values} for own in (*lists, answer)]
    assert counts[2]["Food > Fruit"] == counts[0]["Food > Fruit"] + counts[1]["Food > Fruit"]
    lives = searcher.search(replace(request, filter=read_filter(["kind=video"])))
    assert {one.kind for one in lives.results} == {"video"}


def test_what_a_score_is_made_of_adds_up(searcher: Searcher) -> None:
    for rows in ROWS:
        for one in searcher.search(SearchRequest("red apple", rows=rows, page_size=50)).results:
            parts = one.parts if isinstance(one, ProductHit) else one.retrievers
            assert sum(part for _, part in parts) == pytest.approx(one.score, abs=1e-3)


def test_more_like_a_thing_is_other_than_it_and_alike(
    searcher: Searcher, snapshot: ReleaseSnapshot
) -> None:
    def like(given: str, rows: Rows) -> list[str]:
        request = SearchRequest(like=read_like(given), rows=rows, page_size=50)
        return [name for _, name in shown(searcher.search(request))]

    assert like("product:FO-7290", "products")[0] == "FO-9840"  # another apple
    assert "FO-7290" not in like("product:FO-7290", "products")
    links = snapshot.strong_links(["sku", "video_id"]).to_pylist()
    apples = {link["video_id"] for link in links if link["sku"] == "FO-7290"}
    assert set(like("product:FO-7290", "videos")[: len(apples)]) == apples
    found = like("video:clip-02", "videos")
    assert "clip-02" not in found
    assert found
    sold = {link["sku"] for link in links if link["video_id"] == "clip-02"}
    assert set(like("video:clip-02", "products")[: len(sold)]) == sold
    assert like("video:clip-02@5", "mixed")
    for given in ("video:nobody", "product:nothing", "video:clip-02@x"):
        with pytest.raises(InputError, match="this release has no"):
            like(given, "videos")
    with pytest.raises(InputError, match="write video:ID"):
        read_like("clip-02")


def test_everything_in_a_list_is_told_its_place(searcher: Searcher) -> None:
    for rows in ("videos", "products"):
        request = SearchRequest("apple", rows=rows, page_size=50)
        for position, (kind, name) in enumerate(shown(searcher.search(request)), start=1):
            thing = read_like(f"{'product' if kind == 'product' else 'video'}:{name}")
            why = searcher.why(request, thing)
            assert (why.position, why.reasons) == (position, ())


@pytest.mark.parametrize(
    ("thing", "text", "given", "told"),
    [
        ("video:nobody", "apple", [], "no video of that id"),
        ("video:clip-02", "apple", ["kind=live"], "filter kind leaves it out"),
        ("video:clip-02", "apple", ["brand=Nobody", "price=1..2"], "filter brand leaves it out"),
        ("video:clip-02", "apple over 900 euro", [], "the price in the text leaves it out"),
        ("product:nothing", "apple", [], "no product of that SKU"),
        ("product:FO-7290", "apple not red", [], '"red", which is not wanted, leaves it out'),
        ("product:HO-4614", "apple", [], "others are nearer"),
    ],
)
def test_what_is_not_there_is_told_why(
    searcher: Searcher, thing: str, text: str, given: list[str], told: str
) -> None:
    of = read_like(thing)
    rows: Rows = "products" if of.kind == "product" else "videos"
    why = searcher.why(SearchRequest(text, rows=rows, filter=read_filter(given)), of)
    assert why.position is None
    assert any(told in reason for reason in why.reasons)


def test_rules_pin_hide_boost_and_lead(snapshot: ReleaseSnapshot) -> None:
    rules = Rules.model_validate(
        {
            "pin": [{"query": "apple", "skus": ["SH-2382"], "videos": ["clip-05"], "at": 2}],
            "hide": [{"skus": "FO-7290", "videos": "clip-07"}],
            "boost": [{"videos": "clip-14", "by": 100}],
            "redirect": [{"query": "gift card", "to": "/gifts"}],
            "slot": [{"at": 1, "kind": "product"}],
        }
    )
    encoders = QueryEncoders(text=load_query_encoder(load_config()))
    plain, ruled = Searcher(snapshot, encoders), Searcher(snapshot, encoders, rules=rules)
    request = SearchRequest("apple", page_size=50)
    before, after = shown(plain.search(request)), shown(ruled.search(request))
    assert ("video", "clip-07") in before
    assert after[:2] == [("video", "clip-14"), ("video", "clip-05")]
    assert ("video", "clip-07") not in after
    assert all(sold.sku != "FO-7290" for hit in ruled.search(request).hits for sold in hit.products)
    products = [sku for _, sku in shown(ruled.search(replace(request, rows="products")))]
    assert products[1] == "SH-2382"
    assert "FO-7290" not in products
    row = shown(ruled.search(replace(request, rows="mixed")))
    assert row[0][0] == "product"
    assert ("product", "SH-2382") in row[:3]
    assert ("video", "clip-05") in row[:3]
    newest = shown(ruled.search(replace(request, sort="newest")))
    assert sorted(newest) == sorted(after)
    lead = ruled.search(SearchRequest("gift cards"))
    assert (lead.redirect, lead.rules) == ("/gifts", ("hide 1", "boost 1", "redirect 1", "slot 1"))
    hidden = ruled.why(request, read_like("video:clip-07"))
    assert hidden.reasons == ("a rule hides it",)
    assert {part.total for part in pages(ruled, replace(request, page_size=3))} == {len(after)}


def test_a_pin_alone_answers_what_the_shop_has_no_answer_for(snapshot: ReleaseSnapshot) -> None:
    encoders = QueryEncoders(text=load_query_encoder(load_config()))

    def found(pin: dict[str, object], rows: Rows) -> list[tuple[str, str]]:
        rules = Rules.model_validate({"pin": [{"query": "lawn mower"} | pin]})
        searcher = Searcher(snapshot, encoders, rules=rules)
        return shown(searcher.search(SearchRequest("lawn mower", rows=rows)))

    video, product = ("video", "clip-05"), ("product", "SH-2382")
    assert found({"videos": "clip-05"}, "videos") == [video]
    assert found({"videos": "clip-05"}, "products") == []
    assert found({"skus": "SH-2382"}, "products") == [product]
    assert found({"skus": "SH-2382"}, "videos") == []
    assert found({"skus": "SH-2382"}, "mixed") == [product]
    assert found({"skus": "SH-2382", "videos": "clip-05"}, "mixed") == [product, video]


def test_products_are_results_with_the_videos_that_sell_them(
    searcher: Searcher, snapshot: ReleaseSnapshot
) -> None:
    links = snapshot.strong_links(["sku", "video_id"]).to_pylist()
    answer = searcher.search(SearchRequest("shoes", rows="products", facets=("category",)))
    assert {hit.sku for hit in answer.products} == {"SH-2382", "SH-7125", "SH-9937"}
    for hit in answer.products:
        selling = {link["video_id"] for link in links if link["sku"] == hit.sku}
        assert (set(hit.videos), hit.video_count) == (selling, len(selling))
    counts = {value.name: value.count for value in answer.facets[0].values}
    assert counts["Shoes"] == 3
    assert counts["Shoes > Sport"] == 1
    cheapest = searcher.search(SearchRequest("shoes", rows="products", sort="price"))
    assert [hit.price for hit in cheapest.products] == sorted(hit.price for hit in answer.products)


def test_products_that_a_filter_leaves_out_are_told(searcher: Searcher) -> None:
    def found(text: str, *given: str) -> tuple[bool, bool]:
        request = SearchRequest(text, rows="products", filter=read_filter(given))
        answer = searcher.search(request)
        return answer.answered, answer.outside_filters

    assert found("shoes") == (True, False)
    assert found("shoes", "price=1..2") == (False, True)
    assert found("shoes", "brand=Nobody") == (False, True)
    assert found("lawn mower") == (False, False)
    assert found("lawn mower", "price=1..2") == (False, False)
    assert found("shoes", "published=2000-01-01..2000-01-02") == (False, True)


def test_a_result_has_moments_that_begin_apart(searcher: Searcher) -> None:
    for hit in searcher.search_text("apple", k=20).hits:
        starts = sorted(moment.start_ms for moment in hit.moments)
        assert 1 <= len(starts) <= 3
        assert all(later - earlier >= 3000 for earlier, later in pairwise(starts))
        assert (hit.start_ms, hit.end_ms) == (hit.moments[0].start_ms, hit.moments[0].end_ms)


def test_a_ranker_is_tried_without_a_release(searcher: Searcher, snapshot: ReleaseSnapshot) -> None:
    class Backwards:
        name = "backwards"

        def parts(self, features: FeatureMatrix) -> Vectors:
            return -shipped_ranker(snapshot.config.search).parts(features)

    encoders = QueryEncoders(text=load_query_encoder(load_config()))
    other = Searcher(snapshot, encoders, ranker=Backwards())
    first, last = (s.search_text("guitar", k=50).ranked for s in (searcher, other))
    assert len(first) > 3
    assert first[0].video_id == last[-1].video_id


@pytest.mark.parametrize(
    "text",
    ["camera under 1 euro", "electric guitar not over 1 €", "music under 1 €", "under 0.01 €"],
)
def test_what_only_a_filter_leaves_out_is_told_as_that(searcher: Searcher, text: str) -> None:
    answer = searcher.search_text(text)
    assert (answer.answered, answer.outside_filters) == (False, True)


def test_a_filter_by_category_is_one_too(searcher: Searcher) -> None:
    answer = searcher.search_text("electric guitar", category="Food")
    assert (answer.answered, answer.outside_filters) == (False, True)
    assert searcher.search_text("electric guitar", category="Music").answered


@pytest.mark.slow
def test_one_odd_row_of_a_judged_file_or_a_log_ends_no_report(
    example_store: Path, tmp_path: Path
) -> None:
    judged, log = tmp_path / "judged.jsonl", tmp_path / "log.jsonl"
    (tmp_path / "broken.webp").write_bytes(b"RIFF")
    good = {"relevant_video_ids": ["clip-10"]}
    texts = [*(text for text in ODD if text.strip("\x00")), "", "red apple"]
    rows = [{"query_id": str(i), "text": text} | good for i, text in enumerate(texts)]
    write_lines(judged, [*rows, {"query_id": "p", "image": "broken.webp"} | good])
    write_lines(log, [{"text": text, "count": 2} for text in texts])
    reelshelf(
        "report",
        *("--store", str(example_store), "--judged", str(judged), "--query-log", str(log)),
        *("--out", str(tmp_path / "report")),
    )
    facts = json.loads((tmp_path / "report" / "report.json").read_text())
    assert facts["search"]["rejected"] == 2
    assert facts["demand"]["rejected"] == 1
