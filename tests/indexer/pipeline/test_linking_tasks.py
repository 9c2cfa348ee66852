"""Links are the same whoever makes them, and are made again where what they are made of changed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pytest

from reelshelf.indexer.index import candidates, linkers
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.pipeline import catalog_changes, gating, linking, releasing, statistics
from reelshelf.indexer.pipeline.catalog_changes import ProductFacts
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.links import LinkableVideo, ProductLink
from reelshelf.schemas.overrides import Override
from reelshelf.schemas.run import Ending
from tests.support.fakes import load_fake_detector, load_fakes
from tests.support.shops import COLORS, Shop, make_shop, product_row, small_config

TITLES = {"a": "Crimson Kettle", "b": "Cobalt Vase for 12.50 EUR", "c": "Fern Lamp, number 7"}

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def link_rows(shop: Shop) -> list[dict[str, object]]:
    columns = ["video_key", "sku", "score", "scores", "spans", "evidence"]
    rows = Store.open(shop.request.store).scan("links", columns).to_pylist()
    return sorted(rows, key=lambda row: (row["video_key"], row["sku"]))


def test_links_in_tasks_are_those_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, spread = make_shop(tmp_path / "whole"), make_shop(tmp_path / "spread")
    whole.ingest()
    asked: list[tuple[int, int | None]] = []

    def map_tasks(
        self: LocalEngine,
        function: Callable[[Item], Answer],
        items: Sequence[Item],
        cores: int | None = None,
    ) -> Iterator[Answer]:
        asked.append((len(items), cores))
        return map(function, reversed(items))

    monkeypatch.setattr(linking, "_GROUPS_PER_TASK", 1)
    monkeypatch.setattr(linking, "_ROWS_PER_COMMIT", 1)
    monkeypatch.setattr(LocalEngine, "map_tasks", map_tasks)
    spread.made_as = None
    spread.ingest()
    assert (len(whole.rows()), 1) in asked
    assert link_rows(spread) == link_rows(whole)
    assert link_rows(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "rest", "prices"),
    [
        ({"title": "another title"}, True, False),
        ({"price": 12.5}, False, True),
        ({"availability": "out of stock"}, False, False),
        ({"rating": 4.5}, False, False),
    ],
)
def test_facts_tell_what_links_are_made_of(
    tmp_path: Path, change: dict[str, object], rest: bool, prices: bool
) -> None:
    shop = make_shop(tmp_path)
    shop.ingest()
    before = ProductFacts.of(PinnedTables.newest(Store.open(shop.request.store))).state
    catalog = tmp_path / "catalog" / "products.jsonl"
    rows = [json.loads(line) for line in catalog.read_text().splitlines()]
    rows[0] |= change
    # The order of rows is none of it.
    catalog.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    shop.ingest()
    after = ProductFacts.of(PinnedTables.newest(Store.open(shop.request.store))).state
    assert (after.rest != before.rest, after.prices != before.prices) == (rest, prices)


@pytest.mark.slow
def test_a_changed_price_links_only_what_states_one(tmp_path: Path) -> None:
    """And the links are those of a shop that has had the new price from the start."""
    changed, fresh = make_shop(tmp_path / "changed"), make_shop(tmp_path / "fresh")
    for shop in (changed, fresh):
        shop.set_videos([{**row, "title": TITLES[row["video_id"]]} for row in shop.rows()])
        shop.made_as = None
    changed.ingest()
    rows = [product_row(name) | {"price": 12.5 if name == "blue" else 9.5} for name in COLORS]
    for shop in (changed, fresh):
        shop.set_products(rows)
        shop.ingest()
    assert link_rows(changed) == link_rows(fresh)
    store = Store.open(changed.request.store)
    runs = store.scan("links", ["video_id", "run_id"]).to_pylist()
    newest = store.scan("products", ["sku", "run_id"]).to_pylist()
    (again,) = {row["run_id"] for row in newest if row["sku"] == "SKU-blue"}
    assert {row["video_id"] for row in runs if row["run_id"] == again} == {"b"}
    assert {row["video_id"] for row in runs} == set(TITLES)


@pytest.mark.slow
@pytest.mark.integration
def test_ray_tasks_link_as_one_process_does(
    tmp_path: Path, ray_node: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By workers that open the store and make the linker for themselves."""
    whole, spread = make_shop(tmp_path / "whole"), make_shop(tmp_path / "spread")
    whole.ingest()
    engine = RayEngine(small_config(), load_fakes, detector=load_fake_detector)
    monkeypatch.setattr(linking, "_GROUPS_PER_TASK", 1)
    monkeypatch.setattr(LocalEngine, "map_tasks", staticmethod(engine.map_tasks))
    spread.made_as = None
    spread.ingest()
    assert link_rows(spread) == link_rows(whole)


def test_videos_without_links_are_committed_as_they_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_shop(tmp_path)
    commits: list[int] = []
    write = Store.write_links

    def counted(self: Store, made_from: Mapping[str, str], links: pa.Table) -> None:
        commits.append(len(made_from))
        write(self, made_from, links)

    monkeypatch.setattr(Store, "write_links", counted)
    monkeypatch.setattr(linking, "_GROUPS_PER_TASK", 1)
    monkeypatch.setattr(linking, "_ROWS_PER_COMMIT", 2)
    shop.made_as = None
    shop.run(small_config(linking={"keep_above": 1.0}))  # which the gate refuses
    assert commits == [2, 1]


def carry(monkeypatch: pytest.MonkeyPatch, most_changed: float = 1.0) -> None:
    """Keep links although, of a few products, each is much of its catalog."""
    monkeypatch.setattr(catalog_changes, "_MOST_CHANGED", most_changed)
    monkeypatch.setattr(statistics, "_SAME_CATALOG", 0.0)


