"""Rows changed in one commit: what is added, what goes, what stays, whatever fragments hold it."""

from pathlib import Path

import lance
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.indexer.store.changing import change_rows

OWNERS = "abcdef"


def rows(owners: str, value: int) -> pa.Table:
    """Two rows for each owner."""
    return pa.table(
        {"owner": [o for o in owners for _ in range(2)], "value": [value] * (2 * len(owners))}
    )


def held(path: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in lance.dataset(str(path)).to_table().to_pylist():
        found.setdefault(row["owner"], []).append(row["value"])
    return found


def among(owners: str) -> str:
    return f"owner IN ({', '.join(map(repr, owners))})"


# Owners with rows that come, and owners whose rows go: mostly the same ones.
CHANGES = st.lists(
    st.tuples(st.sets(st.sampled_from(OWNERS)), st.sets(st.sampled_from(OWNERS))), max_size=6
)


@settings(deadline=None, max_examples=40)
@given(changes=CHANGES)
def test_rows_are_those_of_the_last_change_of_their_owner(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[set[str], set[str]]]
) -> None:
    path = tmp_path_factory.mktemp("changing") / "table.lance"
    lance.write_dataset(rows("abc", 0), str(path), max_rows_per_file=4)
    wanted = {owner: [0, 0] for owner in "abc"}
    for number, (come, go) in enumerate(changes, start=1):
        before = lance.dataset(str(path)).version
        gone = among("".join(sorted(go))) if go else None
        change_rows(lance.dataset(str(path)), rows("".join(sorted(come)), number), gone)
        wanted = {owner: values for owner, values in wanted.items() if owner not in go}
        for owner in come:
            wanted[owner] = [*wanted.get(owner, []), number, number]
        assert lance.dataset(str(path)).version - before <= 1
        assert held(path) == wanted


def test_what_changes_nothing_makes_no_version(tmp_path: Path) -> None:
    path = tmp_path / "table.lance"
    dataset = lance.write_dataset(rows("ab", 0), str(path))
    change_rows(dataset, rows("", 1), among("xyz"))
    assert lance.dataset(str(path)).version == dataset.version


@pytest.mark.parametrize("gone", [None, among("a"), among("xyz")])
def test_a_change_that_began_before_a_fence_fails(tmp_path: Path, gone: str | None) -> None:
    path = tmp_path / "table.lance"
    late = lance.write_dataset(rows("ab", 0), str(path))
    lance.dataset(str(path)).restore()
    with pytest.raises(Exception, match="incompatible with concurrent transaction Restore"):
        change_rows(late, rows("c", 1), gone)
    assert held(path) == {"a": [0, 0], "b": [0, 0]}
