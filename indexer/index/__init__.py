"""Vector indexes: trained by FAISS, kept by Lance, measured, grown; duplicates found with them."""

from reelshelf.indexer.index.build import (
    VECTOR_COLUMNS,
    Builder,
    build_indexes,
    full_text_column,
    index_keys,
)
from reelshelf.indexer.index.candidates import FLAT_UP_TO, trained_cells
from reelshelf.indexer.index.duplicates import (
    Comparer,
    cluster_duplicates,
    clusters_of,
    mean_frame,
)
from reelshelf.indexer.index.gpus import gpus_for
from reelshelf.indexer.index.inspect import (
    IndexFacts,
    index_facts,
    index_names,
    index_segments,
    indexed_ids,
)
from reelshelf.indexer.index.linkers import (
    LinkerRecipe,
    is_large,
    linker_among,
    linker_of,
    prepared,
)
from reelshelf.indexer.index.parts import ColumnPart, TaskMapper, column_parts, in_turn
from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.index.queries import QuerySet, query_sets
from reelshelf.indexer.index.recall import (
    GroundTruth,
    Measured,
    agreement,
    exact_searches,
    map_exact_searches,
    measure_recall,
    search,
)

__all__ = [
    "FLAT_UP_TO",
    "VECTOR_COLUMNS",
    "Builder",
    "ColumnPart",
    "Comparer",
    "GroundTruth",
    "IndexFacts",
    "LinkerRecipe",
    "Measured",
    "QuerySet",
    "TaskMapper",
    "agreement",
    "build_indexes",
    "cluster_duplicates",
    "clusters_of",
    "column_parts",
    "exact_searches",
    "full_text_column",
    "gpus_for",
    "in_turn",
    "index_facts",
    "index_keys",
    "index_names",
    "index_segments",
    "indexed_ids",
    "is_large",
    "linker_among",
    "linker_of",
    "map_exact_searches",
    "mean_frame",
    "measure_recall",
    "prepared",
    "query_sets",
    "sample_vectors",
    "search",
    "trained_cells",
]
