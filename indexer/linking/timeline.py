"""The time line of a live: when each product is introduced, shown, and replaced by the next.

A live sells one thing after the other. Each stretch in which it shows or names a product lasts, for
who watches, until it turns to another one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from reelshelf.schemas.links import ProductLink, Showing


def with_timeline(links: Sequence[ProductLink], link_above: float) -> list[ProductLink]:
    """Links of one live with their time lines; those below `link_above` have and end none."""
    sure = [link for link in links if link.score >= link_above and link.spans]
    begun = sorted((span.start_ms, _group(link), link.sku) for link in sure for span in link.spans)
    starts = [start for start, _, _ in begun]

    def showing(link: ProductLink, start_ms: int, end_ms: int) -> Showing:
        for at_ms, group, sku in begun[bisect_right(starts, start_ms) :]:
            if group != _group(link):
                return Showing(start_ms, end_ms, at_ms, sku)
        return Showing(start_ms, end_ms)

    return [
        replace(
            link,
            timeline=tuple(showing(link, span.start_ms, span.end_ms) for span in link.spans),
        )
        if link.score >= link_above
        else link
        for link in links
    ]


def _group(link: ProductLink) -> str:
    """Variants of one thing do not replace each other."""
    return link.group_id or link.sku
