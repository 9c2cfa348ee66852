"""Linking what is due: which groups of copies, made from what, and their new rows."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from reelshelf.indexer.index.build import index_keys
from reelshelf.indexer.index.linkers import (
    LinkerRecipe,
    is_large,
    linker_among,
    linker_of,
    prepared,
)
from reelshelf.indexer.linking.overrides import OverridesByCluster, override_facts
from reelshelf.indexer.linking.trace import as_bytes, from_bytes
from reelshelf.indexer.pipeline.catalog_changes import CatalogChange, is_priced, named, names_of
from reelshelf.indexer.pipeline.engine import TaskRunner
from reelshelf.indexer.quality.relinking import copies_of
from reelshelf.indexer.store.overrides import read_overrides
from reelshelf.indexer.store.rows import RunContext, link_rows
from reelshelf.indexer.store.tables import LinksMade, LinkState, Store
from reelshelf.schemas.keys import Json, fingerprint
from reelshelf.schemas.links import ProductLink
from reelshelf.schemas.overrides import Override
from reelshelf.schemas.release import CatalogState, Release

# Of videos and their copies, for one task.
_GROUPS_PER_TASK = 128
_ROWS_PER_COMMIT = 32_768


@dataclass(frozen=True, slots=True)
class LinkedFrom:
    """What links are made from beside the videos themselves.

    `settings` is a fingerprint of all but the catalog. `states` are those of the catalog in which
    links may have been made, its own first; none in releases that have all of it in `settings`.
    `versions` are those of the tables that hold the catalog.
    """

    settings: str
    states: tuple[CatalogState, ...]
    versions: Mapping[str, int]

    @classmethod
    def of(cls, release: Release) -> "LinkedFrom":
        """What the links of a release are made from."""
        settings = release.linking_settings_fingerprint or release.linking_fingerprint
        return cls(settings, tuple(release.catalog_states), release.catalog_versions)

    @property
    def fingerprint(self) -> str:
        """Of the settings and the catalog, without its prices."""
        return fingerprint([self.settings, self.states[0].rest]) if self.states else self.settings

    def catalog(self, *, priced: bool) -> str:
        """What a video's row is to say of the catalog."""
        return named(self.states[0], priced=priced) if self.states else ""


@dataclass(frozen=True, slots=True)
class Due:
    """Groups of copies whose links are to be made, each with what they will have been made from.

    That is without the catalog: `linked_from` says it. `current` are the groups that were looked at
    and are not due, with the same.
    """

    made_from: Mapping[tuple[str, ...], str]
    current: Mapping[tuple[str, ...], str]
    overrides: OverridesByCluster
    linked_from: LinkedFrom

    def overrides_on(self, groups: Iterable[tuple[str, ...]]) -> dict[str, tuple[Override, ...]]:
        """The overrides on the videos of some groups, by key; without those that have none."""
        by_group = ((group, self.overrides.of(group[0])) for group in groups)
        return {key: rules for group, rules in by_group if rules for key in group}


def due_links(store: Store, linked_from: LinkedFrom, only: Collection[str] | None = None) -> Due:
    """The groups whose links were made from something else; `only` those with one of these keys."""
    states = store.link_states()
    clusters = {key: state.cluster for key, state in states.items()}
    overrides = OverridesByCluster(read_overrides(store), clusters)
    catalogs = names_of(linked_from.states)
    due: dict[tuple[str, ...], str] = {}
    current: dict[tuple[str, ...], str] = {}
    for group in copies_of(clusters, states if only is None else only):
        made_from = _made_from(linked_from.settings, group, states, overrides)
        is_current = all(
            states[key].made_from == made_from and (not catalogs or states[key].catalog in catalogs)
            for key in group
        )
        (current if is_current else due)[tuple(group)] = made_from
    return Due(due, current, overrides, linked_from)


def concerned(
    store: Store, recipe: LinkerRecipe, due: Due, change: CatalogChange, tasks: TaskRunner
) -> Due:
    """What is due, with the groups of copies in whose links the products of a change have a say.

    That is where one of them has decided, where somebody has said something of one, and where one
    that is held against the videos without the rest of the catalog would decide.
    """
    priced = {key for key, state in store.link_states().items() if is_priced(state.catalog or "")}
    if is_large(recipe) and (change.touched or change.repriced):
        deque(tasks.map_tasks(prepared, [recipe]), maxlen=0)
    # What joins a group changes what the group is.
    skus = set(change.gone)
    if change.touched:
        skus.update(*tasks.map_tasks(variants_of, [Touched(recipe, change.touched)]))
    deciding = store.videos_decided_by(pa.array(sorted(skus), pa.string()))
    deciding |= priced & store.videos_decided_by(pa.array(change.repriced, pa.string()))

    def decided(group: tuple[str, ...]) -> bool:
        rules = due.overrides.of(group[0])
        return not deciding.isdisjoint(group) or any(
            rule.group_id is not None or rule.sku in skus for rule in rules
        )

    found = {group for group in due.current if decided(group)}
    if change.touched or change.repriced:
        versions = {name: store.dataset(name).version for name in ("videos", "segments")}
        parts = [
            Asked(
                recipe,
                versions,
                tuple((group, not priced.isdisjoint(group)) for group in own),
                change.touched,
                change.repriced,
            )
            for own in _parts([group for group in due.current if group not in found])
        ]
        for groups in tasks.map_tasks(asked_part, parts, 1):
            found.update(groups)
    more = {group: due.current[group] for group in found}
    left = {group: own for group, own in due.current.items() if group not in found}
    return Due({**due.made_from, **more}, left, due.overrides, due.linked_from)


