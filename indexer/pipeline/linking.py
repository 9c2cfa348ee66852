"""Linking what is due: which groups of copies, made from what, and their new rows."""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from reelshelf.indexer.index.linkers import LinkerRecipe, is_large, linker_of, prepared
from reelshelf.indexer.linking.link import linking_facts
from reelshelf.indexer.linking.overrides import OverridesByCluster, override_facts
from reelshelf.indexer.linking.prices import usual_currency
from reelshelf.indexer.pipeline.engine import TaskRunner
from reelshelf.indexer.quality.relinking import copies_of
from reelshelf.indexer.store.overrides import read_overrides
from reelshelf.indexer.store.rows import RunContext, link_rows, product_records
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import LinkState, Store
from reelshelf.schemas.keys import Json, fingerprint
from reelshelf.schemas.links import ProductLink
from reelshelf.schemas.overrides import Override

# Of videos and their copies, for one task.
_GROUPS_PER_TASK = 128
_ROWS_PER_COMMIT = 8192


@dataclass(frozen=True, slots=True)
class Facts:
    """Fingerprints of what links are made from beside videos: of prices, and of all the rest.

    Prices have a part only in links of videos that state one.
    """

    rest: str
    prices: str


@dataclass(frozen=True, slots=True)
class Due:
    """Groups of copies whose links are to be made, each with what they will have been made from.

    That is without prices: `facts` says them.
    """

    made_from: Mapping[tuple[str, ...], str]
    overrides: OverridesByCluster
    facts: Facts

    def overrides_on(self, groups: Iterable[tuple[str, ...]]) -> dict[str, tuple[Override, ...]]:
        """The overrides on the videos of some groups, by key; without those that have none."""
        by_group = ((group, self.overrides.of(group[0])) for group in groups)
        return {key: rules for group, rules in by_group if rules for key in group}


def facts_of_products(pinned: PinnedTables) -> Facts:
    """Digests of all that links are made from of a catalog, whatever the order of its rows.

    They are sums of hashes of rows (Bellare and Micciancio, "A New Paradigm for Collision-Free
    Hashing", 1997), made in a stream: no more than a batch of products is held.
    """
    rest = prices = 0
    currencies: Counter[str] = Counter()
    columns = [n for n in pinned.dataset("products").schema.names if not n.endswith("_vector")]
    for batch in pinned.dataset("products").to_batches(columns=columns):
        for product in product_records(pa.Table.from_batches([batch])):
            rest += int(fingerprint(linking_facts(product)), 16)
            price = [product.sku, str(product.price), product.currency]
            prices += int(fingerprint(price), 16)
            currencies[product.currency or ""] += 1
    columns = ["product_key", "uri", "content_sha256", "printed"]
    for batch in pinned.dataset("product_images").to_batches(columns=columns):
        for row in batch.to_pylist():
            rest += int(fingerprint([row[name] for name in columns]), 16)
    # What a number without a currency is in tells whether a text states a price at all.
    usual = usual_currency(currencies)
    return Facts(fingerprint([rest % 2**256, usual]), fingerprint([prices % 2**256]))


def due_links(store: Store, facts: Facts, only: Collection[str] | None = None) -> Due:
    """The groups whose links were made from something else; `only` those with one of these keys.

    `facts.rest` is the fingerprint of all that the links of a shop have in common.
    """
    states = store.link_states()
    clusters = {key: state.cluster for key, state in states.items()}
    overrides = OverridesByCluster(read_overrides(store), clusters)
    due = {}
    for group in copies_of(clusters, states if only is None else only):
        made_from = _made_from(facts.rest, group, states, overrides)
        known = (made_from, with_prices(made_from, facts))
        if any(states[key].made_from not in known for key in group):
            due[tuple(group)] = made_from
    return Due(due, overrides, facts)


def with_prices(made_from: str, facts: Facts) -> str:
    """What links are made from of videos that state a price."""
    return fingerprint([made_from, facts.prices])


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


@dataclass(frozen=True, slots=True)
class Part:
    """Groups of copies for a task to link, given by keys, and what it reads.

    `overrides` are those on any of the videos, by its key.
    """

    recipe: LinkerRecipe
    versions: Mapping[str, int]
    groups: tuple[tuple[str, ...], ...]
    overrides: Mapping[str, tuple[Override, ...]]
    context: RunContext


@dataclass(frozen=True, slots=True)
class Linked:
    """The links of some videos as rows; the keys of the videos, each with whether prices count."""

    priced: Mapping[str, bool]
    rows: pa.Table


def link_part(part: Part) -> Linked:
    """Link the groups of a part."""
    linker, store = linker_of(part.recipe), part.recipe.pinned.store
    links: list[tuple[str, ProductLink]] = []
    priced: dict[str, bool] = {}
    for batch in store.videos_to_link(part.groups, part.versions):
        for copies in filter(None, batch):
            own = [video.video_key for _, video in copies]
            found = linker.link([video for _, video in copies], part.overrides.get(own[0], ()))
            for (video_id, _), made in zip(copies, found, strict=True):
                links += [(video_id, link) for link in made]
            # What one copy states counts for all.
            states = any(linker.states_price(video) for _, video in copies)
            priced |= dict.fromkeys(own, states)
    return Linked(priced, link_rows(links, part.context))


def make_links(
    store: Store, recipe: LinkerRecipe, due: Due, tasks: TaskRunner, context: RunContext
) -> Iterator[int]:
    """Link what is due and write it; yields how many videos each commit had.

    Tasks read and link, wherever there is room. What is one task's work is done here.
    """
    versions = {name: store.dataset(name).version for name in ("videos", "segments")}
    groups = list(due.made_from)
    parts = [
        Part(recipe, versions, own, due.overrides_on(own), context)
        for own in (
            tuple(groups[start : start + _GROUPS_PER_TASK])
            for start in range(0, len(groups), _GROUPS_PER_TASK)
        )
    ]
    if not parts:
        return
    if is_large(recipe):
        # One process makes the linker of a large catalog: not this one, and not all at once.
        deque(tasks.map_tasks(prepared, [recipe]), maxlen=0)
    made_from = {key: print_ for group, print_ in due.made_from.items() for key in group}
    pending: list[Linked] = []

    def commit() -> int:
        done = {
            key: with_prices(made_from[key], due.facts) if priced else made_from[key]
            for item in pending
            for key, priced in item.priced.items()
        }
        store.write_links(done, pa.concat_tables([item.rows for item in pending]))
        pending.clear()
        return len(done)

    answers = map(link_part, parts) if len(parts) == 1 else tasks.map_tasks(link_part, parts, 1)
    for linked in answers:
        pending.append(linked)
        # A video without links is a row that changes as well.
        if sum(item.rows.num_rows + len(item.priced) for item in pending) >= _ROWS_PER_COMMIT:
            yield commit()
    if pending:
        yield commit()
