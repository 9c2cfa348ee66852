# ruff: noqa: E501 (a table of files reads best a line each)
"""Catalogs as shops export them, odd and hostile ones, each with what must come of it."""

import gzip
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reelshelf.indexer.sources.catalog import read_catalog
from reelshelf.indexer.sources.files import Files
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.config import CatalogFormat, StorageConfig
from reelshelf.schemas.errors import InputError

SHOPIFY = "Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n"
WOO = "ID,Type,SKU,Name,Description,Regular price,Sale price,Categories,Images,Parent,In stock?,Attribute 1 name,Attribute 1 value(s)\n"
GOOGLE = "id\ttitle\tdescription\tlink\timage_link\tadditional_image_link\tprice\tsale_price\tbrand\tproduct_type\titem_group_id\tcolor\n"


@dataclass(frozen=True)
class Case:
    """A file, and the `(sku, title)` of its products; how many rows it refuses, and a word why."""

    name: str
    data: str | bytes
    products: tuple[tuple[str, str], ...] = (("A", "Lamp"), ("B", "Vase"))
    refused: int = 0
    why: str = ""


CASES = [
    # Separators, ends of lines, marks
    Case("semicolon.csv", "sku;title;price\nA;Lamp;19,90\nB;Vase;5\n"),
    Case("tab.tsv", "sku\ttitle\nA\tLamp\nB\tVase\n"),
    Case("tab.txt", "sku\ttitle\nA\tLamp\nB\tVase\n"),
    Case("bar.csv", "sku|title\nA|Lamp\nB|Vase\n"),
    Case("sep.csv", "sep=;\nsku;title\nA;Lamp\nB;Vase\n"),
    Case("mac.csv", "sku,title\rA,Lamp\rB,Vase\r"),
    Case("windows.csv", "sku,title\r\nA,Lamp\r\nB,Vase\r\n"),
    Case("no_end.csv", "sku,title\nA,Lamp\nB,Vase"),
    Case("blank_first.csv", "\n\nsku,title\nA,Lamp\n\nB,Vase\n\n"),
    Case("quoted_header.csv", '"sku","title"\n"A","Lamp"\n"B","Vase"\n'),
    Case("comma_in_header.csv", '"sku";"title";"price, net"\nA;Lamp;1\nB;Vase;2\n'),
    Case("trailing_separators.csv", "sku,title,,\nA,Lamp,,\nB,Vase,,\n"),
    Case("trailing_in_rows.csv", "sku,title\nA,Lamp,,,\nB,Vase,\n"),
    Case("upper_header.csv", "SKU,Title\nA,Lamp\nB,Vase\n"),
    Case("spaced_header.csv", " sku , title \nA,Lamp\nB,Vase\n"),
    Case("twice.csv", "sku,title,title\nA,Lamp,Other\nB,Vase,Other\n"),
    # Encodings
    Case("bom.csv", b"\xef\xbb\xbfsku,title\nA,Lamp\nB,Vase\n"),
    Case("utf16.csv", "sku,title\nA,Lamp\nB,Vase\n".encode("utf-16")),
    Case("utf16be.csv", b"\xfe\xff" + "sku,title\nA,Lamp\nB,Vase\n".encode("utf-16-be")),
    Case("utf16_no_mark.csv", "sku,title\nA,Lamp\nB,Vase\n".encode("utf-16-le")),
    Case("utf16_tabs.txt", "sku\ttitle\nA\tLamp\nB\tVase\n".encode("utf-16")),
    Case("utf16.jsonl", '{"sku":"A","title":"Lamp"}\n{"sku":"B","title":"Vase"}\n'.encode("utf-16")),
    Case("latin1.csv", "sku,title\nA,Café table\nB,Crème\n".encode("latin-1"),
         (("A", "Café table"), ("B", "Crème"))),
    Case("cp1252.csv", "sku,title\nA,Lamp “big”\nB,Vase – 5 €\n".encode("cp1252"),
         (("A", "Lamp “big”"), ("B", "Vase – 5 €"))),
    Case("latin1.jsonl", '{"sku":"A","title":"Caf\xe9"}\n'.encode("latin-1"), (("A", "Café"),)),
    Case("cyrillic.csv", "sku,title\nA,Лампа\nB,Ваза\n".encode("cp1251"), (), -1, "is not UTF-8"),
    Case("japanese.csv", "sku,title\nA,ランプ\nB,花瓶\n".encode("shift-jis"), (), -1, "is not UTF-8"),
    Case("one_damaged.csv", "sku,title\nA,Lampe é ü\nB,".encode() + b"Vas\xe9\nC,Pot\n",
         (("A", "Lampe é ü"), ("C", "Pot")), 1, "not UTF-8"),
    Case("nfd.csv", "sku,title\nA,Cafe\u0301\n", (("A", "Café"),)),
    Case("packed.csv.gz", gzip.compress(b"sku,title\nA,Lamp\nB,Vase\n")),
    Case("packed.jsonl.gz", gzip.compress(b'{"sku":"A","title":"Lamp"}\n')[:-6], (), -1, "cannot be read"),
    # Quotes
    Case("quoted_lines.csv", 'sku,title,description\nA,Lamp,"one\ntwo, three\n""four"""\nB,Vase,x\n'),
    Case("quoted_semicolon.csv", 'sku;title;description\nA;Lamp;"a; b"\nB;Vase;"c\nd"\n'),
    Case("inch.csv", 'sku,title,description\nA,Lamp,a 24" one\nB,Vase,b\n'),
    Case("inch_quoted.csv", 'sku,title,description\nX,Tv,"a\nthe 24" model\nZ,no product\nstill"\nB,Vase,b\n',
         (("B", "Vase"),), 1, r"lines 2 to 5 \(4 lines\)"),
    Case("unclosed.csv", 'sku,title,description\nA,Lamp,a\nX,Tv,"open\nY,y,y\nZ,z,z\n',
         (("A", "Lamp"),), 1, r"lines 3 to 5 \(3 lines\)"),
    Case("unclosed.tsv", 'sku\ttitle\tdescription\nA\tLamp\ta\nX\tTv\t"open\nY\ty\ty\n',
         (("A", "Lamp"),), 1, r"lines 3 to 4 \(2 lines\)"),
    Case("too_many.csv", "sku,title,price\nA,Lamp,1\nX,Tv,19,90\nB,Vase,2\n", refused=1, why="has 4 cells"),
    Case("megabytes.csv", f"sku,title,description\nA,Lamp,{'word ' * 600_000}\nB,Vase,b\n"),
    # JSON
    Case("array.json", '[{"sku":"A","title":"Lamp"},{"sku":"B","title":"Vase"}]'),
    Case("pretty.json", json.dumps([{"sku": "A", "title": "Lamp"}, {"sku": "B", "title": "Vase"}], indent=2)),
    Case("cut.json", '[{"sku":"A","title":"Lamp"},\n{"sku":"B","ti', (("A", "Lamp"),), 1, "not closed"),
    Case("one_bad.json", '[{"sku":"A","title":"Lamp"},\n{"sku":"X" "title":"x"},\n7,\n{"sku":"B","title":"Vase"}]',
         refused=2, why="is not JSON"),
    Case("nested.json", '[{"sku":"A","title":"Lamp","x":{"y":[{"z":"}]"}]}},{"sku":"B","title":"Vase"}]'),
    Case("behind.json", '[{"sku":"A","title":"Lamp"}]\n{"sku":"B","title":"Vase"}', (("B", "Vase"),), 1, "not a JSON object"),
    Case("behind_array.json", '[\n{"sku":"A","title":"Lamp"}]\n{"sku":"B","title":"Vase"}', (("A", "Lamp"),), 1, "behind"),
    Case("lines.json", '{"sku":"A","title":"Lamp"}\n{"sku":"B","title":"Vase"}\n'),
    Case("mixed.jsonl", '[]\n{"sku":"A","title":"Lamp"}\n\n"x"\n', (("A", "Lamp"),), 3, "not a JSON object"),
    Case("nan.jsonl", '{"sku":"A","title":"Lamp","price":NaN,"brand":NaN}\n{"sku":"B","title":"Vase","rating":null}\n'),
    Case("float_sku.jsonl", '{"sku":1001.0,"title":"Lamp"}\n{"sku":1e300,"title":"x"}\n{"sku":1.5,"title":"x"}\n{"sku":true,"title":"x"}\n',
         (("1001", "Lamp"),), 3, "fraction"),
    # Cells
    Case("excel_sku.csv", "sku,title\n1.23E+12,x\nA,Lamp\nB,Vase\n", refused=1, why="spreadsheets"),
    Case("zeros.csv", "sku,title\n00123,Lamp\n123,Vase\n", (("00123", "Lamp"), ("123", "Vase"))),
    Case("twice_sku.csv", "sku,title\nA,Lamp\nA,Other\nB,Vase\n", refused=1, why="earlier row"),
    Case("entities.csv", "sku,title\nA,Caf&eacute; &amp; Bar\nB,<b>Vase</b>\n", (("A", "Café & Bar"), ("B", "Vase"))),
    Case("no_tags.csv", "sku,title\nA,Size <M> & 3 < 4\n", (("A", "Size <M> & 3 < 4"),)),
    Case("control.csv", "sku,title\nA,La\x07mp\nB,V\u202ease\n"),
    Case("no_columns.csv", "a,b\n1,2\n", (), -1, "columns found are 'a', 'b'.*needed are sku and title"),
    Case("empty.csv", "", (), -1, "columns found are none"),
    Case("empty.jsonl", "", ()),
    Case("no.xlsx", b"PK\x03\x04", (), -1, "unknown kind of file"),
    Case("no.parquet", b"PAR1 and no more", (), -1, "is not Parquet"),
    # Programs
    Case("shopify.csv", SHOPIFY + "lamp,Lamp,<p>Fine</p>,Acme,Home,Title,Default Title,A,19.90,l.jpg\n"
         "vase,Vase,,Acme,Home,Size,S,B,5,v.jpg\nvase,,,,,,,,,v2.jpg\n"),
    Case("shopify_no_sku.csv", SHOPIFY + "tee,Tee,,Acme,Wear,Size,S,,9,t.jpg\ntee,,,,,,M,,9,\n",
         (("tee-S", "Tee"), ("tee-M", "Tee"))),
    Case("shopify_no_handle.csv", SHOPIFY + ",Lamp,,Acme,Home,,,A,1,\n,Vase,,Acme,Home,,,B,2,\n,Pot,,Acme,Home,,,,,\n",
         refused=1, why="sku: field required"),
    Case("shopify_options_only.csv", SHOPIFY + "tee,Tee,,Acme,Wear,Size,S,A,9,\ntee,,,,,,M,,,\n", (("A", "Tee"), ("tee-M", "Tee"))),
    Case("woo_same_parents.csv", WOO + ",variable,A,Lamp,d,1,,,,,,,\n,variable,A,Vase,d,1,,,,,,,\n", (("A", "Lamp"),), 1, "earlier row"),
    Case("stray_brace.json", '[{"sku":"A","title":"Lamp"}},\n{"sku":"B","title":"Vase"}]', refused=1, why="not a JSON object"),
    Case("open_string.json", '[{"sku":"X","title":"x},\n{y},\n{z"}, {"sku":"B","title":"Vase"}]', (("B", "Vase"),), 1, "3 lines"),
    Case("nothing.csv", "sku,title,attributes,images\nA,Lamp,nan,NaN\nNone,x,,\nB,Vase,null,\n", refused=1, why="sku: field required"),
    Case("packed_badly.csv.gz", gzip.compress(b"sku,title\nA,Lamp\n" * 50)[:30] + b"xxxxxxxxxxxxxxxx", (), -1, "cannot be read"),
    Case("google_comma.tsv", "id\ttitle\timage_link\nA\tLamp\thttps://h/w_300,h_200/a.jpg\nB\tVase\tb.jpg\n"),
    Case("woo.csv", WOO + "1,simple,A,Lamp,d,10,,Home,l.jpg,,1,,\n2,simple,B,Vase,d,10,8,Home,v.jpg,,0,,\n"),
    Case("woo_variations.csv", WOO + '1,variable,P,Tee,Soft,,,Wear,t.jpg,,1,Size,"S, M"\n'
         "2,variation,A,Tee - S,,9,,,,P,1,Size,S\n3,variation,B,Tee - M,,9,,,,id:1,1,Size,M\n",
         (("A", "Tee - S"), ("B", "Tee - M"))),
    Case("woo_parent_alone.csv", WOO + "1,variable,A,Lamp,d,,,Home,l.jpg,,1,,\n2,simple,B,Vase,d,1,,Home,,,1,,\n",
         (("B", "Vase"), ("A", "Lamp"))),
    Case("google.tsv", GOOGLE + "A\tLamp\td\tl\ti.jpg\t\t19.90 EUR\t\tAcme\tHome > Light\tG\tred\n"
         "B\tVase\td\tl\ti.jpg\t\t5 EUR\t\tAcme\t\t\t\n"),
    Case("google.jsonl", '{"id":"A","title":"Lamp","imageLink":"i.jpg","price":{"value":"5","currency":"EUR"}}\n'
         '{"id":"B","title":"Vase","imageLink":"i.jpg"}\n'),
    Case("google_prefix.txt", "g:id\tg:title\tg:image_link\nA\tLamp\ti.jpg\nB\tVase\ti.jpg\n"),
]  # fmt: skip


