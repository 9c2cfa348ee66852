import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.linking.catalogue import LinkingCatalogue, words
from indexer.linking.link import LinkableVideo, Linker
from indexer.linking.names import find_names
from indexer.linking.sight import Sight, background_of
from schemas.catalog import EncodedImage, EncodedProduct, Product
from schemas.config import LinkingConfig
from schemas.links import Sense
from schemas.media import Vectors
from schemas.segments import Box, ScreenText, Segment, Utterance

DIM = 64
CONFIG = LinkingConfig()


def axis(*places: int) -> Vectors:
    vector = np.zeros(DIM, np.float32)
    vector[list(places)] = 1.0
    return vector / np.linalg.norm(vector)


def product(place: int, title: str, sku: str | None = None) -> EncodedProduct:
    """A product whose picture and text lie on an axis of their own."""
    code = sku or f"PROD-{place:03d}"
    image = EncodedImage(f"{place}.png", "0", axis(place))
    return EncodedProduct(Product(code, title), axis(place), (image,))


CATALOGUE = LinkingCatalogue.of(
    [
        product(0, "Golden Delicious Apple"),
        product(1, "Red Delicious Apple"),
        product(2, "Granny Smith Apple"),
        product(3, "Hush Over-Ear Headphones"),
        product(4, "Avocado"),
        product(5, "Whole Milk 3.5%"),
        product(6, "Skimmed Milk 0.1%"),
    ]
)


def named(text: str) -> dict[str, float]:
    found = find_names(text, CATALOGUE)
    return {CATALOGUE.products[m.product].product.title: m.coverage for m in found}


def test_a_title_is_found_in_a_sentence_whatever_its_case_and_accents() -> None:
    assert named("today i try the RED délicious apple!")["Red Delicious Apple"] == 1.0


def test_only_the_sibling_whose_own_words_are_there_is_named_in_full() -> None:
    found = named("golden delicious apple")
    assert list(found) == ["Golden Delicious Apple"]


def test_two_siblings_named_apart_are_both_found() -> None:
    found = named("first a golden delicious apple, then a granny smith apple")
    assert found["Golden Delicious Apple"] == found["Granny Smith Apple"] == 1.0


@pytest.mark.parametrize("heard", ["hush over ear head phones", "hush over-ear hedphones"])
def test_hearing_and_reading_errors_are_forgiven(heard: str) -> None:
    assert named(heard)["Hush Over-Ear Headphones"] > 0.9


def test_numbers_are_not_forgiven() -> None:
    assert named("skimmed milk 0.1%")["Skimmed Milk 0.1%"] == 1.0
    assert named("whole milk 3,5 %")["Whole Milk 3.5%"] == 1.0
    assert named("whole milk 3.8")["Whole Milk 3.5%"] < 1.0


def test_a_sku_in_the_text_names_its_product() -> None:
    assert named("order prod-004 now") == {"Avocado": 1.0}


@pytest.mark.parametrize("chatter", ["", "hello and welcome back", "so good", "apple"])
def test_chatter_and_common_words_name_nothing_in_full(chatter: str) -> None:
    assert all(coverage < CONFIG.name_midpoint for coverage in named(chatter).values())


@given(st.text(max_size=200))
def test_any_text_can_be_searched_for_names(text: str) -> None:
    for match in find_names(text, CATALOGUE):
        assert 0.0 < match.coverage <= 1.0
    assert all(word == word.casefold() for word in words(text))


def look(frames: Vectors, background_frames: Vectors | None = None) -> dict[int, float]:
    shop = frames if background_frames is None else background_frames
    background = background_of(shop, CATALOGUE, segments=len(shop))
    seen = Sight(CATALOGUE, background, CONFIG.sight).look(frames)
    return {hit.product: hit.score for hit in seen}


def noise(seed: int, count: int) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_frame_of_a_product_is_seen_and_an_unrelated_one_is_not() -> None:
    shop = noise(0, 100)
    frame = axis(3)[None] + 0.3 * noise(1, 1)
    assert look(frame, shop)[3] > 0.8
    assert look(axis(40)[None], shop) == {}


def test_siblings_that_a_frame_resembles_equally_share_its_evidence() -> None:
    shop = noise(0, 100)
    alone = look(axis(3)[None], shop)[3]
    shared = look((axis(3) + axis(4))[None], shop)
    assert shared[3] == pytest.approx(shared[4], rel=0.05)
    assert shared[3] < 0.6 * alone


