"""Links that a change of the catalog does not concern are those of linking all videos again."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.indexer.linking.calibration import default_calibration
from reelshelf.indexer.linking.candidates import AllGroups
from reelshelf.indexer.linking.contests import Contest, Kind, Shares, first_alone, shared
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.trace import Trace, as_bytes, from_bytes
from reelshelf.indexer.linking.visual_stats import fit_visual_stats
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.counts import counts_of
from reelshelf.schemas.catalog import EncodedImage, EncodedProduct, Product
from reelshelf.schemas.config import LinkingConfig
from reelshelf.schemas.links import LinkableVideo, ProductLink
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.segments import PostKind, PostText, ScreenText, Segment, Utterance
from reelshelf.schemas.visual_stats import VisualStats

# So few dimensions, and so few words, that everything has rivals.
DIM = 12
WORDS = ("kettle", "copper", "apple", "lamp", "fern", "crimson", "vase", "tiny", "garden", "noble")
PRODUCTS = 30


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def drawn(seed: int) -> Vectors:
    return unit(np.random.default_rng(seed).standard_normal(DIM))


@dataclass(frozen=True)
class Made:
    """A product that is drawn: how it looks, what it means, what it is called."""

    look: int
    meaning: int
    words: tuple[int, ...]
    group: int | None = None

    def encoded(self, sku: str) -> EncodedProduct:
        title = " ".join(WORDS[i] for i in self.words).title()
        group = None if self.group is None else f"G-{self.group}"
        # Many look alike: some of one of six things, and a little of their own.
        look = unit(drawn(self.look % 6) + 0.35 * drawn(100 + self.look))
        meaning = unit(drawn(50 + self.meaning % 6) + 0.35 * drawn(200 + self.meaning))
        picture = EncodedImage(f"{sku}.png", f"{self.look}", look, (title,))
        return EncodedProduct(Product(sku, title, group_id=group), meaning, meaning, (picture,))


made = st.builds(
    Made,
    look=st.integers(0, 60),
    meaning=st.integers(0, 60),
    words=st.lists(st.integers(0, 9), min_size=2, max_size=4, unique=True).map(tuple),
    group=st.none() | st.none() | st.integers(0, 3),
)


@st.composite
def moments(draw: st.DrawFn) -> Segment:
    at = draw(st.integers(0, 20)) * 3000
    look, meaning = draw(st.integers(0, 60)), draw(st.integers(0, 60))
    said = " ".join(WORDS[i] for i in draw(st.lists(st.integers(0, 9), max_size=5)))
    written = " ".join(WORDS[i] for i in draw(st.lists(st.integers(0, 9), max_size=4)))
    line = ScreenText(written, 0.9, at, at + 2000, Box(0, 0, 0.5, 0.1))
    frame = unit(drawn(look % 6) + 0.3 * drawn(300 + look) + 0.3 * drawn(100 + look))
    vector = unit(drawn(50 + meaning % 6) + 0.3 * drawn(200 + meaning))
    return Segment(
        segment_key=f"{at}-{look}",
        start_ms=at,
        end_ms=at + 2500,
        shot_index=0,
        keyframe_ms=at,
        frame_count=1,
        frame_vector=frame,
        screen_text=(line,) if written else (),
        utterances=(Utterance(said, at, at + 2000, -0.2),) if said else (),
        utterance_vectors=vector[None][: bool(said)],
        text=said,
        text_vector=None,
        language="en",
    )


videos = st.builds(
    lambda skus, segments: LinkableVideo("v", tuple(skus), tuple(segments)),
    st.lists(st.sampled_from(["P-003", "P-007", "N-000"]), max_size=1),
    st.lists(moments(), min_size=1, max_size=6, unique_by=lambda s: s.start_ms),
)


@st.composite
def changes(draw: st.DrawFn) -> tuple[dict[str, Made], dict[str, Made]]:
    """A catalog, and the same with up to two products gone or others, and up to two new."""
    before = {f"P-{n:03d}": draw(made) for n in range(PRODUCTS)}
    after = dict(before)
    for sku in draw(st.lists(st.sampled_from(sorted(before)), max_size=2, unique=True)):
        if draw(st.booleans()):
            del after[sku]
        else:
            after[sku] = draw(made)
    for number in range(draw(st.integers(0, 2))):
        after[f"N-{number:03d}"] = draw(made)
    return before, after


def encoded(catalog: dict[str, Made]) -> list[EncodedProduct]:
    return [item.encoded(sku) for sku, item in catalog.items()]


def stats_of(catalog: dict[str, Made]) -> VisualStats:
    frames = np.stack([unit(drawn(n % 6) + 0.6 * drawn(400 + n)) for n in range(120)])
    index = CatalogIndex.of(encoded(catalog))
    counts = counts_of(index, len(index), ())
    return fit_visual_stats(frames, np.arange(120), index, segments=120, counts=counts)


def linker(catalog: dict[str, Made], stats: VisualStats) -> Linker:
    index = CatalogIndex.of(encoded(catalog), counts=stats.counts)
    return Linker(index, "shop", stats, default_calibration(), LinkingConfig())


def concerns(
    before: Linker,
    after: Linker,
    trace: Trace,
    video: LinkableVideo,
    change: tuple[set[str], set[str]],
) -> bool:
    """As `reelshelf.indexer.pipeline.linking` asks."""
    touched, gone = change
    among = after.among(sorted(touched), AllGroups.of)
    if not gone.union(among.known).isdisjoint(before.skus_of(trace.deciding)):
        return True
    stored = tuple(from_bytes(as_bytes(own)) for own in trace.contests)
    return among.concerns([video], stored)


def kin(first: dict[str, Made], second: dict[str, Made], skus: set[str]) -> set[str]:
    """As `reelshelf.indexer.pipeline.catalog_changes` asks the store."""
    old = [first[sku] for sku in skus if sku in first]
    groups, looks = ({m.group for m in old} - {None}), {m.look for m in old}
    return {sku for sku, m in second.items() if m.group in groups or m.look in looks}


def alike(one: list[ProductLink], other: list[ProductLink]) -> bool:
    """Whether links are the same but for rounding."""

    def bare(link: ProductLink) -> ProductLink:
        # Of pictures that are the same, rounding says which one is named.
        evidence = tuple(replace(piece, score=0.0, image=None) for piece in link.evidence)
        return replace(link, score=0.0, scores=(), evidence=evidence)

    def numbers(link: ProductLink) -> list[float]:
        scores = [score for _, score in link.scores]
        return [link.score, *scores, *(piece.score for piece in link.evidence)]

    if list(map(bare, one)) != list(map(bare, other)):
        return False
    return all(
        numbers(a) == pytest.approx(numbers(b), abs=1e-4) for a, b in zip(one, other, strict=True)
    )


@settings(max_examples=100)
@given(change=changes(), video=videos)
def test_what_a_change_does_not_concern_keeps_its_links(
    change: tuple[dict[str, Made], dict[str, Made]], video: LinkableVideo
) -> None:
    first, second = change
    stats = stats_of(first)
    before, after = linker(first, stats), linker(second, stats)
    (links,), trace = before.linked([video])
    touched = {sku for sku, item in second.items() if first.get(sku) != item}
    gone = first.keys() - second.keys()
    touched |= kin(first, second, touched | gone)
    if not concerns(before, after, trace, video, (touched, gone)):
        assert alike(links, after.link([video])[0])


def test_a_trace_knows_who_decided_and_who_would() -> None:
    """A kettle is shown alone; a second one that looks like it has a say, a lamp has none."""
    first = {f"P-{n:03d}": Made(n, n, (n % 5, 5 + n % 5)) for n in range(6)}
    stats = stats_of(first)
    seen = LinkableVideo("v", (), (shot(0),))
    before = linker(first, stats)
    (links,), trace = before.linked([seen])
    assert links[0].sku == "P-000"
    assert before.skus_of(trace.deciding) == ("P-000",)
    for look, has_say in ((0, True), (8, False)):
        after = linker(first | {"N-000": Made(look, 5, (6, 7))}, stats)
        stored = tuple(from_bytes(as_bytes(own)) for own in trace.contests)
        found = after.among(["N-000"], AllGroups.of).concerns([seen], stored)
        assert found is has_say
        assert (after.link([seen])[0] != links) is has_say


@pytest.mark.parametrize(
    ("title", "has_say"),
    [
        ("Copper Kettle", False),  # words that a longer name has claimed
        ("Copper Kettle Lamp", True),  # the same name
        ("Kettle Lamp Fern", True),  # another word
    ],
)
def test_a_new_name_of_claimed_words_has_no_say(title: str, has_say: bool) -> None:
    words = {word.title(): place for place, word in enumerate(WORDS)}
    first = {f"P-{n:03d}": Made(n, n, (n % 5, 5 + n % 5)) for n in range(1, 6)}
    first["P-000"] = Made(0, 0, (words["Copper"], words["Kettle"], words["Lamp"]))
    stats = stats_of(first)
    posted = (PostText(PostKind.TITLE, "copper kettle lamp fern"),)
    video = LinkableVideo("v", (), (replace(shot(7), post_text=posted),))
    before = linker(first, stats)
    (links,), trace = before.linked([video])
    assert links[0].sku == "P-000"
    made = Made(9, 9, tuple(words[word] for word in title.split()))
    after = linker(first | {"N-000": made}, stats)
    stored = tuple(from_bytes(as_bytes(own)) for own in trace.contests)
    assert after.among(["N-000"], AllGroups.of).concerns([video], stored) is has_say
    assert (after.link([video])[0] != links) is has_say


def shot(look: int) -> Segment:
    frame = Made(look, 0, (0,)).encoded("X").images[0].vector
    return Segment(
        segment_key="s",
        start_ms=0,
        end_ms=2000,
        shot_index=0,
        keyframe_ms=0,
        frame_count=1,
        frame_vector=frame,
        screen_text=(),
        utterances=(),
        utterance_vectors=np.empty((0, DIM), np.float32),
        text="",
        text_vector=None,
        language="en",
    )


def contest(reached: list[float], softness: float = 0.1) -> Contest:
    values = np.array(reached, np.float32)
    shares = Shares.of(values, softness)
    return Contest(
        kind=Kind.MEANT,
        place=0,
        numbers=np.arange(len(values)),
        reached=values,
        own=shares.own,
        beside=np.zeros_like(values),
        rivals=shares.rivals,
        least=0.01,
        softness=softness,
        lead=0.0,
        matches=lambda column: [],
    )


def test_what_a_group_would_keep_without_its_two_strongest_rivals() -> None:
    of = contest([0.5, 0.5, 0.5, 0.45])
    most, _ = of.most(np.zeros(4, bool))
    for gone, group in (((1, 2), 0), ((0, 2), 1), ((0, 1), 3)):
        left = np.array(of.reached)
        left[list(gone)] = 0.0
        assert most[group] == pytest.approx(shared(left, 0.1)[0][group])
    # Rivals that stay are not gone.
    kept, _ = of.most(np.ones(4, bool))
    assert kept == pytest.approx(of.own)


def test_on_a_pack_only_the_first_counts() -> None:
    shares = first_alone(np.array([0.3, 1.7, 1.2], np.float32), 1.0)
    assert shares.own == pytest.approx([0.0, 0.5, 0.0])
    assert shares.rivals.tolist() == [False, True, True]
    level = first_alone(np.full(5, 0.7, np.float32), 1.0)
    assert not level.own.any()
    assert not level.rivals.any()