def read(path: Path, layout: CatalogFormat = CatalogFormat.AUTO) -> tuple[Product, ...]:
    return read_catalog(str(path), Files(StorageConfig()), layout).products


def written(folder: Path, case: Case) -> Path:
    path = folder / case.name
    data = case.data
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_catalog_gives_what_it_says(tmp_path: Path, case: Case) -> None:
    path = written(tmp_path, case)
    if case.refused < 0:
        with pytest.raises(InputError, match=case.why):
            read_catalog(str(path), Files(StorageConfig()))
        return
    found = read_catalog(str(path), Files(StorageConfig()))
    assert [(p.sku, p.title) for p in found.products] == list(case.products)
    assert len(found.rejected) == case.refused, found.rejected
    if case.why:
        assert any(re.search(case.why, row.reason) for row in found.rejected), found.rejected


def test_shopify_gives_each_variant_its_price_options_and_pictures(tmp_path: Path) -> None:
    body = (
        "tee,Soft Tee,<p>Very<br>soft</p>,Acme,Shirts,Color,Red,T-R,19.90,a.jpg\n"
        "tee,,,,,,Blue,'T-B,21.00,b.jpg\n"
        "tee,,,,,,,,,c.jpg\n"
        "mug,Mug,,Acme,Home,Title,Default Title,M-1,7,m.jpg\n"
    )
    path = tmp_path / "p.csv"
    path.write_text(SHOPIFY + body)
    red, blue, mug = read(path)
    assert (red.sku, blue.sku) == ("T-R", "T-B")
    assert red.group_id == blue.group_id == "tee"
    assert (red.price, blue.price) == (Decimal("19.90"), Decimal("21.00"))
    assert (red.attributes, blue.attributes) == ((("Color", "Red"),), (("Color", "Blue"),))
    assert red.images == blue.images == ("a.jpg", "b.jpg", "c.jpg")
    assert red.description == "Very\nsoft"
    assert (blue.title, blue.brand, blue.category) == ("Soft Tee", "Acme", ("Shirts",))
    assert mug.attributes == ()


