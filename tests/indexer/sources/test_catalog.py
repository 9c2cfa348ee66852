import json
import os
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelshelf.indexer.sources import catalog, videos
from reelshelf.indexer.sources.catalog import CatalogRead
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.local import inside
from reelshelf.indexer.sources.videos import VideosRead
from reelshelf.indexer.text.clean import clean_text
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import InputError

ROWS = [
    {
        "sku": "A-1",
        "title": "Red Lamp",
        "category": ["Home", "Light"],
        "price": 2.74,
        "images": ["a.png", "b.png"],
        "attributes": {"color": "red"},
    },
    {"sku": "A-2", "title": "Blue Vase"},
]


def read_catalog(path: Path) -> CatalogRead:
    return catalog.read_catalog(str(path), Files(StorageConfig()))


def read_videos(path: Path) -> VideosRead:
    return videos.read_videos(str(path), Files(StorageConfig()))


def write_jsonl(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_jsonl_csv_and_parquet_give_the_same_products(tmp_path: Path) -> None:
    lines = write_jsonl(tmp_path / "p.jsonl", list(ROWS))
    table = tmp_path / "p.csv"
    table.write_text(
        "sku,title,category,price,images,attributes\n"
        'A-1,Red Lamp,Home|Light,2.74,a.png|b.png,"{""color"": ""red""}"\n'
        "A-2,Blue Vase,,,,\n"
    )
    columns = tmp_path / "p.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), columns)
    first, second, third = ([*read_catalog(p).products] for p in (lines, table, columns))
    assert first == second == third
    assert first[0].price == Decimal("2.74")
    assert first[0].attributes == (("color", "red"),)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"title": "x"}, "sku: field required"),
        ({"sku": " ", "title": "x"}, "sku: field required"),
        ({"sku": "S", "title": None}, "title: "),
        ({"sku": "S", "title": "x", "price": "12,99 quids"}, "price: .*got '12,99 quids'"),
        ({"sku": "S", "title": "x", "price": -1}, "price: is no price: it is negative"),
        ({"sku": "S", "title": "x", "attributes": 7}, "attributes: .*must be a JSON object"),
        (["a", "list"], "is not a JSON object"),
    ],
)
def test_a_bad_row_is_reported_and_does_not_stop_the_rest(
    tmp_path: Path, row: object, reason: str
) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", [ROWS[0], row, ROWS[1]])
    read = read_catalog(path)
    assert [p.sku for p in read.products] == ["A-1", "A-2"]
    (refused,) = read.rejected
    assert (refused.source, refused.line) == ("p.jsonl", 2)
    assert re.search(reason, refused.reason), refused.reason


def test_the_first_of_two_rows_with_one_sku_wins(tmp_path: Path) -> None:
    again = {"sku": "A-1", "title": "Another"}
    read = read_catalog(write_jsonl(tmp_path / "p.jsonl", [*ROWS, again]))
    assert read.products[0].title == "Red Lamp"
    assert (read.rejected[0].line, read.rejected[0].item_id) == (3, "A-1")


def test_a_number_as_sku_is_taken_as_text(tmp_path: Path) -> None:
    read = read_catalog(write_jsonl(tmp_path / "p.jsonl", [{"sku": 12345, "title": "x"}]))
    assert read.products[0].sku == "12345"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["sku", "title", "price", "images", "category", "attributes", "rating"])
# A file that begins with a list is one, and its rows are what is in it.
rows = st.lists(st.dictionaries(fields, json_values, max_size=7) | json_values, max_size=6).filter(
    lambda given_rows: not (given_rows and isinstance(given_rows[0], list))
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows)
def test_every_line_becomes_a_product_or_a_reason(tmp_path: Path, given_rows: list[object]) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given_rows))
    read = read_catalog(path)
    assert len(read.products) + len(read.rejected) == len(given_rows)


