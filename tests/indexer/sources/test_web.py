"""Files on a web server: only where the config allows, bounded, and once as long as they stay."""

import gzip
from collections.abc import Iterator

import pytest

from reelshelf.indexer.sources.catalog import read_catalog
from reelshelf.indexer.sources.files import Files
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from tests.support.web_shop import WebShop, serving


@pytest.fixture
def shop() -> Iterator[WebShop]:
    with serving(WebShop({"/pics/a.jpg": b"a" * 100}, {"/pics/a.jpg": '"one"'})) as found:
        yield found


def files_of(shop: WebShop) -> Files:
    return Files(StorageConfig(allow=(f"{shop.url}/pics",)))


def test_only_what_is_allowed_is_asked_for(shop: WebShop) -> None:
    files = files_of(shop)
    assert files.resolve("/catalog", f"{shop.url}/pics/a.jpg") == f"{shop.url}/pics/a.jpg"
    for other in (
        f"{shop.url}/other/a.jpg",
        f"{shop.url}/pics/../other/a.jpg",
        shop.url.replace("127.0.0.1", "localhost") + "/pics/a.jpg",
        shop.url.replace("http:", "https:") + "/pics/a.jpg",
        "file:///etc/passwd",
        f"{shop.url}/pics/%2e%2e/other/a.jpg",
        f"{shop.url}/pics/..%2fother/a.jpg",
        f"{shop.url}/pics/..\\other/a.jpg",
        "https://[x/y.jpg",
        "https://h\u2100/x.jpg",
    ):
        assert files.resolve("/catalog", other) is None
    assert Files(StorageConfig()).resolve("/catalog", f"{shop.url}/pics/a.jpg") is None
    assert shop.asked == []


def test_a_stamp_changes_with_the_etag_and_sends_nothing(shop: WebShop) -> None:
    files, url = files_of(shop), f"{shop.url}/pics/a.jpg"
    first = files.stamp(url)
    assert files.stamp(url) == first
    shop.etags["/pics/a.jpg"] = '"two"'
    assert files.stamp(url) != first
    assert all(line.startswith("HEAD") for line in shop.asked)


def test_a_file_without_etag_or_date_always_counts_as_new(shop: WebShop) -> None:
    files, url = files_of(shop), f"{shop.url}/pics/a.jpg"
    shop.etags.clear()
    assert files.stamp(url) != files.stamp(url)


def test_a_server_without_head_is_asked_by_get(shop: WebShop) -> None:
    shop.head = False
    assert files_of(shop).stamp(f"{shop.url}/pics/a.jpg").version == '"one"'


def test_what_is_too_large_is_not_kept(shop: WebShop) -> None:
    with (
        pytest.raises(MediaError) as told,
        files_of(shop).local(f"{shop.url}/pics/a.jpg", max_bytes=99),
    ):
        pass
    assert told.value.kind is FailureKind.TOO_LARGE


def test_redirects_are_followed_where_they_are_allowed(shop: WebShop) -> None:
    shop.redirects["/pics/old.jpg"] = f"{shop.url}/pics/a.jpg"
    shop.redirects["/pics/out.jpg"] = f"{shop.url}/private/a.jpg"
    files = files_of(shop)
    with files.local(f"{shop.url}/pics/old.jpg", max_bytes=1000) as path:
        assert path.read_bytes() == b"a" * 100
    with pytest.raises(MediaError, match="does not list"):
        files.stamp(f"{shop.url}/pics/out.jpg")
    assert not any("private" in line for line in shop.asked)


def test_stamps_of_many_come_in_order_and_a_missing_one_is_told(shop: WebShop) -> None:
    shop.files |= {f"/pics/{n}.jpg": b"x" * n for n in range(40)}
    shop.etags |= {f"/pics/{n}.jpg": f'"{n}"' for n in range(40)}
    wanted = [f"{shop.url}/pics/{n}.jpg" for n in (*range(40), 99)]
    found = list(files_of(shop).stamps(wanted))
    assert [stamp.size for stamp in found[:-1]] == list(range(40))  # type: ignore[union-attr]
    assert isinstance(found[-1], MediaError)
    assert "404" in str(found[-1])


def test_what_was_not_sent_whole_is_told(shop: WebShop) -> None:
    shop.short = 10
    with (
        pytest.raises(MediaError, match="was not sent whole"),
        files_of(shop).local(f"{shop.url}/pics/a.jpg", max_bytes=1000),
    ):
        pass


def test_names_with_spaces_and_letters_of_any_language_are_asked_for(shop: WebShop) -> None:
    shop.files["/pics/a%20b%20%C3%B6.jpg"] = b"x"
    location = files_of(shop).resolve("/catalog", f"{shop.url}/pics/a b ö.jpg")
    assert location is not None
    with files_of(shop).local(location, max_bytes=10) as path:
        assert path.read_bytes() == b"x"


def test_a_packed_list_on_a_server_keeps_its_kind(shop: WebShop) -> None:
    shop.files["/pics/p.csv.gz"] = gzip.compress(b"sku,title\nA,Lamp\n")
    found = read_catalog(f"{shop.url}/pics/p.csv.gz", files_of(shop))
    assert [product.sku for product in found.products] == ["A"]
