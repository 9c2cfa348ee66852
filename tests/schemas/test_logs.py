"""Logging: what each line says it is about, in every process."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
from reelshelf.models.protocols import ModelSet
from reelshelf.schemas import logs
from reelshelf.schemas.config import Config
from tests.support.commands import ROOT
from tests.support.fakes import FakeImages, load_fakes
from tests.support.shops import Shop, write_config

LOG = logging.getLogger("reelshelf.tests")


@pytest.fixture(autouse=True)
def plain() -> object:
    """Leave the logger of the process as it was."""
    logger = logging.getLogger(logs.ROOT)
    held = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = held


def test_a_line_says_which_run_video_and_stage(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=True)
    with logs.log_context(run_id="0123456789", stage="decode"), logs.log_context(video_id="clip-1"):
        LOG.info("decoded")
    line = capsys.readouterr().err
    assert "INFO run=01234567 video=clip-1 stage=decode: decoded" in line


def test_json_has_the_whole_run_id_and_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form="json")
    with logs.log_context(run_id="0123456789"):
        try:
            raise KeyError("gone")
        except KeyError:
            LOG.exception("it broke")
    row = json.loads(capsys.readouterr().err)
    assert (row["run_id"], row["level"], row["message"]) == ("0123456789", "ERROR", "it broke")
    assert 'raise KeyError("gone")' in row["trace"]


def test_without_verbose_only_warnings_are_shown_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.log"
    logs.configure(file=file)
    LOG.info("quiet")
    try:
        raise KeyError("gone")
    except KeyError:
        LOG.exception("it broke")
    assert capsys.readouterr().err == "reelshelf: error: it broke\n"
    kept = file.read_text()
    assert "quiet" in kept
    assert 'raise KeyError("gone")' in kept


def test_records_of_a_worker_are_logged_here_with_their_own_time_and_context(
    tmp_path: Path,
) -> None:
    kept = logs.keep_records()
    with logs.log_context(run_id="r", video_id="v", stage="decode"):
        LOG.warning("seen %d", 3)
    lines = kept.take()
    assert kept.take() == ()
    file = tmp_path / "run.log"
    logs.configure(form="json", file=file)
    logs.replay(lines)
    row = json.loads(file.read_text())
    assert (row["run_id"], row["video_id"], row["stage"]) == ("r", "v", "decode")
    assert row["message"] == "seen 3"


class BrokenImages(FakeImages):
    def encode_images(self, images: object) -> object:
        raise KeyError("what nobody thought of")


def load_broken(config: Config) -> ModelSet:
    fakes = load_fakes(config)
    return ModelSet(BrokenImages(), fakes.text, fakes.asr, fakes.ocr, None)


def test_the_traceback_of_an_internal_failure_is_kept_with_the_video(shop: Shop) -> None:
    shop.run(loader=load_broken)
    rows = Store.open(shop.request.store).scan("failures", None).to_pylist()
    (trace,) = {row["trace"] for row in rows if row["item_id"] == "b"}
    assert 'raise KeyError("what nobody thought of")' in trace


RAY_NIGHT = """
import sys
from pathlib import Path
import reelshelf.jobs.engines as engines
import reelshelf.jobs.nightly as nightly
from reelshelf.jobs.cli import main
from reelshelf.jobs.engines.ray.engine import RayEngine
from tests.support.fakes import load_fake_detector, load_fakes
nightly.make_engine = lambda c: RayEngine(c, load_fakes, detector=load_fake_detector)
log = ["--log-file", sys.argv[2], "--log-format", "json"]
sys.exit(main(["nightly", "--config", sys.argv[1], *log]))
"""


@pytest.mark.slow
@pytest.mark.integration
def test_logs_of_ray_workers_reach_the_drivers_file(shop: Shop, tmp_path: Path) -> None:
    config = write_config(shop)
    config.write_text(config.read_text().replace('kind = "local"', 'kind = "ray"'))
    file = tmp_path / "night.log"
    done = subprocess.run(
        [sys.executable, "-c", RAY_NIGHT, str(config), str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    run_id = json.loads(done.stdout)["run_id"]
    assert {row.get("run_id") for row in rows} == {run_id}
    decoded = {row["video_id"] for row in rows if row["message"].startswith("decoded:")}
    assert decoded == {"a", "b", "c"}
    assert {row.get("stage") for row in rows} >= {"plan", "videos", "decode", "models", "links"}


def test_a_log_file_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["releases", "--store", str(tmp_path), "--log-file", str(tmp_path / "no" / "log")]
    assert main(words) == 2
    assert "--log-file" in capsys.readouterr().err
