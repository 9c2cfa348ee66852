"""How frequent in a catalog is what tells its products apart, counted once for many nights."""

from collections import Counter
from collections.abc import Sequence

from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.visual_stats import CatalogCounts


def counts_of(catalog: CatalogIndex, products: int, sketch: Sequence[str]) -> CatalogCounts:
    """Count in a catalog, or in some products of one that has `products` of them.

    `sketch` is of all. What only one group has needs no count.
    """
    scale = products / max(len(catalog), 1)

    def scaled(counts: Counter[str]) -> dict[str, int]:
        found = {text: round(count * scale) for text, count in counts.items()}
        return {text: count for text, count in found.items() if count > 1}

    words, groups = catalog.printed_on_groups
    printed = Counter(dict(zip(words, groups.sizes().tolist(), strict=True)))
    prices = {price: round(count * scale) for price, count in catalog.prices.items()}
    return CatalogCounts(
        groups=max(round(len(catalog.groups) * scale), 1),
        names=scaled(Counter(w for name in catalog.group_names for w in set(name.words))),
        printed=scaled(printed),
        prices={price: count for price, count in prices.items() if count > 1},
        languages=catalog.analyzer.languages,
        currency=catalog.usual_currency,
        sketch=tuple(sketch),
    )
