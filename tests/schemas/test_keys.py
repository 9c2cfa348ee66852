import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.schemas.keys import child_key, fingerprint, product_key, segment_key, video_key

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(names, names, names, names)
def test_two_videos_share_a_key_only_if_they_are_one(a: str, b: str, c: str, d: str) -> None:
    assert (video_key(a, b) == video_key(c, d)) == ((a, b) == (c, d))


def test_a_product_and_a_video_of_one_name_have_different_keys() -> None:
    assert video_key("shop", "x") != product_key("shop", "x")


def test_keys_are_the_same_in_every_process_and_release() -> None:
    # Rows written years ago must still be found: these values may never change.
    video = video_key("shop", "clip-1")
    assert video == "5b838f4b-177c-54ab-a297-de50b9859814"
    assert segment_key(video, "00", 0, 1000, "f") == "32157711-57eb-52ff-be3c-b5896eadab97"


@pytest.mark.parametrize(
    "changed", [("1", 0, 9, "f"), ("0", 1, 9, "f"), ("0", 0, 8, "f"), ("0", 0, 9, "g")]
)
def test_a_segment_key_depends_on_each_of_its_parts(changed: tuple[str, int, int, str]) -> None:
    video = video_key("shop", "clip")
    assert segment_key(video, *changed) != segment_key(video, "0", 0, 9, "f")


def test_a_fingerprint_ignores_the_order_of_keys_and_nothing_else() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_a_fingerprint_takes_any_text_a_stranger_wrote() -> None:
    assert fingerprint("\ud800") != fingerprint("\ud801")


def test_child_keys_keep_their_parts_apart() -> None:
    parent = video_key("shop", "clip")
    assert child_key(parent, "ab", "c") != child_key(parent, "a", "bc")
