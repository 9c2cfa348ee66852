"""The log of runs: written down from their start, whatever becomes of them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reelshelf.indexer.store.runs import all_runs, last_indexing, run_records
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
from reelshelf.models.protocols import ModelSet
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.run import Ending
from tests.support.commands import ROOT
from tests.support.fakes import load_fakes, load_missing
from tests.support.shops import Shop, small_config

DIES = """
import os, signal, sys
from pathlib import Path
from importlib import import_module
from tests.support.fakes import load_fakes
from tests.support.shops import DECODE, Shop
def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "videos":
    from reelshelf.jobs.engines.local import LocalEngine
    LocalEngine.index_videos = die
else:
    import_module("reelshelf.indexer.pipeline.ingest").plan = die
Shop(Path(sys.argv[1]))._ingest(None, load_fakes, DECODE, verify=False, reindex=None)
"""


def die_in(shop: Shop, stage: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(shop.root), stage], cwd=ROOT, check=False
    )
    assert done.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("stage", ["plan", "videos"])
def test_a_run_that_died_is_recorded_with_the_stage_it_was_in(shop: Shop, stage: str) -> None:
    die_in(shop, stage)
    store = Store.open(shop.request.store)
    (dead,) = all_runs(store)
    assert (dead.ending, dead.stage) == (Ending.RUNNING, stage)
    assert run_records(store) == []
    shop.ingest()
    dead, done = all_runs(store)
    assert (dead.ending, dead.stage) == (Ending.CRASHED, stage)
    assert stage in str(dead.message)
    assert done.ending is Ending.PUBLISHED
    # What asks for finished runs does not meet it.
    assert run_records(store) == [done]
    assert last_indexing(store) == done


def on_a_gpu(config: Config) -> ModelSet:
    models = load_fakes(config)
    models.image.device = "cuda"  # type: ignore[misc]
    return models


def test_a_record_says_what_each_model_ran_on(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    result = shop.ingest(loader=on_a_gpu)
    (record,) = run_records(Store.open(shop.request.store))
    assert record.devices == result.devices
    assert record.devices is not None
    assert record.devices.told in caplog.text
    assert (record.devices.image, record.devices.text) == ("cuda", "cpu")
    # What a model runs on is no part of what it is: on a CPU there is nothing to do.
    assert shop.ingest().tally.skipped == result.tally.indexed


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("command", ["prune", "publish", "upgrade"])
def test_every_command_that_takes_the_lease_records_the_dead(shop: Shop, command: str) -> None:
    shop.ingest()
    die_in(shop, "plan")
    assert main([command, "--store", shop.request.store]) == 0
    endings = [record.ending for record in all_runs(Store.open(shop.request.store))]
    assert endings[1] is Ending.CRASHED
    assert Ending.RUNNING not in endings


def test_an_error_ends_a_run_as_failed(shop: Shop) -> None:
    shop.ingest()
    with pytest.raises(ModelUnavailable):
        shop.ingest(loader=load_missing)
    first, failed = all_runs(Store.open(shop.request.store))
    assert first.ending is Ending.PUBLISHED
    assert failed.ending is Ending.FAILED
    assert "on holiday" in str(failed.message)
    assert failed.models is None
    # It read no source to its end: a reindex goes by the one before.
    assert last_indexing(Store.open(shop.request.store)) == first


def test_a_run_that_may_not_publish_keeps_its_failure_rate(shop: Shop, tmp_path: Path) -> None:
    (shop.root / "videos" / "b.mp4").write_bytes(b"no video")
    config = small_config(gate={"max_failure_rate": 0.1})
    assert shop.run(config).ending is Ending.TOO_MANY_FAILURES
    (record,) = all_runs(Store.open(shop.request.store))
    assert record.failure_rate == pytest.approx(1 / 3)


@pytest.mark.slow
def test_the_report_tells_of_a_run_that_crashed(shop: Shop, tmp_path: Path) -> None:
    shop.ingest()
    die_in(shop, "plan")
    assert main(["upgrade", "--store", shop.request.store]) == 0
    out = tmp_path / "report"
    assert main(["report", "--store", shop.request.store, "--out", str(out)]) == 0
    night = json.loads((out / "report.json").read_text())["headline"]["night"]
    assert night["ending"] == "crashed"
    assert "'plan'" in night["message"]