def count_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for candidates in cells, whatever the size; leave no linker to other tests."""
    monkeypatch.setattr(candidates, "NAMES_UP_TO", 0)
    for module in (candidates, linkers, statistics):
        monkeypatch.setattr(module, "FLAT_UP_TO", 0)
    for last in (linkers._WHOLE, linkers._AMONG):
        monkeypatch.setattr(last, "name", None)
        monkeypatch.setattr(last, "linker", None)


def made_by(shop: Shop) -> dict[str, set[str]]:
    """The runs that made the links of each video."""
    rows = Store.open(shop.request.store).scan("links", ["video_id", "run_id"]).to_pylist()
    return {
        row["video_id"]: {r["run_id"] for r in rows if r["video_id"] == row["video_id"]}
        for row in rows
    }


def link_all(shop: Shop) -> None:
    """As if nobody knew what the links were made from."""
    store = Store.open(shop.request.store)
    store.dataset("videos").update({"links_fingerprint": "CAST(NULL AS STRING)"})
    shop.ingest()


CHANGES: dict[str, Callable[[list[dict[str, object]]], list[dict[str, object]]]] = {
    "another title": lambda rows: [
        row | ({"title": "Moss Lantern"} if row["sku"] == "SKU-green" else {}) for row in rows
    ],
    "another picture": lambda rows: [
        row | ({"images": ["images/red.png"]} if row["sku"] == "SKU-green" else {}) for row in rows
    ],
    "one is gone": lambda rows: [row for row in rows if row["sku"] != "SKU-green"],
    "one is new": lambda rows: [*rows, product_row("green") | {"sku": "SKU-like-green"}],
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("large", [False, True], ids=["compared", "indexed"])
def test_a_changed_product_links_only_videos_in_which_it_has_a_say(
    tmp_path: Path, name: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The links are those of linking all videos again."""
    carry(monkeypatch)
    shop = make_shop(tmp_path)
    if large:
        count_as_large(monkeypatch)
        shop.made_as = None
    shop.ingest()
    first = made_by(shop)
    shop.set_products(CHANGES[name]([product_row(color) for color in COLORS]))
    shop.ingest(small_config(gate={"max_shrink": 1.0}))
    changed = made_by(shop)
    # "b" shows nothing but blue.
    assert changed["b"] == first["b"]
    assert changed["a"].isdisjoint(first["a"])
    links = link_rows(shop)
    link_all(shop)
    assert made_by(shop)["b"].isdisjoint(first["b"])
    again = link_rows(shop)
    assert [(row["video_key"], row["sku"]) for row in again] == [
        (row["video_key"], row["sku"]) for row in links
    ]
    # How many others a matrix product is made with moves its last digits.
    scores = [row["score"] for row in links]
    assert [row["score"] for row in again] == pytest.approx(scores, abs=1e-5)


@pytest.mark.slow
def test_what_was_carried_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Night after night, for as long as not too much has changed since the links were made."""
    carry(monkeypatch, 0.7)
    shop = make_shop(tmp_path)
    shop.ingest()
    first = made_by(shop)
    rows = {color: product_row(color) for color in COLORS}
    kept = []
    for night in range(3):
        rows["green"] = rows["green"] | {"title": f"Fern Lamp Number {night}"}
        shop.set_products(list(rows.values()))
        shop.ingest()
        kept.append(made_by(shop)["b"] == first["b"])
    # Three products, of which 0.7 are two.
    assert kept == [True, True, False]
    assert len(releases.require_served(Store.open(shop.request.store)).catalog_states) == 3


def test_a_run_that_was_killed_before_it_published_links_nothing_twice_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry(monkeypatch)
    shop = make_shop(tmp_path)
    shop.ingest()
    first = made_by(shop)
    rows = [product_row(color) for color in COLORS]
    rows[1] = rows[1] | {"title": "Moss Lantern"}
    shop.set_products(rows)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(releasing, "_build_release", die)
        with pytest.raises(KeyboardInterrupt):
            shop.ingest()
    rows[2] = rows[2] | {"title": "Ultramarine Jug"}
    shop.set_products(rows)
    shop.ingest()
    assert made_by(shop)["b"].isdisjoint(first["b"])
    links = link_rows(shop)
    link_all(shop)
    assert link_rows(shop) == links


class Shifted:
    """Links as another linker does, but for the scores."""

    def __init__(self, linker: Linker, shift: float) -> None:
        self._linker, self._shift = linker, shift

    def link(
        self, copies: Sequence[LinkableVideo], rules: Sequence[Override] = ()
    ) -> list[list[ProductLink]]:
        found = self._linker.link(copies, rules)
        return [[replace(link, score=link.score - self._shift) for link in own] for own in found]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("carried", "shift", "published"),
    [(True, 0.015, True), (True, 0.03, False), (False, 0.015, False)],
)
def test_the_gate_lets_carried_links_differ_in_what_is_faint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carried: bool, shift: float, published: bool
) -> None:
    carry(monkeypatch, 1.0 if carried else 0.0)
    shop = make_shop(tmp_path)
    shop.ingest()
    rows = [product_row(color) for color in COLORS]
    shop.set_products([row | {"title": f"New {row['title']}"} for row in rows[:1]] + rows[1:])
    linker_of = gating.released_linker
    monkeypatch.setattr(gating, "released_linker", lambda of: Shifted(linker_of(of), shift))
    assert (shop.run().ending is Ending.PUBLISHED) is published