def test_woocommerce_variations_have_what_their_parent_says(tmp_path: Path) -> None:
    body = (
        "2,variation,T-S,Tee - S,,9,,,,P,1,Size,S\n"
        '1,variable,P,Tee,Very soft,,,"Wear > Shirts, Sale",t.jpg,,1,Size,"S, M"\n'
        "3,variation,T-M,Tee - M,,10,8,,m.jpg,id:1,0,Size,M\n"
    )
    path = tmp_path / "p.csv"
    path.write_text(WOO + body)
    medium, small = read(path)
    assert (small.sku, medium.sku) == ("T-S", "T-M")
    assert small.description == medium.description == "Very soft"
    assert small.category == ("Wear", "Shirts", "Sale")
    assert medium.images == ("m.jpg", "t.jpg")
    assert (small.price, medium.price) == (9, 8)
    assert (small.availability, medium.availability) == ("in stock", "out of stock")
    assert small.attributes == (("Size", "S"),)
    assert small.group_id == medium.group_id


def test_google_feeds_name_groups_pictures_and_currencies(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    path.write_text(
        GOOGLE + "A\tLamp\t&lt;p&gt;Fine&lt;/p&gt;\tl\ta.jpg\tb.jpg,c.jpg\t1.299,00 EUR\t999 EUR\t"
        "Acme\tHome > Light\tG-1\tred\n"
    )
    (lamp,) = read(path)
    assert (lamp.price, lamp.currency, lamp.group_id) == (999, "EUR", "G-1")
    assert lamp.images == ("a.jpg", "b.jpg", "c.jpg")
    assert (lamp.category, lamp.description) == (("Home", "Light"), "Fine")
    assert lamp.attributes == (("color", "red"),)


def test_commas_in_links_of_google_part_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    path.write_text(
        "id\ttitle\timage_link\tadditional_image_link\n"
        "A\tLamp\thttps://h/w_3,h_2/a.jpg\thttps://h/w_3,h_2/b.jpg,https://h/c.jpg\n"
    )
    assert read(path)[0].images == (
        "https://h/w_3,h_2/a.jpg",
        "https://h/w_3,h_2/b.jpg",
        "https://h/c.jpg",
    )


def test_a_format_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("sku,title,id,link\nA,Lamp,1,l\n")
    assert read(path)[0].sku == "A"
    assert read(path, CatalogFormat.GOOGLE)[0].sku == "1"
    with pytest.raises(InputError, match="needed are for shopify handle and title"):
        read(path, CatalogFormat.SHOPIFY)


def test_a_folder_of_parts_is_one_catalog(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    (folder / "day=1").mkdir(parents=True)
    pq.write_table(pa.table({"sku": ["A"], "title": ["Lamp"]}), folder / "part-0.parquet")
    pq.write_table(pa.table({"sku": [7], "title": ["Vase"]}), folder / "day=1" / "part-1.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").write_bytes(b"x")
    found = read_catalog(str(folder), Files(StorageConfig()))
    assert sorted(p.sku for p in found.products) == ["7", "A"]
    assert found.root == str(folder)


def test_a_folder_without_a_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without any list"):
        read_catalog(str(tmp_path), Files(StorageConfig()))


def test_parquet_of_any_type_is_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "sku": pa.array([1.0, 2.0]),
            "title": pa.array(["Lamp", "Vase"]).dictionary_encode(),
            "price": pa.array([Decimal("19.90"), None], pa.decimal128(10, 2)),
            "brand": pa.array([b"Acme", None], pa.binary()),
            "category": pa.array([["Home", None], None], pa.large_list(pa.large_string())),
            "published_at": pa.array([0, 1], pa.date32()),
            "description": pa.array([12, 13], pa.int16()),
        }
    )
    pq.write_table(table, tmp_path / "p.parquet")
    lamp, vase = read(tmp_path / "p.parquet")
    assert (lamp.sku, lamp.title, lamp.brand) == ("1", "Lamp", "Acme")
    assert (lamp.price, lamp.category, lamp.description) == (Decimal("19.90"), ("Home",), "12")
    assert lamp.published_at is not None
    assert lamp.published_at.year == 1970
    assert vase.price is None


def test_legacy_text_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes("sku,title\nA,Café\n".encode("latin-1"))
    read(path)
    assert "read as Windows-1252 (Latin-1)" in caplog.text
