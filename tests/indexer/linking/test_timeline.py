"""When a live introduces, shows and replaces what it sells."""

from reelshelf.indexer.linking.timeline import with_timeline
from reelshelf.schemas.links import ProductLink, Showing, Span


def link(
    sku: str, *spans: tuple[int, int], score: float = 0.9, group: str | None = None
) -> ProductLink:
    return ProductLink(
        "v", f"key-{sku}", sku, score, (), tuple(Span(*span) for span in spans), (), group
    )


def test_each_stretch_lasts_until_another_product_comes() -> None:
    kettle, mug = with_timeline([link("kettle", (0, 60), (200, 260)), link("mug", (80, 150))], 0.5)
    assert kettle.timeline == (Showing(0, 60, 80, "mug"), Showing(200, 260))
    assert mug.timeline == (Showing(80, 150, 200, "kettle"),)


def test_weak_links_and_variants_replace_nothing() -> None:
    small, large, weak = with_timeline(
        [
            link("small", (0, 60), (100, 160), group="g"),
            link("large", (0, 60), (100, 160), group="g"),
            link("weak", (70, 90), score=0.2),
        ],
        0.5,
    )
    assert small.timeline == large.timeline == (Showing(0, 60), Showing(100, 160))
    assert weak.timeline == ()


def test_a_person_s_word_without_moments_has_no_time_line() -> None:
    (said,) = with_timeline([link("said")], 0.5)
    assert said.timeline == ()
