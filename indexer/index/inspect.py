"""What Lance says of an index: which rows it covers, in which partitions, by which metric."""

import os
from dataclasses import dataclass

import lance
import numpy as np
import numpy.typing as npt
from lance.file import LanceFileReader

# Where a vector index keeps its rows, and what they are called there.
_ROWS_FILE, _ROW_ID = "auxiliary.idx", "_rowid"

# Lance would otherwise put every centroid into its statistics, and say so each time.
os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """One index as it stands. `partitions` are rows in each, over all segments."""

    kind: str
    metric: str
    segments: int
    partitions: tuple[int, ...]
    sub_vectors: int
    unindexed: int

    @property
    def imbalance(self) -> float:
        """How many times as large as the mean partition the largest one is."""
        total = sum(self.partitions)
        return max(self.partitions) * len(self.partitions) / total if total else 1.0


def index_facts(dataset: lance.LanceDataset, name: str) -> IndexFacts:
    """Facts of an index. KeyError where there is none of that name."""
    if name not in {index.name for index in dataset.describe_indices()}:
        raise KeyError(name)
    found = dataset.stats.index_stats(name)
    parts = found["indices"]
    sizes = [[p["size"] for p in part.get("partitions", [])] for part in parts]
    metrics = {str(part.get("metric_type", "")) for part in parts}
    widths = {int(part.get("sub_index", {}).get("num_sub_vectors", 0)) for part in parts}
    uneven = len({len(size) for size in sizes}) > 1
    return IndexFacts(
        kind=str(found["index_type"]),
        metric="/".join(sorted(metrics)),
        segments=len(parts),
        partitions=() if uneven else tuple(sum(column) for column in zip(*sizes, strict=True)),
        sub_vectors=widths.pop() if len(widths) == 1 else -1,
        unindexed=int(found["num_unindexed_rows"]),
    )


def index_names(dataset: lance.LanceDataset, column: str) -> list[str]:
    """Names of the indexes on a column, each once."""
    return sorted(i.name for i in dataset.describe_indices() if i.field_names == [column])


def fragments_without(dataset: lance.LanceDataset, name: str) -> list[int]:
    """Fragments whose rows an index does not cover."""
    covered: set[int] = set()
    for index in dataset.describe_indices():
        if index.name == name:
            covered |= {number for part in index.segments for number in part.fragment_ids}
    return sorted({piece.fragment_id for piece in dataset.get_fragments()} - covered)


def index_segments(dataset: lance.LanceDataset, name: str) -> list[tuple[str, frozenset[int]]]:
    """The segments of an index: the id of each, and the fragments whose rows it holds."""
    found = [index for index in dataset.describe_indices() if index.name == name]
    return [(str(s.uuid), frozenset(s.fragment_ids)) for index in found for s in index.segments]


def indexed_ids(
    dataset: lance.LanceDataset, segment: str, options: dict[str, str] | None
) -> npt.NDArray[np.uint64]:
    """The ids of all rows that a segment holds, deleted ones too, and twice what it holds twice.

    Read from its own file: what an index says of itself is a count. `options` are those that the
    dataset was opened with.
    """
    path = f"{dataset.uri.rstrip('/')}/_indices/{segment}/{_ROWS_FILE}"
    reader = LanceFileReader(path, storage_options=options, columns=[_ROW_ID])
    batches = reader.read_all().to_batches()
    return np.concatenate(
        [np.zeros(0, np.uint64), *(batch.column(_ROW_ID).to_numpy() for batch in batches)]
    )
