"""What a text names: titles, codes, brands and bundles, and what it does not."""

from dataclasses import replace

import numpy as np
import pytest

from reelshelf.indexer.linking.brands import Brands
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.titles import NamedGroups
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Calibration, Signal, Trust
from reelshelf.schemas.catalog import EncodedProduct, Product
from reelshelf.schemas.config import LinkingConfig
from reelshelf.schemas.links import LinkableVideo
from reelshelf.schemas.segments import Segment
from tests.support.linking import CALIBRATION, axis, segment


def item(place: int, sku: str, title: str, brand: str | None = None) -> EncodedProduct:
    return EncodedProduct(Product(sku, title, brand=brand), axis(place), axis(place), ())


CATALOG = CatalogIndex.of(
    [
        item(0, "20000", "Garden Hose", "Gardena"),
        item(1, "15000", "Watering Can", "Gardena"),
        item(2, "KE-4711", "Copper Kettle", "Norda"),
        item(3, "MU-1234", "Stoneware Mug", "Norda"),
        item(4, "BU-9999", "Copper Kettle + Stoneware Mug"),
        item(5, "4006381333931", "Text Marker", "Stabil"),
        item(6, "TE-5555", "Tea Towel"),
    ]
)
NAMES = NamedGroups(CATALOG)


def skus(text: str) -> set[str]:
    return {CATALOG.products[group].product.sku for group in NAMES.named(text)}


@pytest.mark.parametrize(
    "text",
    [
        "we reached 20000 followers",
        "call 15 000 for help",
        "15,000 views in one day",
        "it costs 20000",
        "20000 thanks!",
        "my number is 15000",
    ],
)
def test_a_plain_number_names_nothing(text: str) -> None:
    assert skus(text) == set()


@pytest.mark.parametrize(
    ("text", "sku"),
    [
        ("order item 20000 today", "20000"),
        ("Art.-Nr. 15000", "15000"),
        ("SKU: 20000", "20000"),
        ("get it now #20000", "20000"),
        ("型番 20000", "20000"),
        ("货号 20000", "20000"),
        ("código 20000", "20000"),
        ("ke-4711 is back", "KE-4711"),
        ("KE 4711", "KE-4711"),
        ("scan 4006381333931", "4006381333931"),
    ],
)
def test_a_code_with_its_context_names_its_product(text: str, sku: str) -> None:
    assert skus(text) == {sku}


@pytest.mark.parametrize(
    "text", ["#CopperKettle", "#copperkettle", "copperkettle", "the copper kettle", "COPPER KETTLE"]
)
def test_glued_words_and_hashtags_name_products(text: str) -> None:
    assert skus(text) == {"KE-4711"}


def test_a_bundle_names_its_parts() -> None:
    assert skus("Copper Kettle + Stoneware Mug, only today") == {"BU-9999", "KE-4711", "MU-1234"}
    assert skus("a stoneware mug") == {"MU-1234"}


@pytest.mark.parametrize(
    "text",
    ["copper", "a kettle of fish", "the copper was stolen and years later there was a kettle too"],
)
def test_half_a_name_and_words_far_apart_name_nothing(text: str) -> None:
    assert skus(text) == set()


def test_words_that_all_videos_say_name_less() -> None:
    everyone = NamedGroups(CATALOG, {"tea": 0.9, "towel": 0.9})
    assert skus("tea towel") == {"TE-5555"}
    assert everyone.named("tea towel") == {}


def link(
    *segments: Segment,
    weights: dict[Signal, float] | None = None,
    trust: dict[str, Trust] | None = None,
    learned: dict[str, Trust] | None = None,
    declared: tuple[str, ...] = (),
) -> dict[str, float]:
    calibration = Calibration(
        fitted_on="tests",
        pairs=0,
        positives=0,
        bias=-4.0,
        weights=CALIBRATION.weights | (weights or {}),
        trust=learned or {},
    )
    linker = Linker(CATALOG, "shop", None, calibration, LinkingConfig(trust=trust or {}))
    (found,) = linker.link([LinkableVideo("v", declared, segments, "acme")])
    return {link.sku: link.score for link in found}


