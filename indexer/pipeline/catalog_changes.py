"""What links are made from of a catalog, and which of its products have changed in that."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.linking.link import linking_facts
from reelshelf.indexer.store.rows import product_records
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.text.groups import MOST_VARIANTS
from reelshelf.indexer.text.money import usual_currency
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.release import CatalogState

_SKETCH = 256
_WORD = 2**64


@dataclass(frozen=True, slots=True, eq=False)
class ProductFacts:
    """Digests of what links are made from of each product of a catalog: `n` of each.

    `rest` are of all but prices, which count only in links of videos that state one.
    """

    skus: pa.Array
    rest: npt.NDArray[np.uint64]
    prices: npt.NDArray[np.uint64]
    state: CatalogState

    @classmethod
    def of(cls, pinned: PinnedTables) -> "ProductFacts":
        """Those of the catalog in some versions of the tables, whatever the order of its rows.

        The state is of sums of hashes of rows (Bellare and Micciancio, "A New Paradigm for
        Collision-Free Hashing", 1997). No more than a batch of products is held as such.
        """
        total = total_prices = 0
        products, pictures = pinned.dataset("products"), pinned.dataset("product_images")
        # Not of the batches below: a cell of these holds on to all that was read with it.
        names = products.to_table(columns=["product_key", "sku"])
        rest, prices = (np.zeros(len(names), np.uint64) for _ in range(2))
        currencies: Counter[str] = Counter()
        columns = [item.name for item in fields(Product) if item.name in products.schema.names]
        batches = products.to_batches(columns=columns)
        records = chain.from_iterable(map(product_records, batches))
        for place, product in enumerate(records):
            own = int(fingerprint(linking_facts(product)), 16)
            price = [product.sku, str(product.price), product.currency]
            own_price = int(fingerprint(price), 16)
            total, total_prices = total + own, total_prices + own_price
            rest[place], prices[place] = own % _WORD, own_price % _WORD
            currencies[product.currency or ""] += 1
        keys = names["product_key"].combine_chunks()
        columns = ["product_key", "uri", "content_sha256", "printed"]
        for batch in pictures.to_batches(columns=columns):
            found = [int(fingerprint([row[n] for n in columns]), 16) for row in batch.to_pylist()]
            total += sum(found)
            owners = pc.fill_null(pc.index_in(batch["product_key"], keys), -1).to_numpy()
            digests = np.array([value % _WORD for value in found], np.uint64)
            np.add.at(rest, owners[owners >= 0], digests[owners >= 0])
        # What a number without a currency is in tells whether a text states a price at all.
        usual = usual_currency(currencies)
        state = CatalogState(
            rest=fingerprint([total % 2**256, usual]), prices=fingerprint([total_prices % 2**256])
        )
        return cls(
            names["sku"].combine_chunks(),
            rest,
            prices,
            state,
        )

    @property
    def sketch(self) -> tuple[str, ...]:
        """The smallest of the digests, by which catalogs are compared (see `CatalogCounts`)."""
        return tuple(f"{value:016x}" for value in np.sort(self.rest)[:_SKETCH].tolist())


def resemblance(one: Sequence[str], other: Sequence[str]) -> float:
    """Which share of two catalogs they have in common, estimated from their sketches, 0..1."""
    both = set(one) & set(other)
    smallest = sorted({*one, *other})[: max(len(one), len(other))]
    return sum(digest in both for digest in smallest) / max(len(smallest), 1)


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """SKUs of products that are new or others, that are gone, and that cost something else."""

    touched: tuple[str, ...]
    gone: tuple[str, ...]
    repriced: tuple[str, ...]

    @classmethod
    def between(
        cls, before: PinnedTables, after: PinnedTables, facts: ProductFacts
    ) -> "CatalogChange":
        """What has changed from one catalog to another, of which `facts` are.

        What is left of a group that a product was in is another group, and counts as touched.
        """
        change = cls._of_facts(ProductFacts.of(before), facts)
        left = kin_of(before, after, {*change.touched, *change.gone})
        touched = left.union(change.touched)
        return cls(
            tuple(sorted(touched)),
            change.gone,
            tuple(sku for sku in change.repriced if sku not in touched),
        )

    @classmethod
    def _of_facts(cls, before: ProductFacts, after: ProductFacts) -> "CatalogChange":
        at = pc.fill_null(pc.index_in(after.skus, before.skus), -1).to_numpy()
        there = at >= 0
        same = np.zeros(len(at), bool)
        same[there] = after.rest[there] == before.rest[at[there]]
        repriced = np.zeros(len(at), bool)
        repriced[there] = after.prices[there] != before.prices[at[there]]
        gone = pc.invert(pc.is_in(before.skus, after.skus))
        return cls(
            tuple(after.skus.filter(pa.array(~same)).to_pylist()),
            tuple(before.skus.filter(gone).to_pylist()),
            tuple(after.skus.filter(pa.array(same & repriced)).to_pylist()),
        )

    def __len__(self) -> int:
        return len(self.touched) + len(self.gone) + len(self.repriced)


def kin_of(before: PinnedTables, after: PinnedTables, skus: Collection[str]) -> set[str]:
    """SKUs of the later catalog that may have been variants of some of the earlier one.

    They have a group that the catalog gives in common with one of these, or a picture.
    """
    columns = ["product_key", "sku", "group_id"]
    old = before.scan("products", columns)
    old = old.filter(pc.is_in(old["sku"], pa.array(sorted(skus), pa.string())))
    groups = pc.unique(pc.drop_null(old["group_id"]))
    columns = ["product_key", "content_sha256"]
    shown = before.scan("product_images", columns)
    shown = shown.filter(pc.is_in(shown["product_key"], pc.unique(old["product_key"])))
    now = after.scan("product_images", columns)
    now = now.filter(pc.is_in(now["content_sha256"], pc.unique(shown["content_sha256"])))
    counts = now.group_by("content_sha256").aggregate([("product_key", "count")])
    # A picture of very many tells of no group.
    few = counts.filter(pc.less_equal(counts["product_key_count"], MOST_VARIANTS))
    owners = now.filter(pc.is_in(now["content_sha256"], few["content_sha256"]))["product_key"]
    products = after.scan("products", ["product_key", "sku", "group_id"])
    kin = pc.or_(
        pc.is_in(products["group_id"], groups), pc.is_in(products["product_key"], pc.unique(owners))
    )
    return set(products.filter(kin)["sku"].to_pylist())


# Links are carried over a catalog of which so large a share has changed since they were made, and
# over so many states of it. Rivals that go one by one would not be noticed for ever.
_MOST_CHANGED, _MOST_STATES = 0.05, 256


def carried_states(
    states: Sequence[CatalogState], change: CatalogChange, products: int
) -> list[CatalogState]:
    """The states from which links may still be made after a change of the catalog."""
    moved = [state.model_copy(update={"changed": state.changed + len(change)}) for state in states]
    return [s for s in moved if s.changed <= _MOST_CHANGED * products][: _MOST_STATES - 1]


def named(state: CatalogState, *, priced: bool) -> str:
    """The state of a catalog as a video's row has it, that states a price or does not."""
    return f"{state.rest} {state.prices}" if priced else state.rest


def is_priced(name: str) -> bool:
    """Whether that is of a video that states a price."""
    return " " in name


def names_of(states: Sequence[CatalogState]) -> Mapping[str, None]:
    """All names of some states, in order."""
    return dict.fromkeys(named(state, priced=p) for state in states for p in (False, True))
