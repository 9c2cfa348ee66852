"""What is written is what is read, or is refused: CSV and JSON by their own writers."""

import csv
import io
import json
import unicodedata
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelshelf.indexer.sources.catalog import read_catalog
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.rows import is_nothing
from reelshelf.indexer.text.clean import clean_text
from reelshelf.schemas.config import StorageConfig

# Text without markup and in composed form, which reading changes by intent.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Mn", "Cf"], exclude_characters="<&\u2028\u2029"
    ),
    max_size=40,
).map(clean_text)  # fmt: skip
IDS = st.text("abcXYZ0189-_ é鞋\"';,|", min_size=1, max_size=12).filter(
    lambda text: bool(text.strip()) and text.strip().lower() not in ("nan",)
)
ROWS = st.lists(
    st.tuples(IDS, TEXTS.filter(lambda text: not is_nothing(text)), TEXTS),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[0].strip(),
)
FRESH = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path: Path) -> tuple[list[tuple[str, str]], int]:
    found = read_catalog(str(path), Files(StorageConfig()))
    return [(p.sku, p.title) for p in found.products], len(found.rejected)


def expected(rows: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return [(clean_text(sku), unicodedata.normalize("NFC", title)) for sku, title, _ in rows]


@FRESH
@given(
    ROWS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_csv(
    tmp_path: Path,
    rows: list[tuple[str, str, str]],
    separator: str,
    quoting: int,
    end: str,
    encoding: str,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow(["sku", "title", "description"])
    writer.writerows(rows)
    path = tmp_path / "p.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    found, refused = read(path)
    wanted = expected(rows)
    assert set(found) <= set(wanted)
    assert len(found) + refused == len(rows)


@FRESH
@given(ROWS, st.sampled_from(["lines", "array", "pretty"]), st.booleans())
def test_json(
    tmp_path: Path, rows: list[tuple[str, str, str]], form: str, ascii_only: bool
) -> None:
    items = [dict(zip(("sku", "title", "description"), row, strict=True)) for row in rows]
    path = tmp_path / "p.json"
    if form == "lines":
        text = "".join(json.dumps(item, ensure_ascii=ascii_only) + "\n" for item in items)
    else:
        indent = 1 if form == "pretty" else None
        text = json.dumps(items, ensure_ascii=ascii_only, indent=indent)
    path.write_text(text, encoding="utf-8", newline="")
    assert read(path) == (expected(rows), 0)


@FRESH
@given(
    st.lists(st.tuples(IDS, TEXTS, TEXTS), min_size=1, max_size=6),
    st.integers(0, 400),
    st.sampled_from(['"', ",", "\n", "\x00", "\\"]),
)
def test_a_csv_with_a_character_too_many_never_invents_a_product(
    tmp_path: Path, rows: list[tuple[str, str, str]], at: int, extra: str
) -> None:
    """A stray quote, comma or line end may lose rows, in words; every title was in the file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sku", "title", "description"])
    writer.writerows(rows)
    body = text.getvalue()
    head = len("sku,title,description\n")
    place = head + at % max(1, len(body) - head)
    path = tmp_path / "p.csv"
    path.write_text(body[:place] + extra + body[place:], encoding="utf-8", newline="")
    found = read_catalog(str(path), Files(StorageConfig()))
    known = set(expected(rows))
    invented = [p for p in found.products if (p.sku, p.title) not in known]
    assert len(invented) <= 2, invented
