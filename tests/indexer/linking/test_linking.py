from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.linking.candidates import AllGroups, Comparable
from reelshelf.indexer.linking.contests import Matcher
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.ocr import OcrMatcher
from reelshelf.indexer.linking.titles import NamedGroups
from reelshelf.indexer.linking.visual import VisualMatcher
from reelshelf.indexer.linking.visual_stats import fit_visual_stats, term_shares_of
from reelshelf.indexer.text.analyzer import IcuAnalyzer, SimpleAnalyzer
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.names import NameIndex, NameMatch
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.catalog import EncodedImage, EncodedProduct, Product
from reelshelf.schemas.config import LinkingConfig
from reelshelf.schemas.keys import product_key
from reelshelf.schemas.links import LinkableVideo, Modality
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.segments import ScreenText, Segment
from reelshelf.schemas.visual_stats import VisualStats, WhitenedSpace
from tests.support.linking import CALIBRATION, DIM, axis, noise, segment

CONFIG = LinkingConfig()


def product(place: int, title: str, sku: str | None = None) -> EncodedProduct:
    """A product whose picture and text lie on an axis of their own."""
    code = sku or f"PROD-{place:03d}"
    image = EncodedImage(f"{place}.png", f"{place}", axis(place))
    return EncodedProduct(Product(code, title), axis(place), axis(place), (image,))


