"""What differs between two releases: rows, links, models, indexes, settings."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from reelshelf.indexer.report.facts import Listing
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.text.wording import counted
from reelshelf.schemas.keys import Json
from reelshelf.schemas.release import Release

_KINDS = {"flat": "exactly", "ivf_pq": "through an index"}
# Sections of the config that say where and when, not what comes out.
_NO_MATTER = ("nightly.", "report.", "cost.", "storage.", "engine.")


@dataclass(frozen=True, slots=True)
class Pair:
    """A video and a product."""

    video_id: str
    sku: str


@dataclass(frozen=True, slots=True)
class RowChanges:
    """Rows of one table by their ids: those that came, those that went."""

    came: Listing[str]
    went: Listing[str]


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the config that differs; a value is None where there was no such key."""

    key: str
    before: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """All of it. `models` and `indexes` say in words what is another."""

    videos: RowChanges
    products: RowChanges
    links_gained: Listing[Pair]
    links_lost: Listing[Pair]
    models: tuple[str, ...]
    indexes: tuple[str, ...]
    settings: tuple[Setting, ...]

    @property
    def in_words(self) -> tuple[str, ...]:
        """One sentence for each kind of change."""
        came_and_went = (
            ("video", self.videos.came.total, self.videos.went.total),
            ("product", self.products.came.total, self.products.went.total),
            ("link", self.links_gained.total, self.links_lost.total),
        )
        lines = [
            f"{counted(came, noun)} came, {went:,} went."
            for noun, came, went in came_and_went
            if came or went
        ]
        lines += [*self.models, *self.indexes]
        if self.settings:
            keys = ", ".join(setting.key for setting in self.settings[:5])
            more = ", …" if len(self.settings) > 5 else ""
            lines.append(f"Other settings: {keys}{more}.")
        return tuple(lines) or ("Nothing differs from the release before.",)


def changes(before: ReleaseSnapshot, now: ReleaseSnapshot) -> Changes:
    """What came, went and was changed from one release to another, of any generation."""
    links = [_pairs(snapshot.strong_links(["video_id", "sku"])) for snapshot in (before, now)]
    return Changes(
        videos=_rows(before, now, "videos", "video_id"),
        products=_rows(before, now, "products", "sku"),
        links_gained=_listed(links[1] - links[0]),
        links_lost=_listed(links[0] - links[1]),
        models=tuple(_models(before.release, now.release)),
        indexes=tuple(_indexes(before.release, now.release)),
        settings=tuple(_settings(before.release, now.release)),
    )


def _rows(before: ReleaseSnapshot, now: ReleaseSnapshot, table: str, column: str) -> RowChanges:
    old, new = (
        set(snapshot.scan(table, [column])[column].to_pylist()) for snapshot in (before, now)
    )
    return RowChanges(Listing.of(sorted(new - old)), Listing.of(sorted(old - new)))


def _pairs(links: pa.Table) -> set[tuple[str, str]]:
    return set(zip(links["video_id"].to_pylist(), links["sku"].to_pylist(), strict=True))


def _listed(pairs: set[tuple[str, str]]) -> Listing[Pair]:
    return Listing.of([Pair(*pair) for pair in sorted(pairs)])


def _models(before: Release, now: Release) -> Iterator[str]:
    roles = {
        "image": "pictures",
        "text": "words",
        "asr": "speech",
        "ocr": "on-screen text",
        "joint_text": "words into pictures",
    }
    for role, what in roles.items():
        old, new = getattr(before.models, role), getattr(now.models, role)
        if old != new:
            names = [f"{ref.name} {ref.revision}" if ref else "none" for ref in (new, old)]
            yield f"Another model for {what}: {names[0]} in place of {names[1]}."
    if before.calibration != now.calibration:
        yield f"Other link weights: fitted on {now.calibration.fitted_on}."


def _indexes(before: Release, now: Release) -> Iterator[str]:
    stored = {(index.table, index.column): index for index in before.indexes}
    for index in now.indexes:
        old, name = stored.get((index.table, index.column)), f"{index.table}.{index.column}"
        if old is None:
            yield f"The index of {name} is new."
        elif old.kind != index.kind:
            yield f"{name} is searched {_KINDS[index.kind]} now."
        elif old.name != index.name:
            why = f": {index.rebuilt}" if index.rebuilt else ""
            yield f"The index of {name} was trained anew{why}."
        elif (old.nprobes, old.refine_factor) != (index.nprobes, index.refine_factor):
            yield (
                f"{name} is searched with {index.nprobes} probes and refine factor "
                f"{index.refine_factor}, before with {old.nprobes} and {old.refine_factor}."
            )


def _settings(before: Release, now: Release) -> Iterator[Setting]:
    old, new = (dict(_flat(json.loads(release.config))) for release in (before, now))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key) and not key.startswith(_NO_MATTER):
            yield Setting(key, old.get(key), new.get(key))


def _flat(value: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(inner, ensure_ascii=False)
