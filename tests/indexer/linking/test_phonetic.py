"""Names that are broken over two utterances, and words that only stand near each other."""

import numpy as np

from reelshelf.indexer.linking.asr_phonetic import PhoneticMatcher
from reelshelf.indexer.linking.candidates import AllGroups, Comparable
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.catalog import EncodedProduct, Product
from reelshelf.schemas.links import LinkableVideo, Span
from reelshelf.schemas.segments import Segment, Utterance

VECTOR = np.ones(4, np.float32) / 2
TITLES = ("Panasonic Portable Television", "Orange Marmalade", "Velvet Cushion", "Walnut Desk Lamp")
CATALOG = CatalogIndex.of(
    [EncodedProduct(Product(title, title), VECTOR, VECTOR, ()) for title in TITLES]
)


def spoken(*said: tuple[str, int, int]) -> list[tuple[str, Span | None]]:
    """What sounds like a product when this is said, each as (text, start, end)."""
    utterances = tuple(Utterance(text, start, end, -0.2) for text, start, end in said)
    segment = Segment(
        segment_key="s",
        start_ms=0,
        end_ms=60_000,
        shot_index=0,
        keyframe_ms=0,
        frame_count=1,
        frame_vector=VECTOR,
        screen_text=(),
        utterances=utterances,
        utterance_vectors=np.stack([VECTOR for _ in utterances]),
        text="",
        text_vector=None,
    )
    comparable = Comparable.of(CATALOG, None)
    matcher = PhoneticMatcher(comparable, AllGroups.of(comparable))
    contests = matcher.contests(LinkableVideo("v", (), (segment,)))
    found = (match for contest in contests for match in contest.found(()))
    return [(CATALOG.products[match.group].product.title, match.span) for match in found]


def test_a_name_broken_over_two_utterances_is_heard_over_both() -> None:
    found = spoken(("look at this pana sonic", 0, 2000), ("portable television", 2300, 4000))
    assert ("Panasonic Portable Television", Span(0, 4000)) in found


def test_utterances_far_apart_are_no_name() -> None:
    found = spoken(("look at this pana sonic", 0, 2000), ("portable television", 32_000, 34_000))
    assert all(span is not None and span.end_ms - span.start_ms <= 2000 for _, span in found)


def test_a_name_that_one_utterance_holds_lasts_no_longer_than_it() -> None:
    found = spoken(("this is the walnut desk lamp", 0, 2000), ("see you next time", 2100, 4000))
    spans = [span for title, span in found if title == "Walnut Desk Lamp"]
    assert spans == [Span(0, 2000)]