CATALOG = CatalogIndex.of(
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


def find_names(text: str, catalog: CatalogIndex = CATALOG) -> list[NameMatch]:
    return NameIndex(catalog.names, catalog.words.codes, catalog.analyzer).find(text)


def named(text: str) -> dict[str, float]:
    return {CATALOG.products[m.number].product.title: m.coverage for m in find_names(text)}


def test_a_title_is_found_in_a_sentence_whatever_its_case_and_accents() -> None:
    assert named("today i try the RED délicious apple!")["Red Delicious Apple"] == 1.0


@pytest.mark.parametrize(
    "tag",
    [
        "#RedDeliciousApple",
        "#reddeliciousapple",
        "#red_delicious_apple",
        "#REDDELICIOUSAPPLE",
        "reddeliciousapple",
    ],
)
def test_a_title_is_found_in_a_hashtag(tag: str) -> None:
    assert named(f"try it {tag}!")["Red Delicious Apple"] == 1.0


@pytest.mark.parametrize("text", ["#applecart", "applecartwheel", "#app", "#" + "a" * 5000])
def test_what_titles_do_not_make_up_names_nothing(text: str) -> None:
    assert not named(text)


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
    assert all(coverage < 0.6 for coverage in named(chatter).values())


@given(st.text(max_size=200))
def test_any_text_can_be_searched_for_names(text: str) -> None:
    for match in find_names(text):
        assert 0.0 < match.coverage <= 1.0
    for analyzer in (SimpleAnalyzer(), IcuAnalyzer(["en"])):
        assert all(word == word.casefold() for word in analyzer.words(text))


def fitted(frames: Vectors, catalog: CatalogIndex = CATALOG) -> VisualStats:
    """The background of a shop in which every frame is a shot of its own."""
    return fit_visual_stats(frames, np.arange(len(frames)), catalog, segments=len(frames))


def video(*segments: Segment) -> LinkableVideo:
    return LinkableVideo("v", (), segments)


def visual(stats: VisualStats, catalog: CatalogIndex = CATALOG) -> VisualMatcher:
    comparable = Comparable.of(catalog, stats)
    assert comparable.pictures is not None
    return VisualMatcher(comparable, comparable.pictures, AllGroups.of(comparable))


def matches_of(matcher: Matcher, video: LinkableVideo) -> list[Match]:
    return [match for contest in matcher.contests(video) for match in contest.found(())]


def look(frame: Vectors, shop: Vectors) -> dict[int, float]:
    """Likeness of each product that one frame resembles."""
    background = fitted(shop)
    matches = matches_of(visual(background), video(segment(0, frame)))
    return {match.group: match.signals[Signal.VISUAL_SIMILARITY] for match in matches}


def test_a_frame_of_a_product_is_seen_and_an_unrelated_one_is_not() -> None:
    shop = noise(0, 100)
    frame = (axis(3)[None] + 0.3 * noise(1, 1))[0]
    seen = look(frame, shop)
    assert max(seen, key=seen.__getitem__) == 3
    assert seen[3] > 0.5
    assert look(axis(40), shop) == {}


def test_siblings_that_a_frame_resembles_equally_have_no_lead() -> None:
    background = fitted(noise(0, 100))
    seen = visual(background)
    (alone,) = matches_of(seen, video(segment(0, axis(3))))
    shared = matches_of(seen, video(segment(0, (axis(3) + axis(4)) / np.sqrt(2.0))))
    # A lead that is so large says all that one can say.
    assert alone.signals[Signal.VISUAL_MARGIN] == pytest.approx(0.1)
    assert {match.group for match in shared} == {3, 4}
    assert all(abs(match.signals[Signal.VISUAL_MARGIN]) < 0.05 for match in shared)


def test_likeness_counts_less_in_a_shop_where_everything_looks_alike() -> None:
    half_like = segment(0, (axis(3) + axis(40)) / np.sqrt(2.0))
    calm = fitted(noise(0, 200))
    noisy = replace(calm, noise_floor=calm.noise_floor + 0.3)
    found = [
        next(c.signals[Signal.VISUAL_SIMILARITY] for c in matches_of(visual(b), video(half_like)))
        for b in (calm, noisy)
    ]
    assert found[0] > 1.3 * found[1]


def test_a_product_that_resembles_everything_counts_less() -> None:
    """A quarter of the shop's frames look a little like one product, as a plain wall does."""
    shop = noise(0, 200)
    shop[::4] += 0.8 * axis(4)
    shop /= np.linalg.norm(shop, axis=1, keepdims=True)
    stats = fitted(shop)
    both = segment(0, (axis(3) + 1.3 * axis(4)) / np.linalg.norm([1.0, 1.3]))
    corrected, plain = (
        {m.group: m.strength for m in matches_of(visual(of), video(both))}
        for of in (stats, replace(stats, cohort=None))
    )
    assert (set(plain), set(corrected)) == ({4}, {3})


def test_what_many_videos_say_is_frequent_and_what_few_say_is_not() -> None:
    texts = ["hello and welcome", "hello again", "hello there, a copper kettle", "good night"]
    assert term_shares_of(texts, IcuAnalyzer(["en"]))["hello"] == 0.75
    assert "kettle" not in term_shares_of(texts, IcuAnalyzer(["en"]))
    assert term_shares_of([], IcuAnalyzer(["en"])) == {}


def test_what_differs_between_pictures_of_one_product_counts_less() -> None:
    """Every product has a bright and a dark picture: light is no difference between products."""
    light = 0.8 * axis(63)
    pictures = [
        EncodedProduct(
            Product(f"PROD-{place:03d}", f"Thing {place}"),
            axis(place),
            axis(place),
            tuple(
                EncodedImage(
                    name,
                    f"{name}{place}",
                    (axis(place) + shift) / np.linalg.norm(axis(place) + shift),
                )
                for name, shift in (("bright", light), ("dark", -light))
            ),
        )
        for place in range(12)
    ]
    catalog = CatalogIndex.of(pictures)
    background = fitted(noise(0, 200), catalog)
    plain = replace(background, shrinkage=np.ones_like(background.shrinkage))
    pair = catalog.vectors.image[:2]
    apart = [
        float(space.of_pictures(pair)[0] @ space.of_pictures(pair)[1])
        for space in (WhitenedSpace(plain), WhitenedSpace(background))
    ]
    assert apart[1] > apart[0] + 0.3


def test_a_shop_with_one_picture_a_product_has_a_space_too() -> None:
    background = fitted(noise(0, 30))
    assert background.nuisance.shape == (0, DIM)
    mapped = WhitenedSpace(background).of_frames(noise(1, 3))
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1.0, atol=1e-5)


def linker() -> Linker:
    background = fitted(noise(0, 200))
    return Linker(CATALOG, "shop", background, CALIBRATION, CONFIG)


