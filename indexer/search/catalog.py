"""A catalog as search reads it: arrays, of which nothing is an object for each product."""

from dataclasses import dataclass

from reelshelf.indexer.search.cells import VectorCells
from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.negation import is_negation
from reelshelf.indexer.search.vocabulary import Vocabulary
from reelshelf.indexer.search.words import ProductWords
from reelshelf.indexer.text import Analyzer, CatalogIndex


@dataclass(frozen=True, slots=True, eq=False)
class SearchedCatalog:
    """The products of a catalog in SKU order; `facts` are their sentences."""

    analyzer: Analyzer
    columns: ProductColumns
    words: ProductWords
    vocabulary: Vocabulary
    facts: VectorCells

    @classmethod
    def of(cls, catalog: CatalogIndex) -> "SearchedCatalog":
        """The same of a catalog that is in memory."""
        products = [item.product for item in catalog.products]
        columns = ProductColumns.read(products, catalog.groups.of)
        return cls(
            catalog.analyzer,
            columns,
            ProductWords.read(products, catalog.analyzer),
            Vocabulary.read(products, columns, catalog.analyzer, is_negation),
            VectorCells.of(catalog.facts_vectors),
        )

    def __len__(self) -> int:
        return len(self.columns)
