"""One row of several kinds: by how likely each is wanted, with places kept for a kind."""

from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.mixed_row import MixedItem, Scale, mixed
from reelshelf.indexer.search.ranking import Clustered, Ranked

KINDS = ("video", "live", "product")


def item(kind: str, place: int, likely: float, group: int | None = None) -> MixedItem:
    video = None if kind == "product" else Clustered(Ranked(place, place, likely, None), ())
    return MixedItem(kind, place, likely, likely, group, video)  # type: ignore[arg-type]


ITEMS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.floats(0, 1), st.one_of(st.none(), st.integers(0, 3))),
    max_size=12,
)


@given(ITEMS, st.dictionaries(st.integers(0, 9), st.sampled_from(KINDS), max_size=4))
def test_everything_is_shown_once_and_slots_are_kept(
    drawn: list[tuple[str, float, int | None]], slots: dict[int, str]
) -> None:
    items = [item(kind, n, likely, group) for n, (kind, likely, group) in enumerate(drawn)]
    row = list(mixed(items, slots, []))  # type: ignore[arg-type]
    assert sorted(one.place for one in row) == list(range(len(items)))
    for at, kind in slots.items():
        if any(one.kind == kind for one in row[at:]):
            assert row[at].kind == kind


def test_the_likeliest_come_first_and_what_repeats_loses_a_little() -> None:
    items = [item("product", 0, 0.9, 7), item("video", 1, 0.85, 7), item("video", 2, 0.8, 8)]
    assert [one.place for one in mixed(items, {}, [])] == [0, 2, 1]


def test_a_pin_stands_at_its_place_before_any_slot() -> None:
    items = [item("video", 0, 0.9), item("product", 1, 0.8), item("live", 2, 0.1)]
    row = mixed(items, {0: "product"}, [(0, items[2])])
    assert [one.place for one in row] == [2, 0, 1]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_better_score_is_likelier(one: float, other: float) -> None:
    scale = Scale(8.0, -4.5)
    low, high = sorted((one, other))
    assert 0.0 <= scale.probability(low) <= scale.probability(high) <= 1.0
