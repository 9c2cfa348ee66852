"""Comparing a release with the served one: links, and moments where vectors are others."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.quality.inspection import ALLOWED
from reelshelf.indexer.quality.sampling import finding
from reelshelf.indexer.store.links import COUNTED_BY, one_a_group
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.indexer.store.tables import TABLE_KEYS, among, parts
from reelshelf.schemas.gate import Finding, Scope
from reelshelf.schemas.release import LinkChange

_VIDEOS = 300
_CUT_BY = ["video_key", "video_id", "content_sha256", "media_fingerprint"]
_PAIR = ["video_key", "product_key"]
_READ_BY = ["ocr_fingerprint", "asr_fingerprint"]


def same_moments(pinned: PinnedTables, served: PinnedTables) -> Iterator[Finding]:
    """Videos that are the same and cut in the same way have the same moments, and words."""
    ours, theirs = (tables.scan("videos", [*_CUT_BY, *_READ_BY]) for tables in (pinned, served))
    both = ours.join(theirs, _CUT_BY, join_type="inner", right_suffix="_before")
    both = both.sort_by("video_key")
    chosen = _spread(both)
    moments = [_moments(tables, chosen["video_key"].to_pylist()) for tables in (pinned, served)]
    cut, read = [], []
    alike = [
        all(row[name] == row[f"{name}_before"] for name in _READ_BY) for row in chosen.to_pylist()
    ]
    for row, same in zip(chosen.to_pylist(), alike, strict=True):
        now, before = (found.get(row["video_key"], []) for found in moments)
        if [m[:2] for m in now] != [m[:2] for m in before]:
            cut.append(str(row["video_id"]))
        elif same and now != before:
            read.append(str(row["video_id"]))
    for column, wrong, claim in (
        ("start_ms", cut, "is cut as in the served generation"),
        ("text", read, "says what it says in the served generation"),
    ):
        yield finding(
            f"segments.{column}",
            claim,
            Scope.ALL,
            looked_at=chosen.num_rows,
            wrong=len(wrong),
            rows=both.num_rows,
            allowed=ALLOWED,
            examples=wrong[:3],
            harm="results begin at other moments, or are found by other words",
        )


def _spread(rows: pa.Table) -> pa.Table:
    step = max(1, -(-rows.num_rows // _VIDEOS))
    return rows.take(pa.array(range(0, rows.num_rows, step), pa.int64()))


def _moments(tables: PinnedTables, keys: list[str]) -> dict[str, list[tuple[int, int, str]]]:
    found: dict[str, list[tuple[int, int, str]]] = {}
    columns = ["video_key", "start_ms", "end_ms", "text"]
    for part in parts(keys):
        for row in tables.scan("segments", columns, among("video_key", part)).to_pylist():
            moment = (row["start_ms"], row["end_ms"], row["text"])
            found.setdefault(row["video_key"], []).append(moment)
    return {key: sorted(moments) for key, moments in found.items()}


def changed_links(pinned: PinnedTables, served: ReleaseSnapshot, link_above: float) -> LinkChange:
    """Links of the served release beside those of today.

    Of videos whose bytes are the same and products of the same title. `link_above` is today's.
    """
    before = served.strong_links(COUNTED_BY)
    now = pinned.scan("links", COUNTED_BY, f"score >= {link_above}")
    for name, same in (("videos", "content_sha256"), ("products", "title")):
        key = TABLE_KEYS[name]
        ours, theirs = (tables.scan(name, [key, same]) for tables in (pinned, served))
        known = ours.join(theirs, [key, same], join_type="inner")[key]
        before, now = (
            links.filter(pc.is_in(links[key], value_set=known)) for links in (before, now)
        )
    kept = one_a_group(before.join(now.select(_PAIR), _PAIR, join_type="inner"))
    return LinkChange(
        before=one_a_group(before).num_rows, kept=kept.num_rows, now=one_a_group(now).num_rows
    )