@given(st.text(st.characters()))
def test_cleaned_text_can_be_stored_and_shown(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\t\n\r" for c in cleaned)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "http://localhost/x", "a\0b"])
def test_pictures_outside_the_folder_are_not_reached(tmp_path: Path, name: str) -> None:
    assert inside(str(tmp_path), name) is None


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (root / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    assert inside(str(root), "link.mp4") is None
    read = read_videos(root)
    assert not read.videos
    assert read.rejected[0].item_id == "link.mp4"


def test_a_folder_lists_videos_and_says_what_it_left_out(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.mp4", "sub/b.MOV", "notes.txt", "bare"):
        (tmp_path / name).write_bytes(b"x")
    read = read_videos(tmp_path)
    assert [v.video_id for v in read.videos] == ["a.mp4", "bare", "sub/b.MOV"]
    assert [s.video_id for s in read.skipped] == ["notes.txt"]


def test_a_file_name_that_is_not_utf8_gets_a_readable_id(tmp_path: Path) -> None:
    (tmp_path / "ok.mp4").write_bytes(b"x")
    with open(bytes(tmp_path) + b"/bad\xff.mp4", "wb") as file:  # noqa: PTH123
        file.write(b"x")
    assert [v.video_id for v in read_videos(tmp_path).videos] == ["bad\\xff.mp4", "ok.mp4"]


def test_a_manifest_row_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    rows = [{"video_id": "v", "file": "../x.mp4"}, {"video_id": "w", "file": "w.mp4"}]
    read = read_videos(write_jsonl(tmp_path / "v.jsonl", list(rows)))
    assert [v.video_id for v in read.videos] == ["w"]
    assert read.rejected[0].reason == "file: lies outside the manifest's folder"


@pytest.mark.parametrize("name", ["p.xlsx", "missing.jsonl"])
def test_a_catalog_that_cannot_be_read_at_all_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=name):
        read_catalog(tmp_path / name)


def test_lists_in_csv_are_trimmed(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("video_id,file,merchant_skus\nv,v.mp4,A-1 | A-2\n")
    assert read_videos(path).videos[0].merchant_skus == ("A-1", "A-2")


@pytest.mark.parametrize(
    "row", ['{"sku": "S", "title": "x", "updated_at": "0001-01-01T00:00:00+01:00"}', "1" * 5000]
)
def test_values_at_the_edge_are_refused_with_their_row(tmp_path: Path, row: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(row + "\n" + json.dumps(ROWS[1]) + "\n")
    read = read_catalog(path)
    assert [p.sku for p in read.products] == ["A-2"]
    assert read.rejected[0].line == 1


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"x")
    assert [s.reason for s in read_videos(tmp_path).skipped] == ["hidden file"]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_a_list_without_the_columns_it_needs_names_those_it_has(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("csv"):
        path.write_text("Handle;Title;Price\nk;Kettle;9,90\n")
        found = r"'Handle', 'Title', 'Price' \(parted by semicolons\)"
    else:
        pq.write_table(pa.table({"Handle": ["k"], "Title": ["Kettle"]}), path)
        found = "'Handle', 'Title'"
    with pytest.raises(InputError, match=f"columns found are {found}; needed are sku and title"):
        read_catalog(path)


def test_a_row_without_what_it_needs_names_what_it_has(tmp_path: Path) -> None:
    read = read_catalog(write_jsonl(tmp_path / "p.jsonl", [{"id": 1, "name": "x"}, ROWS[1]]))
    assert "sku: field required (the row has id, name)" in read.rejected[0].reason


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_array_is_read(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(ROWS, indent=indent))
    assert [p.sku for p in read_catalog(path).products] == ["A-1", "A-2"]


def test_unused_columns_of_parquet_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    never = pa.array([2**50, 2**50], pa.timestamp("s", "Europe/Berlin"))
    nanos = pa.array([1, 2], pa.timestamp("ns"))
    columns = {"sku": ["A", "B"], "title": ["a", "b"], "valid_until": never, "loaded_at": nanos}
    pq.write_table(pa.table(columns), path)
    assert [p.sku for p in read_catalog(path).products] == ["A", "B"]


def test_a_cell_out_of_range_refuses_its_row(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    times = pa.array([0, 2**40, None], pa.timestamp("s", "Mars/Olympus"))
    nanos = pa.array([1_700_000_000_000_000_001] * 3, pa.timestamp("ns"))
    columns = {"sku": ["A", "B", "C"], "title": ["a", "b", "c"]}
    pq.write_table(pa.table(columns | {"published_at": times, "updated_at": nanos}), path)
    read = read_catalog(path)
    assert [p.sku for p in read.products] == ["A", "C"]
    assert [p.updated_at.year for p in read.products if p.updated_at] == [2023, 2023]
    (refused,) = read.rejected
    assert (refused.line, refused.item_id) == (2, "B")
    assert "published_at" in refused.reason


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv", "p.parquet"])
def test_nan_is_a_missing_value(tmp_path: Path, name: str) -> None:
    path, nan = tmp_path / name, float("nan")
    row = {"sku": "A", "title": "a", "brand": "x", "price": nan, "rating": nan}
    if name.endswith("jsonl"):
        write_jsonl(path, [row | {"brand": nan, "images": [nan], "attributes": {"size": nan}}])
    elif name.endswith("csv"):
        path.write_text("sku,title,price,rating,sales\nA,a,NaN,nan,nan\n")
    else:
        pq.write_table(pa.Table.from_pylist([row]), path)
    (product,) = read_catalog(path).products
    assert (product.price, product.rating, product.images, product.attributes) == (
        None, None, (), ()
    )  # fmt: skip


def test_entities_are_decoded_where_people_read_and_nowhere_else(tmp_path: Path) -> None:
    row = {
        "sku": "A&amp;B",
        "title": "Caf&eacute; Table &#8220;Nord&#x201d; &lt;R&D&gt; &copy",
        "brand": "Smith &amp; Sons",
        "category": ["Home &amp; Garden"],
        "description": "soft &#8238;&#0;cover",
        "attributes": {"fit": "S&ndash;M"},
        "images": ["a&amp;b.png"],
    }
    (product,) = read_catalog(write_jsonl(tmp_path / "p.jsonl", [row])).products
    assert product.title == "Café Table “Nord” <R&D> &copy"
    assert (product.brand, product.category) == ("Smith & Sons", ("Home & Garden",))
    assert (product.description, product.attributes) == ("soft \ufffdcover", (("fit", "S–M"),))
    assert (product.sku, product.images) == ("A&amp;B", ("a&amp;b.png",))


@pytest.mark.parametrize("name", ["videos", "videos.jsonl"])
def test_a_source_that_is_not_there_is_called_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="there is no such file or folder"):
        read_videos(tmp_path / name)


def test_hidden_folders_are_left_out_like_hidden_files(tmp_path: Path) -> None:
    for name in (".Trash-1000/files/a.mp4", "sub/.cache/b.mp4", "sub/c.mp4", ".d.mp4"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    read = read_videos(tmp_path / "root")
    assert [v.video_id for v in read.videos] == ["sub/c.mp4"]
    assert {s.video_id: s.reason for s in read.skipped} == {
        ".Trash-1000": "hidden folder",
        "sub/.cache": "hidden folder",
        ".d.mp4": "hidden file",
    }


def test_a_root_below_a_hidden_folder_is_meant(tmp_path: Path) -> None:
    root = tmp_path / ".media" / "videos"
    root.mkdir(parents=True)
    (root / "a.mp4").write_bytes(b"x")
    assert [v.video_id for v in read_videos(root).videos] == ["a.mp4"]


def test_of_two_files_with_one_id_one_is_refused_by_its_name(tmp_path: Path) -> None:
    for raw in (b"bad\xff.mp4", rb"bad\xff.mp4"):
        with open(bytes(tmp_path) + b"/" + raw, "wb") as file:  # noqa: PTH123
            file.write(b"x")
    read = read_videos(tmp_path)
    (video,) = read.videos
    assert (video.video_id, Path(video.path).name) == ("bad\\xff.mp4", "bad\\xff.mp4")
    (refused,) = read.rejected
    assert refused.item_id == video.video_id
    assert "another file has this id already" in refused.reason


@pytest.mark.parametrize("name", ["00001.MTS", "a.M2T", "a.vob", "a.qt", "a.ogm"])
def test_what_the_decoder_takes_is_a_video_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert [v.video_id for v in read_videos(tmp_path).videos] == [name]


def test_names_of_videos_are_those_of_the_decoders_containers() -> None:
    import av

    from reelshelf.indexer.media.tracks import CONTAINERS

    beside = {"m4a", "m4b", "isma", "mka", "mks", "ogg", "wma", "avif", "heic", "heif"}
    named = set()
    for container in CONTAINERS:
        for mode in ("r", "w"):
            try:
                named |= av.ContainerFormat(container, mode).extensions
            except ValueError:
                continue
    assert {f".{name}" for name in named - beside} <= videos.VIDEO_SUFFIXES


def test_what_is_left_of_a_description_is_no_product(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "sku,title,description,price\n"
        'A,Cap,"Screen of 24", bright\nsoft, warm, nice\nend",9.99\n'
        "B,Short row\nC,Lamp,plain,3\n"
    )
    read = read_catalog(path)
    # The first holds part of its description where its price should be.
    assert [p.sku for p in read.products] == ["B", "C"]
    assert [r.line for r in read.rejected] == [2, 3, 4]


def test_a_list_with_spaces_after_its_commas_reads(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("sku, title, brand\nA, Lamp\nB, Vase, Acme\n")
    assert [p.title for p in read_catalog(path).products] == ["Lamp", "Vase"]


def test_a_folder_that_cannot_be_listed_is_refused_and_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / ".data" / "videos"
    (root / "sub").mkdir(parents=True)
    (root / "a.mp4").write_bytes(b"x")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    read = read_videos(root)
    assert [v.video_id for v in read.videos] == ["a.mp4"]
    assert not read.skipped
    assert [(r.item_id, r.reason) for r in read.rejected] == [
        ("sub", "cannot be listed: Permission denied")
    ]
