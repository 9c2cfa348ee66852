"""Changing the rows of a table in one commit, at a cost that follows the rows and not the table.

Lance's merge looks at the key of every row there is. Here new rows are written as fragments of
their own, and rows that go are marked in the fragments that hold them; both become visible at once,
or neither does, and as any commit it fails where a fence was set since the version it starts from
(`reelshelf.indexer.store.fence`).
"""

import lance
import numpy as np
import pyarrow as pa
from lance.fragment import write_fragments

# The upper half of a row's address is the number of its fragment.
_FRAGMENT_SHIFT = 32


def change_rows(dataset: lance.LanceDataset, rows: pa.Table, gone: str | None) -> None:
    """Add rows, and take those away that the filter `gone` holds for."""
    added = write_fragments(rows, dataset) if rows.num_rows else []
    holders = _fragments_with(dataset, gone) if gone is not None else []
    if not added and not holders:
        return
    operation: lance.LanceOperation.BaseOperation = lance.LanceOperation.Append(added)
    if holders:
        assert gone is not None
        left = {number: dataset.get_fragment(number).delete(gone) for number in holders}
        operation = lance.LanceOperation.Update(
            removed_fragment_ids=[number for number, kept in left.items() if kept is None],
            updated_fragments=[kept for kept in left.values() if kept is not None],
            new_fragments=added,
        )
    lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)


def _fragments_with(dataset: lance.LanceDataset, where: str) -> list[int]:
    """The numbers of the fragments that hold rows which a filter holds for."""
    scanner = dataset.scanner(columns=[], filter=where, with_row_address=True)
    addresses = scanner.to_table()["_rowaddr"].to_numpy()
    found: list[int] = np.unique(addresses >> np.uint64(_FRAGMENT_SHIFT)).tolist()
    return found
