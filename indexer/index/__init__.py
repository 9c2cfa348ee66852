"""Vector indexes: trained by FAISS, kept by Lance, measured, grown; duplicates found with them."""

from reelshelf.indexer.index.build import VECTOR_COLUMNS, Builder, build_indexes
from reelshelf.indexer.index.duplicates import cluster_duplicates
from reelshelf.indexer.index.inspect import IndexFacts, index_facts, index_names
from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.index.recall import (
    Measured,
    agreement,
    exact_search,
    interpolate,
    measure_recall,
)

__all__ = [
    "VECTOR_COLUMNS",
    "Builder",
    "IndexFacts",
    "Measured",
    "agreement",
    "build_indexes",
    "cluster_duplicates",
    "exact_search",
    "index_facts",
    "index_names",
    "interpolate",
    "measure_recall",
    "sample_vectors",
]