def test_likeness_counts_less_in_a_shop_where_everything_looks_alike() -> None:
    half_like = (axis(3) + 2 * axis(40))[None] / np.sqrt(5)
    calm = background_of(noise(0, 200), CATALOGUE, segments=200)
    noisy = calm.model_copy(update={"noise": calm.noise + 0.3})
    scores = [
        {h.product: h.score for h in Sight(CATALOGUE, b, CONFIG.sight).look(half_like)}.get(3, 0.0)
        for b in (calm, noisy)
    ]
    assert scores[0] > 2 * scores[1]


def segment(
    start: int, frame: Vectors, *, written: str = "", said: str = "", text: Vectors | None = None
) -> Segment:
    line = ScreenText(written, 0.9, start, start + 1500, Box(0, 0, 0.5, 0.1))
    utterance = Utterance(said, start, start + 1800, -0.2)
    return Segment(
        segment_key=f"s{start}",
        start_ms=start,
        end_ms=start + 2000,
        shot_index=0,
        keyframe_ms=start + 100,
        frame_count=1,
        frame_vector=frame,
        screen_text=(line,) if written else (),
        utterances=(utterance,) if said else (),
        text=f"{written}\n{said}".strip(),
        text_vector=text,
    )


def linker() -> Linker:
    background = background_of(noise(0, 200), CATALOGUE, segments=200)
    keys = [f"key-{i}" for i in range(len(CATALOGUE))]
    return Linker(CATALOGUE, keys, Sight(CATALOGUE, background, CONFIG.sight), CONFIG)


def link(*segments: Segment, merchant: tuple[str, ...] = ()) -> dict[str, float]:
    return {i.sku: i.score for i in linker().link(LinkableVideo("v", merchant, segments))}


def test_each_sense_alone_makes_a_link() -> None:
    plain = axis(50)
    assert link(segment(0, axis(3)))["PROD-003"] > 0.7
    assert link(segment(0, plain, written="Red Delicious Apple"))["PROD-001"] > 0.8
    assert link(segment(0, plain, said="this avocado is ripe"))["PROD-004"] > 0.7
    assert link(segment(0, plain, said="that one", text=axis(2)))["PROD-002"] > 0.5
    assert link(segment(0, plain), merchant=("PROD-005",)) == {
        "PROD-005": pytest.approx(CONFIG.weights.merchant)
    }


def test_two_senses_make_a_stronger_link_than_either() -> None:
    seen = link(segment(0, axis(4)))["PROD-004"]
    said = link(segment(0, axis(50), said="avocado"))["PROD-004"]
    both = link(segment(0, axis(4), said="avocado"))["PROD-004"]
    assert both == pytest.approx(1 - (1 - seen) * (1 - said), abs=1e-6)


def test_a_video_with_nothing_from_the_catalogue_gets_no_link() -> None:
    assert link(segment(0, axis(50), written="Wait for it", said="hello again")) == {}


def test_a_declared_sku_that_is_not_in_the_catalogue_makes_no_link() -> None:
    assert link(segment(0, axis(50)), merchant=("NO-SUCH",)) == {}


def test_a_link_tells_when_and_why() -> None:
    video = LinkableVideo(
        "v", ("PROD-003",), (segment(0, axis(50)), segment(2000, axis(3), written="so good"))
    )
    (found,) = linker().link(video)
    assert found.product_key == "key-3"
    assert [(s.start_ms, s.end_ms) for s in found.spans] == [(2000, 4000)]
    by_sense = {piece.sense: piece for piece in found.evidence}
    assert by_sense[Sense.VISUAL].at_ms == 2100
    assert by_sense[Sense.VISUAL].image == "3.png"
    assert by_sense[Sense.MERCHANT].span is None
    assert dict(found.scores)[Sense.OCR] == 0.0


def test_a_title_broken_over_two_lines_is_read_as_one() -> None:
    top = ScreenText("Red Delicious", 0.9, 0, 2000, Box(0, 0.1, 0.5, 0.2))
    low = ScreenText("Apple", 0.9, 0, 2000, Box(0, 0.2, 0.5, 0.3))
    base = segment(0, axis(50))
    both = Segment(**{f: getattr(base, f) for f in base.__slots__} | {"screen_text": (low, top)})
    assert link(both)["PROD-001"] > 0.8


def test_evidence_in_touching_moments_makes_one_span() -> None:
    (found,) = linker().link(LinkableVideo("v", (), (segment(0, axis(3)), segment(2000, axis(3)))))
    assert [(s.start_ms, s.end_ms) for s in found.spans] == [(0, 4000)]
