"""The command that a schedule starts: its exit codes, its one line, its metrics."""

import json
from pathlib import Path

import pytest

from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs import nightly
from reelshelf.jobs.cli import main
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.schemas.errors import ExitCode
from tests.support.fakes import load_fakes
from tests.support.shops import Shop, product_row, write_config


@pytest.fixture(autouse=True)
def fake_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "make_engine", lambda config: LocalEngine(config, load_fakes))


def run(path: Path, *words: str) -> int:
    return main(["nightly", "--config", str(path), *words])


@pytest.mark.slow
def test_a_night_publishes_and_the_next_has_nothing_to_do(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(shop)
    assert run(path, "--dry-run") == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["videos_new"], planned["pictures_to_encode"]) == (3, 3)
    assert not Path(shop.request.store).exists()

    assert run(path) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert summary["ending"] == "published"
    assert summary["outcomes"] == {"submitted": 3, "indexed": 3, "skipped": 0, "failed": 0}
    assert summary["spent"]["decode"]["cpu_s"] > 0
    # 360 an hour is 0.1 a second.
    spent = sum(stage["cpu_s"] for stage in summary["spent"].values())
    assert summary["cost"] == pytest.approx(spent * 0.1, abs=0.02)
    assert summary["cost_per_video"] == pytest.approx(summary["cost"] / 3, abs=1e-4)
    assert "reelshelf nightly: published r000001-" in err.splitlines()[-1]

    assert run(path, "--dry-run") == ExitCode.NOTHING_TO_DO
    assert run(path) == ExitCode.NOTHING_TO_DO
    assert "nothing to do" in capsys.readouterr().err.splitlines()[-1]


def test_the_record_of_a_run_tells_plan_seconds_and_cost(shop: Shop) -> None:
    run(write_config(shop))
    (row,) = Store.open(shop.request.store).table("runs").to_arrow().to_pylist()
    assert json.loads(row["planned"])["videos_new"] == 3
    assert set(json.loads(row["spent"])) >= {"decode", "visual", "ocr", "asr", "text", "products"}
    assert row["cost"] > 0
    assert row["cost_per_video"] == pytest.approx(row["cost"] / 3)
    assert row["currency"] == "USD"


def test_metrics_are_in_prometheus_text_format(shop: Shop) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    run(write_config(shop))
    text = (shop.root / "reelshelf.prom").read_text()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["reelshelf_last_run_exit_code",] == 0
    assert found["reelshelf_videos", "indexed"] == 3
    assert found["reelshelf_stage_seconds", "decode", "cpu"] > 0
    assert found["reelshelf_release_rows", "products"] == 3


@pytest.mark.parametrize(
    ("extra", "breaks", "code", "word"),
    [
        ("[gate]\nmin_videos = 9\n", False, 4, "gate refused"),
        ("", True, 5, "too many failures"),
    ],
)
def test_a_night_that_may_not_publish_says_so_with_its_own_exit_code(
    shop: Shop, capsys: pytest.CaptureFixture[str], extra: str, breaks: bool, code: int, word: str
) -> None:
    if breaks:
        (shop.root / "videos" / "a.mp4").write_text("broken")
    assert run(write_config(shop, extra)) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["exit_code"] == code
    assert word in err.splitlines()[-1]
    assert "reelshelf_last_run_exit_code" in (shop.root / "reelshelf.prom").read_text()


def test_a_second_run_leaves_at_once(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(shop)
    run(path)
    with Lease.take(Store.open(shop.request.store), "first", 60):
        assert run(path) == 8
    assert "run first on" in capsys.readouterr().err


def test_a_source_that_lost_most_of_its_products_is_refused(shop: Shop) -> None:
    path = write_config(shop)
    run(path)
    shop.set_products([product_row("red")])
    assert run(path) == 4
    assert Store.open(shop.request.store).table("products").count_rows() == 3


def test_the_config_must_name_a_profile_and_what_to_run_on(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_config(shop, profile="")) == 2
    assert 'profile = "offline"' in capsys.readouterr().err
    bare = shop.root / "bare.toml"
    bare.write_text('profile = "offline"\n')
    assert run(bare) == 2
    assert "nightly.catalog, nightly.videos, nightly.store" in capsys.readouterr().err


@pytest.mark.parametrize("endpoint", ["http://key:secret@host:9000", "ftp://host", "host:9000"])
def test_an_endpoint_with_credentials_or_no_scheme_is_refused(shop: Shop, endpoint: str) -> None:
    assert run(write_config(shop, f'[storage]\nendpoint = "{endpoint}"\n')) == 2
