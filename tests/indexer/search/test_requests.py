"""Requests that cannot be answered are refused in words, and so are cursors of something else."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.filters import read_filter
from reelshelf.indexer.search.requests import SearchRequest, next_cursor, read_cursor
from reelshelf.schemas.errors import InputError

REQUEST = SearchRequest("red shoes", page_size=3)


def test_pages_follow_each_other_to_the_end() -> None:
    offsets = []
    request: SearchRequest | None = REQUEST
    while request is not None:
        page = read_cursor(request, "r1", 5)
        assert page.now_ms == 5
        offsets.append(page.offset)
        cursor = next_cursor(request, "r1", page, 8)
        request = replace(REQUEST, cursor=cursor) if cursor else None
    assert offsets == [0, 3, 6]


def test_a_cursor_of_something_else_is_refused() -> None:
    cursor = next_cursor(REQUEST, "r1", read_cursor(REQUEST, "r1", 5), 8)
    with pytest.raises(InputError, match="of release r1, which is not searched any more"):
        read_cursor(replace(REQUEST, cursor=cursor), "r2", 5)
    with pytest.raises(InputError, match="of another request"):
        read_cursor(replace(REQUEST, text="blue shoes", cursor=cursor), "r1", 5)
    other = read_filter(["brand=Acme"])
    with pytest.raises(InputError, match="of another request"):
        read_cursor(replace(REQUEST, filter=other, cursor=cursor), "r1", 5)


def test_pages_after_one_are_made_with_as_much_effort() -> None:
    eased = replace(REQUEST, without=frozenset({"image"}))
    cursor = next_cursor(eased, "r1", read_cursor(eased, "r1", 5), 8)
    assert read_cursor(replace(REQUEST, cursor=cursor), "r1", 5).without == {"image"}
    assert not read_cursor(REQUEST, "r1", 5).without


def test_of_a_text_with_a_picture_the_text_is_asked_where_there_is_no_time() -> None:
    both = replace(REQUEST, image=np.zeros((2, 2, 3), np.uint8))
    assert both.eased(frozenset()).image is not None
    assert both.eased(frozenset({"image"})).image is None
    alone = replace(both, text=None)
    assert alone.eased(frozenset({"image"})).image is not None


@given(st.text(max_size=60))
def test_any_text_as_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        read_cursor(replace(REQUEST, cursor=text), "r1", 5)


@pytest.mark.parametrize(
    ("offset", "now"),
    [("1e999", "5"), ("9" * 40, "5"), ("-3", "5"), ("3", "9" * 40), ("3", "-5"), ("[" * 9000, "5")],
)
def test_a_cursor_with_odd_numbers_is_refused(offset: str, now: str) -> None:
    text = f'{{"r": "r1", "q": "{REQUEST.digest}", "o": {offset}, "t": {now}}}'
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    with pytest.raises(InputError, match="cursor"):
        read_cursor(replace(REQUEST, cursor=cursor), "r1", 5)


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        ({"text": None}, "neither a text nor a picture"),
        ({"page_size": 0}, "page_size: got 0"),
        ({"sort": "cheap"}, "sort: got 'cheap'"),
        ({"rows": "shops"}, "rows: got 'shops'"),
        ({"sort": "price"}, "videos have no price"),
    ],
)
def test_an_odd_request_is_refused(given_: dict[str, object], why: str) -> None:
    with pytest.raises(InputError, match=why):
        replace(REQUEST, **given_)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("brand", "write it as field=value"),
        ("=Acme", "write it as field=value"),
        ("price=10", "write a range"),
        ("price=..", "write a range"),
        ("price=cheap..dear", "'cheap' is no amount"),
        ("published=soon..", "write dates as"),
        ("kind=film", "kind is one of video, live"),
    ],
)
def test_an_odd_filter_is_refused(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_filter([text])
