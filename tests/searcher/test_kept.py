"""What the service keeps: queries, events and decisions, in files that others read meanwhile."""

import csv
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reelshelf.indexer.sources.overrides import read_overrides_file
from reelshelf.indexer.sources.queries import read_log
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.overrides import Verdict
from reelshelf.searcher.decisions import Decision, Decisions
from reelshelf.searcher.events import Event, Remembered
from reelshelf.searcher.query_log import QueryLog, frequent_queries, read_lines, watched_videos

NOW = dt.datetime(2026, 11, 28, 10, 0, tzinfo=dt.UTC)


def event(**more: object) -> Event:
    given_ = {"action_name": "watch", "query_id": "q", "timestamp": "2026-11-28T10:00:00Z", **more}
    return Event.model_validate(given_)


def test_an_event_that_comes_again_is_noticed_in_bounded_memory() -> None:
    seen = Remembered(most=2)
    one, two, three = (event(query_id=name) for name in "abc")
    assert [seen.is_new(each) for each in (one, two, one, three, two)] == [
        *(True, True, False, True, True)  # the second was forgotten when the third came
    ]


def test_an_event_that_could_not_be_kept_is_new_when_it_comes_again() -> None:
    seen, one = Remembered(), event()
    assert seen.is_new(one)
    seen.forget([one])
    assert seen.is_new(one)
    assert not seen.is_new(one)


def test_events_are_read_as_the_specification_writes_them() -> None:
    found = event(
        event_attributes={
            "object": {"object_id": 7, "object_id_field": "sku", "color": "red"},
            "position": {"ordinal": {"index": 3}},
            "page": "/x",
        },
        user_agent="kept nowhere",
    )
    assert found.event_attributes is not None
    assert found.event_attributes.object is not None
    assert found.event_attributes.object.object_id == 7
    assert "user_agent" not in found.model_dump_json()
    for odd in ({"timestamp": "yesterday"}, {"timestamp": "2026-11-28T10:00:00"}, {"query_id": ""}):
        with pytest.raises(ValidationError):
            event(**odd)


def test_queries_that_have_an_answer_and_are_frequent_are_suggested(tmp_path: Path) -> None:
    log = QueryLog(tmp_path / "events")
    for text, answered, times in (
        ("red shoes", True, 3),
        ("anna's address", True, 2),
        ("x", False, 9),
    ):
        for _ in range(times):
            log.add_query({"user_query": text, "answered": answered})
    log.add_query({"user_query": None, "answered": True})
    assert frequent_queries(tmp_path / "events") == ["red shoes"]


def test_what_is_kept_is_a_query_log_with_the_clicks_that_followed(tmp_path: Path) -> None:
    log = QueryLog(tmp_path)
    for query_id, text in (("1", "Red shoes"), ("2", "red  shoes"), ("3", "lamp"), ("4", None)):
        log.add_query({"query_id": query_id, "user_query": text, "answered": True})
    events = [event(query_id="2", action_name=name) for name in ("click", "watch", "click_through")]
    log.add_events([one.model_dump(mode="json") for one in events])
    found = read_log(tmp_path)
    assert [(one.text, one.count, one.clicks) for one in found.queries] == [
        ("Red shoes", 2, 2),
        ("lamp", 1, 0),
    ]
    assert not found.rejected
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"queries-DATE\.jsonl"):
        read_log(tmp_path / "empty")


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    log = QueryLog(tmp_path)
    thing = {"object": {"object_id": "clip-02", "object_id_field": "video_id"}}
    log.add_events([{"event_attributes": thing}, {"event_attributes": thing}])
    (path,) = tmp_path.glob("events-*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"event_attributes": {"obj')
    assert len(list(read_lines(tmp_path, "events"))) == 2
    assert watched_videos(tmp_path) == {"clip-02": 2}


def test_decisions_are_rows_that_can_be_imported(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    decisions = Decisions(path)
    for sku, judgment in (("A", "right"), ("B", "never"), ("C", "skip"), ("D", "wrong")):
        decisions.add(Decision("clip-1", sku, judgment, "anna", NOW))  # type: ignore[arg-type]
    found, blank = read_overrides_file(path, "shop")
    assert blank == 1
    assert [(one.sku, one.verdict, one.who, one.at) for one in found] == [
        ("A", Verdict.ALWAYS, "anna", NOW),
        ("B", Verdict.NEVER, "anna", NOW),
        ("D", Verdict.NEVER, "anna", NOW),
    ]
    assert Decisions(path).decided == {("clip-1", sku) for sku in "ABCD"}


def test_only_the_own_last_decision_is_taken_back(tmp_path: Path) -> None:
    decisions = Decisions(tmp_path / "decisions.csv")
    for sku, who in (("A", "anna"), ("B", "anna"), ("C", "ben")):
        decisions.add(Decision("clip-1", sku, "right", who, NOW))
    assert decisions.take_back("anna") == ("clip-1", "B")
    assert decisions.decided == {("clip-1", "A"), ("clip-1", "C")}
    assert decisions.take_back("anna") == ("clip-1", "A")
    assert decisions.take_back("anna") is None
    assert Decisions(tmp_path / "decisions.csv").decided == {("clip-1", "C")}


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_id_survives_the_file(video: str, sku: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.csv"
        plain = [text.encode("utf-8", "replace").decode() for text in (video, sku)]
        Decisions(path).add(Decision(*plain, "right", "anna", NOW))
        with path.open(encoding="utf-8", newline="") as file:
            (row,) = csv.DictReader(file)
        assert [row["video_id"], row["sku"]] == plain
