"""The report's figures of search are those of a scorer that shares no code with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.shop_worker import answer, write_lines
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.releases import config_of, require_served
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.models.registry import load_image_encoder, load_query_encoder
from tests.support.commands import EXAMPLE_SHOP, reelshelf

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_judged_queries_score_as_the_scorer_says(
    example_store: Path, bench: Path, tmp_path: Path
) -> None:
    store = Store.open(str(example_store))
    release = require_served(store)
    config = config_of(release)
    encoders = QueryEncoders(load_query_encoder(config), load_image_encoder(config))
    answers, _ = answer(
        Searcher(ReleaseSnapshot.of(store, release), encoders, config.search), EXAMPLE_SHOP
    )
    write_lines(tmp_path / "results.jsonl", answers)
    command = [sys.executable, str(bench / "score.py"), "--json", "--bench", str(EXAMPLE_SHOP)]
    done = subprocess.run(
        [*command, "--search", str(tmp_path / "results.jsonl")],
        capture_output=True,
        text=True,
        check=True,
    )
    scored = json.loads(done.stdout)["search"]["by_kind"]
    facts = reelshelf(
        *("report", "--store", str(example_store), "--out", str(tmp_path / "r")),
        *("--judged", str(EXAMPLE_SHOP / "queries.jsonl")),
    )
    kinds = {kind["kind"]: kind for kind in facts["search"]["kinds"]}
    assert kinds.keys() == scored.keys() - {"text"}
    for name, kind in kinds.items():
        assert kind["queries"] == scored[name]["n"]
        for ours, theirs in (("ndcg_at_10", "ndcg10"), ("recall_at_5", "r5"), ("mrr", "mrr")):
            assert kind["now"][ours] == pytest.approx(scored[name][theirs]), (name, ours)
