"""Variants of one product: found, linked as one, and told apart."""

import decimal
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.visual_stats import fit_visual_stats
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Trust
from reelshelf.schemas.catalog import EncodedImage, EncodedProduct, Product
from reelshelf.schemas.config import LinkingConfig
from reelshelf.schemas.links import LinkableVideo, ProductLink, VariantState
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.overrides import Override, Verdict
from reelshelf.schemas.segments import PostKind, PostText, ScreenText, Segment, Utterance
from tests.support.linking import CALIBRATION, axis, noise

SIZES = ("Small", "Medium", "Large")


def product(
    place: int, title: str, sku: str, group: str | None = None, price: str | None = None
) -> EncodedProduct:
    picture = EncodedImage(f"{place}.png", f"sha-{place}", axis(place))
    cost = decimal.Decimal(price) if price else None
    row = Product(sku, title, group_id=group, price=cost, currency="EUR" if price else None)
    return EncodedProduct(row, axis(place), axis(place), (picture,))


def in_sizes(place: int, title: str, *, grouped: bool) -> list[EncodedProduct]:
    return [
        product(
            place,
            f"{title} {size}",
            f"SKU-{place:02d}-{size[0]}",
            f"group-{place}" if grouped else None,
            f"{10 + 3 * number}.50",
        )
        for number, size in enumerate(SIZES)
    ]


TITLES = ("Velvet Cushion", "Walnut Desk Lamp", "Copper Kettle", "Linen Apron", "Oak Stool")


def catalog(*, grouped: bool = True) -> CatalogIndex:
    return CatalogIndex.of(
        [item for n, title in enumerate(TITLES) for item in in_sizes(n, title, grouped=grouped)]
    )


def linker(index: CatalogIndex) -> Linker:
    frames = noise(0, 200)
    stats = fit_visual_stats(frames, np.arange(200), index, segments=200)
    return Linker(index, "shop", stats, CALIBRATION, LinkingConfig())


def moment(
    frame: Vectors, *, written: tuple[str, ...] = (), said: str = "", posted: str = ""
) -> Segment:
    lines = tuple(ScreenText(text, 0.9, 0, 1500, Box(0, 0, 0.5, 0.1)) for text in written)
    return Segment(
        segment_key="s",
        start_ms=0,
        end_ms=2000,
        shot_index=0,
        keyframe_ms=100,
        frame_count=1,
        frame_vector=frame,
        screen_text=lines,
        utterances=(Utterance(said, 0, 1800, -0.2),) if said else (),
        utterance_vectors=np.array([axis(60)])[: bool(said)],
        text="",
        text_vector=None,
        post_text=(PostText(PostKind.SUBTITLE, posted, 0, 1500),) if posted else (),
    )


def links(
    segment: Segment, *, grouped: bool = True, declared: tuple[str, ...] = ()
) -> list[ProductLink]:
    (found,) = linker(catalog(grouped=grouped)).link([LinkableVideo("v", declared, (segment,))])
    return [link for link in found if link.score >= 0.5]


@pytest.mark.parametrize("grouped", [True, False])
def test_a_group_that_nothing_tells_apart_is_one_row_for_each_variant(grouped: bool) -> None:
    found = links(moment(axis(2)), grouped=grouped)
    assert [link.sku for link in found] == ["SKU-02-L", "SKU-02-M", "SKU-02-S"]
    assert {link.variant for link in found} == {VariantState.UNKNOWN}
    assert len({link.score for link in found}) == len({link.group_id for link in found}) == 1
    assert found[0].group_id == ("group-2" if grouped else "SKU-02-L")


def test_a_group_is_linked_as_surely_as_a_product_alone() -> None:
    alone = CatalogIndex.of([product(n, title, f"SKU-{n:02d}") for n, title in enumerate(TITLES)])
    video = LinkableVideo("v", (), (moment(axis(2), written=("Copper Kettle",)),))
    (single,) = linker(alone).link([video])
    (varied,) = linker(catalog()).link([video])
    assert varied[0].score == pytest.approx(single[0].score, abs=0.02)
    assert single[0].group_id is single[0].variant is None


@pytest.mark.parametrize(
    "told",
    [
        {"written": ("Copper Kettle Medium",)},
        {"written": ("Copper Kettle", "Medium")},
        {"said": "and this is the copper kettle in medium"},
        {"posted": "the medium copper kettle"},
        {"written": ("Copper Kettle", "13,50 €")},
        {"written": ("Copper Kettle", "EUR 13.50")},
        {"posted": "order SKU-02-M today"},
    ],
)
def test_what_differs_tells_which_variant_it_is(told: dict[str, str]) -> None:
    (found,) = links(moment(axis(2), **told))  # type: ignore[arg-type]
    assert (found.sku, found.variant) == ("SKU-02-M", VariantState.KNOWN)


def test_a_declaration_tells_which_variant_it_is() -> None:
    (found,) = links(moment(axis(2)), declared=("SKU-02-S",))
    assert (found.sku, found.variant) == ("SKU-02-S", VariantState.KNOWN)


def test_words_far_from_what_shows_the_group_tell_nothing() -> None:
    far = replace(
        moment(axis(50)),
        segment_key="far",
        start_ms=60_000,
        end_ms=62_000,
        utterances=(Utterance("a medium pizza please", 60_000, 61_000, -0.2),),
        utterance_vectors=np.array([axis(60)]),
    )
    (found,) = linker(catalog()).link([LinkableVideo("v", (), (moment(axis(2)), far))])
    assert {link.variant for link in found if link.score >= 0.5} == {VariantState.UNKNOWN}