def test_a_brand_alone_names_nothing_and_raises_what_else_speaks_for() -> None:
    plain = segment(0, axis(50), written="the copper kettle")
    branded = segment(0, axis(50), written="the copper kettle", said="all of norda")
    assert link(segment(0, axis(50), written="Norda sale")) == {}
    weights = {Signal.BRAND: 1.0}
    assert link(branded, weights=weights)["KE-4711"] > link(plain, weights=weights)["KE-4711"]
    brands = Brands(CATALOG)
    named = brands.named(LinkableVideo("v", (), (branded,)))
    raised = {CATALOG.product(g).sku for g in range(len(CATALOG)) if brands.is_of(g, named)}
    assert raised == {"KE-4711", "MU-1234"}


def test_what_a_merchant_declares_is_worth_what_its_trust_says() -> None:
    nothing = segment(0, axis(50))
    declared = ("TE-5555",)
    assert link(nothing, declared=declared).get("TE-5555", 0.0) < 0.5
    for policy in ({"acme": Trust.LINKED}, {"*": Trust.LINKED}):
        assert link(nothing, declared=declared, trust=policy)["TE-5555"] >= 0.9
    assert link(nothing, declared=declared, learned={"acme": Trust.LINKED})["TE-5555"] >= 0.9
    given = {"acme": Trust.IGNORED}
    assert link(nothing, declared=declared, trust=given, learned={"acme": Trust.LINKED}) == {}
    shown = segment(0, axis(50), written="tea towel")
    ignored, prior = (link(shown, declared=declared, trust=t)["TE-5555"] for t in (given, {}))
    assert ignored < prior


def test_links_do_not_depend_on_the_order_of_moments() -> None:
    moments = [segment(n * 2000, axis(50), said=f"copper kettle {n}") for n in range(4)]
    assert link(*moments) == link(*reversed(moments))


def test_numbers_of_groups_are_places_of_products_here() -> None:
    assert np.array_equal(CATALOG.groups.of, np.arange(len(CATALOG)))


def crowded(*others: str) -> CatalogIndex:
    """A kettle by Norda among products whose titles have its words."""
    rivals = [item(10, f"RIVAL-{n:03d}", title) for n, title in enumerate(others)]
    return CatalogIndex.of([item(2, "KE-4711", "Kettle", "Norda"), *rivals])


@pytest.mark.parametrize("caption", ["Kettle", "only today\nKETTLE\n20 %", "Norda Kettle"])
def test_a_line_that_is_a_name_names_it_however_many_have_its_words(caption: str) -> None:
    catalog = crowded(*(f"Kettle {chr(97 + n) * 5}" for n in range(20)))
    kettle = catalog.groups_with(["KE-4711"])[0]
    names = NamedGroups(catalog)
    assert names.named(caption) == {kettle: 1.0}
    assert names.named("my kettle is on, and so is the tea").get(kettle, 0.0) < 0.5


def test_a_line_of_words_that_all_videos_say_is_no_name() -> None:
    catalog = CatalogIndex.of([item(2, "WE-0001", "Welcome"), item(3, "KE-4711", "Kettle")])
    assert NamedGroups(catalog).named("Welcome")
    assert not NamedGroups(catalog, {"welcome": 0.9}).named("Welcome")


def test_a_declaration_leans_on_what_many_rivals_share() -> None:
    meant = axis(2, 40)
    catalog = crowded(*(f"Rival {n}" for n in range(300)))
    everyone = [replace(p, text_vector=meant, facts_vector=meant) for p in catalog.products]
    linker = Linker(
        CatalogIndex.of(everyone),
        "shop",
        None,
        CALIBRATION,
        LinkingConfig(),
    )
    # As many rivals are as near: the share that they leave is less than a hint.
    shown = (segment(0, axis(50), said="it whistles", meant=axis(2, 40, 41)),)
    backed = linker.candidates([LinkableVideo("v", ("RIVAL-299",), shown)])[0]
    declared = next(c for c in backed if linker.skus(c) == ("RIVAL-299",))
    assert Signal.MERCHANT_BACKED in declared.signals
    silent = (segment(0, axis(50), said="it whistles", meant=axis(60)),)
    alone = linker.candidates([LinkableVideo("v", ("RIVAL-299",), silent)])[0]
    assert [c.signals for c in alone] == [{Signal.MERCHANT: 1.0}]
