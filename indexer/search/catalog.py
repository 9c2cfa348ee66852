"""A catalog as search reads it: arrays, of which nothing is an object for each product."""

from dataclasses import dataclass

from reelshelf.indexer.search.cells import NewVectors, VectorCells, in_memory
from reelshelf.indexer.search.columns import ColumnsReader, ProductColumns
from reelshelf.indexer.search.negation import is_negation
from reelshelf.indexer.search.vocabulary import Vocabulary, VocabularyReader
from reelshelf.indexer.search.words import ProductText, ProductWords, WordsReader
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
    def of(cls, catalog: CatalogIndex, new: NewVectors = in_memory) -> "SearchedCatalog":
        """The same of a catalog, of which one product after the other is read.

        `new` makes what vectors are written into.
        """
        analyzer = catalog.analyzer
        columns, words = ColumnsReader(), WordsReader(analyzer)
        vocabulary = VocabularyReader(analyzer, is_negation)
        for item in catalog.products:
            columns.add(item.product)
            text = ProductText.read(item.product, analyzer)
            words.add(text)
            vocabulary.add(text)
        made = columns.made(catalog.groups.of)
        return cls(
            analyzer,
            made,
            words.made(),
            vocabulary.made(made),
            VectorCells.of(catalog.facts_vectors, new=new),
        )

    def __len__(self) -> int:
        return len(self.columns)