@dataclass(frozen=True, slots=True)
class Touched:
    """Some products of a recipe's catalog, as SKUs."""

    recipe: LinkerRecipe
    skus: tuple[str, ...]


def variants_of(touched: Touched) -> tuple[str, ...]:
    """The SKUs of all products that are variants of these, and of bundles of them."""
    return linker_among(touched.recipe, touched.skus).known


@dataclass(frozen=True, slots=True)
class Asked:
    """Groups of copies, each with whether it states a price, to be held against some products."""

    recipe: LinkerRecipe
    versions: Mapping[str, int]
    groups: tuple[tuple[tuple[str, ...], bool], ...]
    touched: tuple[str, ...]
    repriced: tuple[str, ...]


def asked_part(part: Asked) -> list[tuple[str, ...]]:
    """The groups of a part that the products have a say in."""
    found: list[tuple[str, ...]] = []
    store = part.recipe.pinned.store
    for priced in (False, True):
        skus = (*part.touched, *part.repriced) if priced else part.touched
        groups = [group for group, own in part.groups if own is priced]
        if not groups or not skus:
            continue
        linker = linker_among(part.recipe, skus)
        keys = [key for group in groups for key in group]
        contests = store.contests_of(keys, part.versions["videos"])
        place = 0
        for batch in store.videos_to_link(groups, part.versions):
            for copies in batch:
                group, place = groups[place], place + 1
                known = [contests.get(video.video_key) for _, video in copies]
                entries = [from_bytes(own) for own in known if own is not None]
                if len(entries) < len(known) or linker.concerns([v for _, v in copies], entries):
                    found.append(group)
    return found


def _parts(groups: Sequence[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], ...]]:
    for start in range(0, len(groups), _GROUPS_PER_TASK):
        yield tuple(groups[start : start + _GROUPS_PER_TASK])


def _made_from(
    settings: str,
    group: Sequence[str],
    states: Mapping[str, LinkState],
    overrides: OverridesByCluster,
) -> str:
    parts: list[Json] = [settings, [[key, states[key].content_sha256] for key in group]]
    # Left out where nobody said anything: most videos are such.
    if rules := overrides.of(group[0]):
        parts.append(override_facts(rules))
    return fingerprint(parts)


@dataclass(frozen=True, slots=True)
class Part:
    """Groups of copies for a task to link, given by keys, and what it reads.

    `overrides` are those on any of the videos, by its key.
    """

    recipe: LinkerRecipe
    versions: Mapping[str, int]
    groups: tuple[tuple[str, ...], ...]
    overrides: Mapping[str, tuple[Override, ...]]
    linked_from: LinkedFrom
    context: RunContext


@dataclass(frozen=True, slots=True)
class Linked:
    """The links of some videos as rows; by the keys of the videos, how theirs were made.

    What the links of a video were made from is not known here: it is left empty.
    """

    made: Mapping[str, LinksMade]
    rows: pa.Table


def link_part(part: Part) -> Linked:
    """Link the groups of a part."""
    linker, store = linker_of(part.recipe), part.recipe.pinned.store
    links: list[tuple[str, ProductLink]] = []
    made: dict[str, LinksMade] = {}
    for batch in store.videos_to_link(part.groups, part.versions):
        for copies in filter(None, batch):
            own = [video.video_key for _, video in copies]
            videos = [video for _, video in copies]
            found, trace = linker.linked(videos, part.overrides.get(own[0], ()))
            for (video_id, _), of_copy in zip(copies, found, strict=True):
                links += [(video_id, link) for link in of_copy]
            # What one copy states counts for all.
            priced = any(linker.states_price(video) for video in videos)
            catalog = part.linked_from.catalog(priced=priced)
            deciding = linker.skus_of(trace.deciding)
            for key, contests in zip(own, trace.contests, strict=True):
                made[key] = LinksMade("", catalog, deciding, as_bytes(contests))
    return Linked(made, link_rows(links, part.context))


def make_links(
    store: Store, recipe: LinkerRecipe, due: Due, tasks: TaskRunner, context: RunContext
) -> Iterator[int]:
    """Link what is due and write it; yields how many videos each commit had.

    Tasks read and link, wherever there is room. What is one task's work is done here, unless the
    catalog is large.
    """
    if due.made_from:
        # Their rows have changed since indexes were made, and each part looks for its own.
        index_keys(store, "videos")
    versions = {name: store.dataset(name).version for name in ("videos", "segments")}
    parts = [
        Part(recipe, versions, own, due.overrides_on(own), due.linked_from, context)
        for own in _parts(list(due.made_from))
    ]
    if not parts:
        return
    large = is_large(recipe)
    if large:
        # One process makes the linker of a large catalog: not this one, and not all at once.
        deque(tasks.map_tasks(prepared, [recipe]), maxlen=0)
    made_from = {key: print_ for group, print_ in due.made_from.items() for key in group}
    pending: list[Linked] = []

    def commit() -> int:
        done = {
            key: replace(how, made_from=made_from[key])
            for item in pending
            for key, how in item.made.items()
        }
        store.write_links(done, pa.concat_tables([item.rows for item in pending]))
        pending.clear()
        return len(done)

    here = len(parts) == 1 and not large
    for linked in map(link_part, parts) if here else tasks.map_tasks(link_part, parts, 1):
        pending.append(linked)
        # A video without links is a row that changes as well.
        if sum(item.rows.num_rows + len(item.made) for item in pending) >= _ROWS_PER_COMMIT:
            yield commit()
    if pending:
        yield commit()
