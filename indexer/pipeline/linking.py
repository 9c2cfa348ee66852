"""Linking what is due: which groups of copies, made from what, and their new rows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.overrides import OverridesByCluster, override_facts
from reelshelf.indexer.quality.relinking import copies_of
from reelshelf.indexer.store.overrides import read_overrides
from reelshelf.indexer.store.rows import RunContext
from reelshelf.indexer.store.tables import LinkState, Store
from reelshelf.schemas.keys import Json, fingerprint
from reelshelf.schemas.links import ProductLink


@dataclass(frozen=True, slots=True)
class Due:
    """Groups of copies whose links are to be made, each with what they will have been made from."""

    made_from: Mapping[tuple[str, ...], str]
    overrides: OverridesByCluster


def due_links(store: Store, linked_as: str, only: Collection[str] | None = None) -> Due:
    """The groups whose links were made from something else; `only` those with one of these keys.

    `linked_as` is the fingerprint of all that the links of a shop have in common.
    """
    states = store.link_states()
    clusters = {key: state.cluster for key, state in states.items()}
    overrides = OverridesByCluster(read_overrides(store), clusters)
    due = {}
    for group in copies_of(clusters, states if only is None else only):
        made_from = _made_from(linked_as, group, states, overrides)
        if any(states[key].made_from != made_from for key in group):
            due[tuple(group)] = made_from
    return Due(due, overrides)


def _made_from(
    linked_as: str,
    group: Sequence[str],
    states: Mapping[str, LinkState],
    overrides: OverridesByCluster,
) -> str:
    parts: list[Json] = [linked_as, [[key, states[key].content_sha256] for key in group]]
    # Left out where nobody said anything: most videos are such.
    if rules := overrides.of(group[0]):
        parts.append(override_facts(rules))
    return fingerprint(parts)


def make_links(store: Store, linker: Linker, due: Due, context: RunContext) -> Iterator[int]:
    """Link what is due and write it, a batch at a time; yields how many videos each had."""
    made_from = {key: print_ for group, print_ in due.made_from.items() for key in group}
    for batch in store.videos_to_link([list(group) for group in due.made_from]):
        links: list[tuple[str, ProductLink]] = []
        for copies in filter(None, batch):
            rules = due.overrides.of(copies[0][1].video_key)
            found = linker.link([video for _, video in copies], rules)
            for (video_id, _), own in zip(copies, found, strict=True):
                links += [(video_id, link) for link in own]
        keys = [video.video_key for copies in batch for _, video in copies]
        store.write_links({key: made_from[key] for key in keys}, links, context)
        yield len(keys)
