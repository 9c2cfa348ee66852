from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.sources.queries import read_judged, read_log, read_typed
from reelshelf.models.pictures import load_picture
from reelshelf.schemas.errors import InputError
from tests.support.shops import write_lines


def test_queries_are_what_shoppers_typed_each_once(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    lines = ['{"text": "red lamp"}', '{"text": ""}', "no json", '{"clicks": 3}']
    path.write_text("\n".join([*lines, lines[0], '{"text": "vase"}']))
    assert read_typed(path, most=10) == ["red lamp", "vase"]
    assert read_typed(path, most=1) == ["red lamp"]


def test_a_file_without_a_query_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    with pytest.raises(InputError, match=r"queries\.jsonl"):
        read_typed(path, most=10)
    path.write_text('{"clicks": 3}\n')
    with pytest.raises(InputError, match="no line has a `text`"):
        read_typed(path, most=10)


def test_a_log_adds_up_texts_that_differ_in_case_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("text,count,clicks\nRed Lamp,3,1\nvase,9,\nred  lamp,4,2\n,5,1\nx,-1,\n")
    log = read_log(path)
    assert [(q.text, q.count, q.clicks) for q in log.queries] == [
        ("vase", 9, None),
        ("Red Lamp", 7, 3),
    ]
    assert [(r.line, r.reason.split(":")[0]) for r in log.rejected] == [(5, "text"), (6, "count")]


def test_a_log_without_counts_counts_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_lines(path, [{"text": "lamp"}, {"text": "lamp"}, {"text": "vase", "count": None}])
    assert [(q.text, q.count) for q in read_log(path).queries] == [("lamp", 2), ("vase", 1)]


@given(st.lists(st.tuples(st.sampled_from(["a", "A", "b", " b "]), st.integers(0, 99))))
def test_a_log_loses_no_search(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    write_lines(path, [{"text": text, "count": count} for text, count in rows])
    if not any(count for _, count in rows):
        with pytest.raises(InputError, match="holds no search"):
            read_log(path)
        return
    log = read_log(path)
    assert sum(query.count for query in log.queries) == sum(count for _, count in rows)
    assert not log.rejected
    counts = [query.count for query in log.queries]
    assert counts == sorted(counts, reverse=True)


def test_a_log_with_another_header_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("query,count\nlamp,3\n")
    with pytest.raises(InputError, match="holds no search: text: is missing"):
        read_log(path)


def test_judged_queries_are_read_and_bad_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    (tmp_path / "p.webp").write_bytes(b"x")
    outside = tmp_path.parent / "secret.webp"
    outside.write_bytes(b"x")
    good = {"query_id": 1, "text": "lamp", "relevant_video_ids": ["a", "b"]}
    write_lines(
        path,
        [
            good,
            {"query_id": "2", "image": "p.webp", "relevant_video_ids": ["c"]},
            {"query_id": "3", "text": "vase", "relevant_video_ids": []},
            {"query_id": "4", "text": "v", "image": "p.webp", "relevant_video_ids": ["a"]},
            {"query_id": "5", "image": "../secret.webp", "relevant_video_ids": ["a"]},
            {"query_id": "6", "image": "gone.webp", "relevant_video_ids": ["a"]},
            {"query_id": "7", "text": "  ", "relevant_video_ids": ["a"]},
            {"query_id": "8", "text": "mug", "relevant_video_ids": [101]},
            good,
        ],
    )
    judged = read_judged(path)
    assert [(q.query_id, q.kind, q.text) for q in judged.queries] == [
        ("1", "text", "lamp"),
        ("2", "image", None),
        ("8", "text", "mug"),
    ]
    assert judged.queries[2].relevant == {"101"}
    assert judged.queries[0].relevant == {"a", "b"}
    assert [(r.item_id, r.reason.split(":")[0]) for r in judged.rejected] == [
        ("3", "relevant_video_ids"),
        ("4", "give either text or image"),
        ("5", "image"),
        ("6", "image"),
        ("7", "give either text or image"),
        ("1", "query_id"),
    ]


def test_a_file_without_judged_queries_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    write_lines(path, [{"query_id": "3", "text": "vase", "relevant_video_ids": []}])
    with pytest.raises(InputError, match="holds no judged query: relevant_video_ids: names no"):
        read_judged(path)


def test_a_judged_picture_that_cannot_be_read_is_refused_as_its_row(tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    (tmp_path / "p.webp").write_bytes(b"no picture")
    rows = [{"query_id": "1", "image": "p.webp"}, {"query_id": "2", "text": '"red apple"'}]
    write_lines(path, [row | {"relevant_video_ids": ["a"]} for row in rows])
    judged = read_judged(path, load_picture)
    assert [q.query_id for q in judged.queries] == ["2"]
    assert (judged.rejected[0].item_id, judged.rejected[0].line) == ("1", 1)


def test_a_row_of_a_log_that_is_not_utf8_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b'text,count\nlamp,3\nl\xe4mp,2\n"open\nvase,1\n')
    log = read_log(path)
    assert [q.text for q in log.queries] == ["lamp"]
    assert [r.reason.split(";")[0] for r in log.rejected] == [
        "is not UTF-8",
        "is not CSV: unexpected end of data",
    ]
