from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.extract.transcript import sentences_of
from reelshelf.schemas.segments import Utterance


def said(text: str, start: int = 0, end: int = 4000) -> Utterance:
    return Utterance(text, start, end, -0.2)


def test_each_sentence_gets_its_share_of_the_time() -> None:
    first, second = sentences_of([said("Good morning. Here is the lamp.", 1000, 4000)])
    assert (first.text, second.text) == ("Good morning.", "Here is the lamp.")
    assert first.start_ms == 1000
    assert first.end_ms == second.start_ms
    assert second.end_ms == 4000
    assert second.end_ms - second.start_ms > first.end_ms - first.start_ms


def test_a_decimal_point_ends_no_sentence() -> None:
    assert [s.text for s in sentences_of([said("Milk with 3.5 percent")])] == [
        "Milk with 3.5 percent"
    ]


def test_sentences_without_spaces_are_found_too() -> None:
    assert [s.text for s in sentences_of([said("你好。这是一盏灯。")])] == [
        "你好。",
        "这是一盏灯。",
    ]


@given(st.text(max_size=80), st.integers(0, 10_000), st.integers(1, 10_000))
def test_no_word_is_lost_and_spans_stay_inside(text: str, start: int, length: int) -> None:
    found = sentences_of([said(text, start, start + length)])
    assert "".join("".join(s.text for s in found).split()) == "".join(text.split())
    times = [t for s in found for t in (s.start_ms, s.end_ms)]
    assert times == sorted(times)
    assert all(start <= t <= start + length for t in times)
