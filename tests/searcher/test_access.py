"""Who may do what, and how often."""

import hashlib

import pytest

from reelshelf.searcher.access import Access, Denied
from reelshelf.searcher.settings import KeySettings, LimitSettings, SearcherSettings


def key(name: str, text: str, **more: object) -> KeySettings:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return KeySettings(name=name, sha256=digest, **more)  # type: ignore[arg-type]


def test_without_keys_everybody_searches_and_nobody_reviews() -> None:
    access = Access(SearcherSettings())
    assert access.client(None, "1.2.3.4", "search").name == "1.2.3.4"
    with pytest.raises(Denied, match="scope 'review'") as caught:
        access.client(None, "1.2.3.4", "review")
    assert caught.value.status == 401


def test_a_key_for_search_closes_search_to_others() -> None:
    access = Access(SearcherSettings(keys=(key("shop", "abc", filter=("merchant=acme",)),)))
    with pytest.raises(Denied) as caught:
        access.client(None, "1.2.3.4", "search")
    assert caught.value.status == 401
    assert access.client("abc", "1.2.3.4", "search").filter == ("merchant=acme",)
    for wrong in ("abd", "", "abc "):
        with pytest.raises(Denied):
            access.client(wrong, "1.2.3.4", "search")


def test_a_key_for_review_closes_nothing_else_and_may_search_too() -> None:
    access = Access(SearcherSettings(keys=(key("anna", "abc", scopes=("review",)),)))
    assert access.client(None, "1.2.3.4", "search")
    assert access.client("abc", "1.2.3.4", "search").name == "anna"
    assert access.client("abc", "1.2.3.4", "review").name == "anna"


def test_a_key_without_a_scope_is_told_so() -> None:
    access = Access(SearcherSettings(keys=(key("shop", "abc", scopes=("search",)),)))
    with pytest.raises(Denied, match="'shop' has no scope 'review'") as caught:
        access.client("abc", "1.2.3.4", "review")
    assert caught.value.status == 403


def test_each_client_has_its_own_rate() -> None:
    settings = SearcherSettings(
        limits=LimitSettings(rate=2), keys=(key("anna", "abc", scopes=("review",), rate=0),)
    )
    access = Access(settings)
    for _ in range(2):
        access.client(None, "1.2.3.4", "search")
    with pytest.raises(Denied, match="more than 2 requests") as caught:
        access.client(None, "1.2.3.4", "search")
    assert caught.value.status == 429
    access.client(None, "5.6.7.8", "search")
    for _ in range(5):
        access.client("abc", "1.2.3.4", "search")
