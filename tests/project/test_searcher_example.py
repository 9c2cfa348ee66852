"""The contract with an online searcher (docs/searcher.md), kept by the example that follows it."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from examples.searcher import Searcher
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import prune_store, publish
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.tables import Store
from reelshelf.models.protocols import TextEncoder
from reelshelf.schemas.config import Config, parse_config
from tests.support.fakes import FakeTexts

pytestmark = pytest.mark.integration


@pytest.fixture
def store(example_store: Path, tmp_path: Path) -> Store:
    shutil.copytree(example_store, tmp_path / "store")
    return Store.open(str(tmp_path / "store"))


def change(store: Store, title: str) -> str:
    """Another release, recognizable by what its products are called; its id."""
    store.table("products").update(values={"title": title})
    # The gate would not have it: nobody but a run writes titles.
    made = publish(store.uri, None, NoProgress(), forced="a test")
    assert made.published
    return made.newest.release_id


def titles(searcher: Searcher) -> set[str]:
    return set(searcher.tables["products"].to_arrow()["title"].to_pylist())


@pytest.mark.slow
def test_a_searcher_opens_answers_and_follows(store: Store) -> None:
    searcher = Searcher(store.uri)
    # Both moments of this clip say the same: either may come first.
    video, _, cosine, skus = searcher.search("retro television")[0]
    assert video == "clip-09"
    assert cosine > 0.5
    assert "EL-9190" in skus
    assert not searcher.follow()

    first = searcher.release
    second = change(store, "renamed")
    # What it holds is whole until it moves.
    assert titles(searcher) != {"renamed"}
    assert searcher.follow()
    assert searcher.release is not None
    assert searcher.release.release_id == second
    assert titles(searcher) == {"renamed"}

    releases.rollback(store)
    assert searcher.follow()
    assert searcher.release == first
    assert searcher.search("retro television")[0][0] == "clip-09"


@pytest.mark.slow
def test_a_searcher_that_moves_within_its_grace_survives_pruning(store: Store) -> None:
    searcher = Searcher(store.uri)
    for number in range(3):
        change(store, f"title {number}")
    config = parse_config({})
    prune_store(store.uri, config, keep=1, grace=dt.timedelta(hours=24))
    assert searcher.search("retro television")[0][0] == "clip-09"
    assert searcher.follow()
    assert titles(searcher) == {"title 2"}


def test_another_encoder_and_another_schema_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(config: Config) -> TextEncoder:
        return FakeTexts()

    with monkeypatch.context() as patch:
        patch.setattr("examples.searcher.load_query_encoder", other)
        with pytest.raises(SystemExit, match="fake-texts cannot search all-MiniLM"):
            Searcher(store.uri)
    with monkeypatch.context() as patch:
        patch.setattr("examples.searcher.SCHEMA_VERSION", 3)
        with pytest.raises(SystemExit, match="update this searcher"):
            Searcher(store.uri)


def test_the_example_is_as_short_as_it_says() -> None:
    lines = Path("examples/searcher.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 90
