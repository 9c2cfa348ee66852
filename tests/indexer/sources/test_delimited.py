"""CSV: a bad row costs that row, all of it and nothing else."""

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.sources.delimited import Record, read_records

HEADER = "sku,title,description\r\n"


def records(body: str, header: str = HEADER) -> list[Record]:
    found = list(read_records(io.StringIO(header + body, newline="")))
    assert found[0].cells == tuple(header.strip().split(","))
    return found[1:]


def outcome(body: str) -> list[tuple[int, int, str | None]]:
    """First line, last line, and the SKU; None for what is refused."""
    return [(r.first, r.last, None if r.error else r.cells[0]) for r in records(body)]


def test_an_inch_mark_in_a_quoted_field_costs_its_own_row() -> None:
    body = (
        'K-1,Kettle,"fine\n'
        'the 24" model\n'
        "ZZ-1,not a product\n"
        "ZZ-2,as many,cells\n"
        'ZZ-3,still the description"\n'
        "L-2,Lamp,plain\n"
    )
    assert outcome(body) == [(2, 6, None), (7, 7, "L-2")]


def test_a_quote_that_is_never_closed_takes_the_rest_and_says_so() -> None:
    body = 'A,a,x\nB,b,"19 inch wide\nC,c,x\nD,d,x\n'
    assert outcome(body) == [(2, 2, "A"), (3, 5, None)]


def test_a_quote_that_another_row_closes_costs_both() -> None:
    body = 'A,a,"open\nB,b,"other"\nC,c,x\n'
    assert outcome(body) == [(2, 3, None), (4, 4, "C")]


def test_inch_marks_in_good_rows_close_nothing() -> None:
    skus = [f"G{i}" for i in range(12)]
    good = "".join(f"{sku},a,b\n" for sku in skus[:6]) + "\n"
    good += "".join(f"{sku},a,b\n" for sku in skus[6:])
    body = f'A,"24" TV",x\n{good}Z,Monitor 24",plain\n'
    assert [sku for *_, sku in outcome(body)] == [None, *skus, "Z"]


def test_a_table_in_a_broken_description_is_no_rows() -> None:
    body = 'A,a,"x" y\nSize,Chest,Waist\nS,90,70\nM,100,80"\nB,b,c\n'
    assert outcome(body) == [(2, 5, None), (6, 6, "B")]


def test_records_go_on_where_the_header_is_spaced_or_longer() -> None:
    spaced = records('"12" b", t, d\nB, b, x\n', "sku, title, description\r\n")
    assert [r.cells[0] for r in spaced if not r.error] == ["B"]
    longer = records('A,a,1\n1,"a" b,2\nB,b,2\n', "sku,title,price,\r\n")
    assert [r.cells[0] for r in longer if not r.error] == ["A", "B"]


def test_prose_with_as_many_commas_as_the_header_is_no_row() -> None:
    body = 'A,a,"a 24" screen\nsoft, warm, nice\nB,b,x\n'
    assert outcome(body) == [(2, 3, None), (4, 4, "B")]


def test_a_header_that_cannot_be_read_ends_there() -> None:
    text = io.StringIO('sku,"ti"tle\n' + "a,b\n" * 1000, newline="")
    (record,) = read_records(text)
    assert record.error
    assert record.last == 1


def test_the_cost_of_a_bad_row_does_not_grow_with_what_follows() -> None:
    """Lines of prose after a bad row are looked at once, and not a thousand times."""
    looked: list[str] = []

    class Counting(str):
        __slots__ = ()

        def rstrip(self, chars: str | None = None) -> str:
            looked.append(self)
            return str.rstrip(self, chars)

    lines = [HEADER, 'A,a,"x" y\n', *["prose without a comma\n"] * 5000]
    found = list(read_records(map(Counting, lines)))
    assert found[1].last == len(lines)
    assert len(looked) <= 2 * len(lines)


def test_a_field_that_is_too_large_is_followed_to_its_end() -> None:
    limit = csv.field_size_limit()
    lines = "ZZ-1,of the,description\n" * (limit // 24 + 10)
    body = f'A,a,"{lines}and ""quoted"", too",\nB,b,x\n'
    found = outcome(body)
    assert found[0][2] is None
    assert found[0][1] == lines.count("\n") + 2
    assert found[1:] == [(found[0][1] + 1, found[0][1] + 1, "B")]


def test_good_rows_keep_their_lines() -> None:
    body = 'A,a,"two\nlines"\n\nB,"b ""b""",x\n'
    assert outcome(body) == [(2, 3, "A"), (5, 5, "B")]


cells = st.text(st.sampled_from('ab,"\n'), max_size=6)
rows = st.lists(st.tuples(cells, cells, cells), max_size=6)


@given(rows)
def test_what_is_well_written_is_read_as_it_was(given_rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(given_rows)
    found = records(text.getvalue())
    assert [r.cells for r in found] == given_rows
    assert not any(r.error for r in found)


@given(st.text(st.sampled_from('ab,"\n'), max_size=60))
def test_every_line_is_in_one_record_at_most(body: str) -> None:
    found = records(body)
    spans = [(r.first, r.last) for r in found]
    assert all(first <= last for first, last in spans)
    assert all(a[1] < b[0] for a, b in pairwise(spans))


@pytest.mark.parametrize("fault", ['"24" wide', '"a" b "c"', '"open'])
@given(lines=st.lists(st.sampled_from(["ZZ,no,product", "more text", 'a 5" one', ""]), max_size=6))
def test_no_line_of_a_broken_description_becomes_a_row(fault: str, lines: list[str]) -> None:
    body = f"A,a,{fault} begins\n" + "".join(f"{line}\n" for line in lines)
    body += 'ends here"\nL-2,Lamp,"plain"\n'
    kept = [r.cells[0] for r in records(body) if not r.error]
    # A description that is well quoted after all belongs to its row.
    assert [sku for sku in kept if sku != "A"] == ["L-2"]