def link(*segments: Segment, merchant: tuple[str, ...] = ()) -> dict[str, float]:
    """Score of each product that is linked at all."""
    (links,) = linker().link([LinkableVideo("v", merchant, segments)])
    return {i.sku: i.score for i in links if i.score >= 0.05}


def test_each_sense_alone_makes_a_link() -> None:
    plain = axis(50)
    assert link(segment(0, axis(3)))["PROD-003"] > 0.7
    assert link(segment(0, plain, written="Red Delicious Apple"))["PROD-001"] > 0.8
    assert link(segment(0, plain, said="this avocado is ripe"))["PROD-004"] > 0.7
    assert link(segment(0, plain, said="that one", meant=axis(2)))["PROD-002"] > 0.5


def test_a_declaration_that_nothing_agrees_with_makes_no_link() -> None:
    alone = link(segment(0, axis(50)), merchant=("PROD-005",))
    backed = link(segment(0, axis(5) * 0.35 + axis(50) * 0.937), merchant=("PROD-005",))
    seen = link(segment(0, axis(5) * 0.35 + axis(50) * 0.937))
    assert alone.get("PROD-005", 0.0) < 0.5
    assert backed["PROD-005"] > 0.5 > seen.get("PROD-005", 0.0)


def spans_of(sku: str, *segments: Segment) -> list[tuple[int, int]]:
    (links,) = linker().link([LinkableVideo("v", (), segments)])
    (found,) = [i for i in links if i.sku == sku]
    return [(span.start_ms, span.end_ms) for span in found.spans]


def test_what_would_be_a_link_alone_is_a_moment_of_a_longer_video() -> None:
    """Two faint signs are one occurrence, however strongly another one shows the product."""
    seen, meant = axis(3) * 0.4 + axis(50) * 0.917, axis(3) * 0.7 + axis(60) * 0.714
    weak = segment(60_000, seen, said="that one", meant=meant)
    (alone,) = linker().link([LinkableVideo("v", (), [weak])])
    (score,) = [i.score for i in alone if i.sku == "PROD-003"]
    (piece,) = {max(e.score for e in i.evidence) for i in alone if i.sku == "PROD-003"}
    assert piece < 0.4 < 0.7 < score
    strong = segment(0, axis(3), written="Hush Over-Ear Headphones")
    spans = spans_of("PROD-003", strong, weak)
    assert any(start >= 60_000 for start, _ in spans)
    nothing = segment(30_000, axis(50))
    assert not any(30_000 <= start < 60_000 for start, _ in spans_of("PROD-003", strong, nothing))


def test_two_senses_make_a_stronger_link_than_either() -> None:
    seen = link(segment(0, axis(4)))["PROD-004"]
    said = link(segment(0, axis(50), said="avocado"))["PROD-004"]
    both = link(segment(0, axis(4), said="avocado"))["PROD-004"]
    assert both > max(seen, said)


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("today I am talking about grunny smit tapple", "PROD-002"),
        ("we restocked hash ova ear head fones", "PROD-003"),
    ],
)
def test_a_title_is_known_by_its_sound(heard: str, meant: str) -> None:
    (found,) = linker().candidates([LinkableVideo("v", (), (segment(0, axis(50), said=heard),))])
    sound = {c.group: c.signals.get(Signal.ASR_PHONETIC, 0.0) for c in found}
    best = max(sound, key=sound.__getitem__)
    assert CATALOG.products[best].product.sku == meant


def test_words_seen_on_a_pack_are_known_from_the_catalogs_pictures() -> None:
    printed = EncodedImage("5.png", "5", axis(5), ("SOMMARMJÖLK", "Laktosfri"))
    other = EncodedImage("6.png", "6", axis(6), ("SOMMARMJÖLK",))
    catalog = CatalogIndex.of(
        [
            *(item for item in CATALOG.products if item.product.sku[-1] not in "56"),
            EncodedProduct(Product("PROD-005", "Whole Milk"), axis(5), axis(5), (printed,)),
            EncodedProduct(Product("PROD-006", "Skimmed Milk"), axis(6), axis(6), (other,)),
        ]
    )
    printed_on = segment(0, axis(50), written="sommarmjolk LAKT0SFRI")
    matches = matches_of(OcrMatcher(catalog, NamedGroups(catalog)), video(printed_on))
    seen = {
        c.group: c.signals[Signal.PACKAGING_TEXT]
        for c in matches
        if Signal.PACKAGING_TEXT in c.signals
    }
    assert set(seen) == {catalog.index_of["PROD-005"]}
    # The word that stands on both tells them apart by nothing.
    both = segment(0, axis(50), written="sommarmjolk")
    assert not matches_of(OcrMatcher(catalog, NamedGroups(catalog)), video(both))