def test_a_picture_that_one_variant_alone_has_tells_it() -> None:
    red, blue = (
        EncodedProduct(
            Product(f"CAP-{color}", f"Baseball Cap {color}", group_id="cap"),
            axis(9),
            axis(9),
            (EncodedImage(f"{color}.png", color, axis(place)),),
        )
        for color, place in (("Red", 9), ("Blue", 10))
    )
    index = CatalogIndex.of([red, blue, *(product(n, t, f"S-{n}00") for n, t in enumerate(TITLES))])
    (found,) = linker(index).link([LinkableVideo("v", (), (moment(axis(10)),))])
    assert [(link.sku, link.variant) for link in found] == [("CAP-Blue", VariantState.KNOWN)]


def test_products_with_one_picture_and_other_titles_are_no_group() -> None:
    index = CatalogIndex.of([product(0, "Apple Juice", "A-100"), product(0, "Pear Juice", "B-100")])
    assert len(index.groups) == 2


def test_a_placeholder_picture_makes_no_group_of_a_whole_catalog() -> None:
    many = [product(0, f"Mug {n}", f"MUG-{n:04d}") for n in range(300)]
    assert len(CatalogIndex.of(many).groups) == 300


def test_groups_of_two_merchants_with_one_id_are_two() -> None:
    one, two = (
        EncodedProduct(
            Product(f"{m}-1000", "Thing", group_id="g", merchant_id=m), axis(0), axis(0), ()
        )
        for m in ("a", "b")
    )
    assert len(CatalogIndex.of([one, two]).groups) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "g", "h"])), max_size=12))
def test_every_product_is_in_one_group(rows: list[tuple[str, str]]) -> None:
    products = [
        EncodedProduct(Product(f"{n:03d}", title, group_id=group or None), axis(0), axis(0), ())
        for n, (title, group) in enumerate(rows)
    ]
    groups = CatalogIndex.of(products).groups if products else None
    if groups is None:
        return
    assert sorted(place for own in groups.members for place in own.tolist()) == list(
        range(len(rows))
    )
    for place, group in enumerate(groups.of.tolist()):
        assert place in groups.members[group].tolist()
    numbers = np.arange(len(groups))
    places, starts = groups.products_of(numbers)
    assert groups.of[places[starts]].tolist() == numbers.tolist()


def word(verdict: Verdict, sku: str | None = None, group: str | None = None) -> Override:
    return Override("v", "v", verdict, sku, group)


def with_words(
    index: CatalogIndex, segment: Segment, *words: Override, merchant: str | None = None
) -> dict[str, VariantState | None]:
    (found,) = linker(index).link([LinkableVideo("v", (), (segment,), merchant)], words)
    return {link.sku: link.variant for link in found if link.score >= 0.5}


def test_a_word_on_a_group_holds_for_what_is_left_of_it() -> None:
    left = CatalogIndex.of(
        [item for item in catalog().products if item.product.sku not in ("SKU-02-S", "SKU-02-L")]
    )
    assert set(with_words(left, moment(axis(2)))) == {"SKU-02-M"}
    assert with_words(left, moment(axis(2)), word(Verdict.NEVER, group="group-2")) == {}


def test_a_group_that_was_inferred_is_meant_by_any_of_its_skus() -> None:
    index = catalog(grouped=False)
    assert with_words(index, moment(axis(2)), word(Verdict.NEVER, group="SKU-02-L")) == {}
    assert with_words(index, moment(axis(2)), word(Verdict.NEVER, group="SKU-02-S")) == {}


def test_who_asserts_a_group_leaves_a_variant_that_is_known() -> None:
    shown = moment(axis(2), written=("Copper Kettle Medium",))
    always = word(Verdict.ALWAYS, group="group-2")
    assert with_words(catalog(), shown, always) == {"SKU-02-M": VariantState.KNOWN}
    assert len(with_words(catalog(), moment(axis(50)), always)) == 3


def test_who_asserts_a_variant_takes_the_others_out() -> None:
    always = word(Verdict.ALWAYS, sku="SKU-02-S")
    found = with_words(catalog(), moment(axis(2)), always)
    assert found == {"SKU-02-S": VariantState.KNOWN}


def test_a_group_of_one_merchant_is_not_that_of_another() -> None:
    rows = [
        EncodedProduct(
            Product(f"{m}-{n}000", f"Thing {m} {n}", group_id="g", merchant_id=m),
            axis(0),
            axis(0),
            (EncodedImage(f"{m}{n}.png", f"{m}{n}", axis(0)),),
        )
        for m in ("a", "b")
        for n in (1, 2)
    ]
    always = word(Verdict.ALWAYS, group="g")
    found = with_words(CatalogIndex.of(rows), moment(axis(50)), always, merchant="a")
    assert set(found) == {"a-1000", "a-2000"}


def test_an_ignored_merchant_tells_no_variant() -> None:
    index = catalog()
    frames = noise(0, 200)
    stats = fit_visual_stats(frames, np.arange(200), index, segments=200)
    config = LinkingConfig(trust={"bad": Trust.IGNORED})
    video = LinkableVideo("v", ("SKU-02-S",), (moment(axis(2)),), "bad")
    (found,) = Linker(index, "shop", stats, CALIBRATION, config).link([video])
    assert {link.variant for link in found if link.score >= 0.5} == {VariantState.UNKNOWN}
