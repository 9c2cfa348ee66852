"""Names are found through few of their words as they would be through all."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.indexer.text.analyzer import analyzer_of
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.names import NameIndex
from tests.support.catalogs import product

ANALYZER = analyzer_of("simple")
# Few words, so that names share them; some differ by a letter.
WORDS = ("velvet", "velvets", "cushion", "walnut", "walnot", "desk", "lamp", "large", "red", "oak")
TITLES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)


@settings(deadline=None)
@given(
    titles=st.lists(TITLES, min_size=1, max_size=12),
    text=st.lists(st.sampled_from((*WORDS, "the", "of", "lam", "cusion")), max_size=9),
    least=st.sampled_from([0.4, 0.5, 0.7, 0.9]),
)
def test_a_higher_threshold_finds_the_same_names(
    titles: list[str], text: list[str], least: float
) -> None:
    """Few words of each name are looked up where much of it is asked for, and no name is lost."""
    products = [product(f"P-{place:02d}", title, "1.00") for place, title in enumerate(titles)]
    catalog = CatalogIndex.of(products, "simple")
    said = " ".join(text)
    every = NameIndex(catalog.names, {}, ANALYZER, least=0.0).find(said)
    found = NameIndex(catalog.names, {}, ANALYZER, least=least).find(said)
    assert {m.number: m.coverage for m in found} == {
        m.number: m.coverage for m in every if m.coverage > least
    }


def test_of_a_family_larger_than_what_is_looked_at_the_one_that_is_named_is_found() -> None:
    products = [product(f"P-{n:04d}", f"Norda velvet cushion n{n}", "1.00") for n in range(600)]
    catalog = CatalogIndex.of(products, "simple")
    names = NameIndex(catalog.names, {}, ANALYZER)
    first = names.find("this is the norda velvet cushion n431")[0]
    assert catalog.products[first.number].product.sku == "P-0431"