def test_a_longer_title_that_holds_a_shorter_one_is_the_one_that_is_named() -> None:
    catalog = CatalogIndex.of(
        [product(0, "Red Grapefruit Juice"), product(1, "Orange Red Grapefruit Juice")]
    )
    found = find_names("orange red grapefruit juice", catalog)
    assert [catalog.products[m.number].product.sku for m in found] == ["PROD-001"]


def test_copies_of_a_video_share_what_they_show() -> None:
    clear = LinkableVideo("a", (), (segment(0, axis(50), written="Red Delicious Apple"),))
    cropped = LinkableVideo("b", (), (segment(0, axis(50)),))
    first, second = linker().link([clear, cropped])
    assert [link.sku for link in first] == [link.sku for link in second] == ["PROD-001"]
    assert first[0].score == second[0].score
    assert (first[0].video_key, second[0].video_key) == ("a", "b")


def test_a_video_with_nothing_from_the_catalog_gets_no_link() -> None:
    assert link(segment(0, axis(50), written="Wait for it", said="hello again")) == {}


def test_a_declared_sku_that_is_not_in_the_catalog_makes_no_link() -> None:
    assert link(segment(0, axis(50)), merchant=("NO-SUCH",)) == {}


def test_a_link_tells_when_and_why() -> None:
    video = LinkableVideo(
        "v", ("PROD-003",), (segment(0, axis(50)), segment(2000, axis(3), written="so good"))
    )
    ((found, *_),) = linker().link([video])
    assert found.product_key == product_key("shop", found.sku)
    assert [(s.start_ms, s.end_ms) for s in found.spans] == [(2000, 4000)]
    by_modality = {piece.modality: piece for piece in found.evidence}
    assert by_modality[Modality.VISUAL].at_ms == 2100
    assert by_modality[Modality.VISUAL].image == "3.png"
    assert by_modality[Modality.MERCHANT].span is None
    assert dict(found.scores)[Modality.OCR] == 0.0


def test_a_title_broken_over_two_lines_is_read_as_one() -> None:
    top = ScreenText("Red Delicious", 0.9, 0, 2000, Box(0, 0.1, 0.5, 0.2))
    low = ScreenText("Apple", 0.9, 0, 2000, Box(0, 0.2, 0.5, 0.3))
    base = segment(0, axis(50))
    both = Segment(**{f: getattr(base, f) for f in base.__slots__} | {"screen_text": (low, top)})
    assert link(both)["PROD-001"] > 0.8


def test_evidence_in_touching_moments_makes_one_span() -> None:
    video = LinkableVideo("v", (), (segment(0, axis(3)), segment(2000, axis(3))))
    ((found,),) = linker().link([video])
    assert [(s.start_ms, s.end_ms) for s in found.spans] == [(0, 4000)]


def test_the_same_picture_twice_teaches_nothing() -> None:
    twice = [
        EncodedProduct(
            item.product, item.text_vector, item.facts_vector, (item.images[0], item.images[0])
        )
        for item in CATALOG.products
    ]
    background = fitted(noise(0, 30), CatalogIndex.of(twice))
    assert background.nuisance.shape == (0, DIM)


def test_borrowed_evidence_has_no_moment() -> None:
    clear = LinkableVideo("a", (), (segment(0, axis(50), written="Red Delicious Apple"),))
    cropped = LinkableVideo("b", (), (segment(0, axis(50)),))
    (own,), (borrowed,) = linker().link([clear, cropped])
    assert own.spans
    assert borrowed.spans == ()
    assert [piece.at_ms for piece in borrowed.evidence] == [None] * len(borrowed.evidence)
