"""Vector indexes: trained by FAISS, kept by Lance, measured, grown; duplicates found with them."""

from reelshelf.indexer.index.build import VECTOR_COLUMNS, Builder, build_indexes
from reelshelf.indexer.index.duplicates import cluster_duplicates, clusters_of
from reelshelf.indexer.index.encode import TaskMapper, in_turn
from reelshelf.indexer.index.inspect import IndexFacts, index_facts, index_names, indexed_ids
from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.index.queries import QuerySet, query_sets
from reelshelf.indexer.index.recall import (
    GroundTruth,
    Measured,
    agreement,
    exact_searches,
    measure_recall,
    search,
    spread_searches,
)

__all__ = [
    "VECTOR_COLUMNS",
    "Builder",
    "GroundTruth",
    "IndexFacts",
    "Measured",
    "QuerySet",
    "TaskMapper",
    "agreement",
    "build_indexes",
    "cluster_duplicates",
    "clusters_of",
    "exact_searches",
    "in_turn",
    "index_facts",
    "index_names",
    "indexed_ids",
    "measure_recall",
    "query_sets",
    "sample_vectors",
    "search",
    "spread_searches",
]
