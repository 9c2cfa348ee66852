"""Nearest rows of one vector column, with the parameters that a release is searched with."""

import uuid

from lancedb.query import LanceVectorQueryBuilder
from lancedb.table import Table

from reelshelf.indexer.store.rows import Cells
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex


def nearest(
    table: Table,
    column: str,
    vector: Vectors,
    index: VectorIndex,
    depth: int,
    columns: list[str],
    *,
    other_than: str | None = None,
) -> list[Cells]:
    """Rows nearest by cosine, flat or through the index as the release says.

    `other_than` leaves out the rows of one video, by its derived key.
    """
    query = query_for(table, column, vector, index).select([*columns, "_distance"]).limit(depth)
    if other_than is not None:
        query = query.where(f"video_key != '{uuid.UUID(other_than)}'", prefilter=True)
    rows: list[Cells] = query.to_arrow().to_pylist()
    return rows


def query_for(
    table: Table, column: str, vector: Vectors, index: VectorIndex
) -> LanceVectorQueryBuilder:
    """A query of one vector column with the release's parameters."""
    query = table.search(vector, vector_column_name=column).distance_type("cosine")
    if index.kind == "ivf_pq":
        return query.nprobes(index.nprobes).refine_factor(index.refine_factor)
    return query.bypass_vector_index()
