"""How commands end: codes and words for infrastructure, tracebacks of bugs, output that is lost."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reelshelf.indexer.store import snapshot
from reelshelf.jobs import engines, nightly
from reelshelf.jobs.cli import links, main
from reelshelf.jobs.cli.exits import as_ours, cannot_write
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.schemas.errors import (
    ConfigError,
    ExitCode,
    InfrastructureError,
    ModelUnavailable,
    StoreError,
)
from tests.support.commands import ROOT
from tests.support.fakes import load_fakes
from tests.support.shops import Shop, product_row, write_config


@pytest.fixture(autouse=True)
def fake_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load_models", load_fakes)
    monkeypatch.setattr(nightly, "make_engine", lambda config: LocalEngine(config, load_fakes))


def ingest_words(shop: Shop, store: Path | str) -> list[str]:
    config = shop.root / "local.toml"
    config.write_text('[engine]\nkind = "local"\n')
    request = shop.request
    given = ["--catalog", request.catalog, "--videos", request.videos, "--store", str(store)]
    return ["ingest", *given, "--config", str(config), "--json"]


def ingest(shop: Shop, store: Path | str) -> int:
    return main(ingest_words(shop, store))


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own at `folder`, where this user may mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("size", ["100k", "300k"])
def test_a_full_disk_is_told_in_words(shop: Shop, tmp_path: Path, size: str) -> None:
    words = ingest_words(shop, tmp_path / "small" / "store")
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", f"size={size}", "none") as disk:
        done = shell('"$@"', *words)
        assert done.returncode == 10
        assert "the disk is full: free some space" in done.stderr
        assert "bug" not in done.stderr
        # With room the same command completes what is there.
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert shell('"$@"', *words).returncode == 0


def test_a_store_that_cannot_be_written_to_is_told_before_anything_is_done(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest(shop, shop.request.store) == 0
    capsys.readouterr()
    with mounted(tmp_path / "ro", "--bind", "-o", "ro", str(shop.root)) as root:
        for place in (root / "store", root / "new" / "store"):
            assert ingest(shop, place) == 10
            assert "cannot be written to" in capsys.readouterr().err
        # Whoever only reads, may.
        assert main(["links", "--store", str(root / "store")]) == 0
        assert main(["prune", "--store", str(root / "store")]) == 10
        assert "the file system is read-only" in capsys.readouterr().err


def test_a_metrics_file_that_cannot_be_written_changes_no_code(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(shop)
    text = config.read_text().replace("reelshelf.prom", "no/such/folder/reelshelf.prom")
    config.write_text(text)
    # It is found before the run, which then does nothing.
    assert main(["nightly", "--config", str(config)]) == ExitCode.USAGE
    assert "nightly.metrics" in capsys.readouterr().err
    assert not Path(shop.request.store).exists()
    # Where the folder is gone only afterwards, the night is what it was.
    monkeypatch.setattr(nightly, "check_metrics", lambda _: None)
    assert main(["nightly", "--config", str(config)]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert json.loads(out)["exit_code"] == 0
    assert "no metrics: nightly.metrics" in err
    assert main(["nightly", "--config", str(config)]) == ExitCode.NOTHING_TO_DO


def broken(_: object) -> int:
    raise KeyError("what nobody thought of")


def test_the_traceback_of_a_bug_is_kept_in_a_file_that_the_message_names(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest(shop, shop.request.store)
    monkeypatch.setattr(snapshot, "require_served", broken)
    capsys.readouterr()
    assert main(["links", "--store", shop.request.store]) == 1
    told = capsys.readouterr().err
    assert "this is a bug in reelshelf: KeyError" in told
    assert "Traceback (most recent" not in told
    named = re.search(r"The traceback is in (\S+):", told)
    assert named
    kept = Path(named[1])
    assert 'raise KeyError("what nobody thought of")' in kept.read_text()
    kept.unlink()


def test_where_no_file_can_be_written_the_traceback_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(links, "_links", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert main(["links", "--store", "s"]) == 1
    assert 'raise KeyError("what nobody thought of")' in capsys.readouterr().err


LANCE = (
    "lance error: LanceError(IO): Generic S3 error: Error performing GET: connection refused, "
    "/home/runner/lance/rust/lance-io/src/object_store.rs:812:31"
)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "/x/y"), "/x/y: the disk is full"),
        (PermissionError(13, "Permission denied", "/x"), "/x: permission denied"),
        (RuntimeError(LANCE), "Generic S3 error: Error performing GET: connection refused"),
        (ValueError("Cannot write: Read-only file system (os error 30)"), "is read-only"),
        (MemoryError(), "out of memory"),
        (OSError("AWS Error NETWORK_CONNECTION during ListObjectsV2"), "NETWORK_CONNECTION"),
        (TimeoutError("timed out"), "timed out"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    ],
)
def test_what_the_system_refuses_is_infrastructure(error: Exception, told: str) -> None:
    found = as_ours(error)
    assert found is not None
    assert found.exit_code == 10
    assert told in str(found)
    assert ".rs:" not in str(found)


OWN = [ValueError("x"), KeyError("os error"), RuntimeError("lost"), FileNotFoundError(2, "gone")]


@pytest.mark.parametrize("error", OWN)
def test_what_is_ours_is_not(error: Exception) -> None:
    assert as_ours(error) is None


def test_a_place_that_was_named_wrongly_is_no_infrastructure() -> None:
    assert isinstance(cannot_write("--out x", FileNotFoundError(2, "No such file")), ConfigError)
    assert isinstance(cannot_write("--out x", OSError(28, "No space")), InfrastructureError)


SCRIPT = """
import sys
from reelshelf.jobs import engines
from tests.support.fakes import load_fakes
engines.load_models = load_fakes
from reelshelf.jobs.cli import main
sys.exit(main(sys.argv[1:]))
"""


def shell(command: str, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """A command line in which "$@" is reelshelf with fake models and these words."""
    return subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, "-c", SCRIPT, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


@pytest.fixture
def published(shop: Shop) -> Shop:
    shop.ingest()
    return shop


@pytest.mark.integration
def test_a_reader_that_has_gone_is_no_error(published: Shop) -> None:
    words = ("links", "--store", published.request.store, "--min-score", "0")
    done = shell('"$@" | head -c 1; exit ${PIPESTATUS[0]}', *words)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.integration
def test_a_reader_that_has_gone_turns_no_refused_run_into_a_good_one(shop: Shop) -> None:
    config = shop.root / "strict.toml"
    config.write_text('[engine]\nkind = "local"\n[gate]\nmin_videos = 9\n')
    request = shop.request
    given = ["--catalog", request.catalog, "--videos", request.videos]
    words = ("ingest", *given, "--store", request.store, "--config", str(config))
    # Both ends are closed before anything is told.
    done = shell('"$@" 2>&1 | exec true; exit ${PIPESTATUS[0]}', *words)
    assert done.returncode == 4


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("output", [">/dev/full", ">&-"])
def test_output_that_is_lost_is_told(published: Shop, output: str) -> None:
    done = shell(f'"$@" {output}', "links", "--store", published.request.store)
    assert done.returncode == 10
    assert "its output could not be written" in done.stderr


@pytest.mark.integration
def test_with_nowhere_to_write_to_a_command_still_ends_in_order(published: Shop) -> None:
    done = shell('"$@" >&- 2>&- <&-', "releases", "--store", published.request.store)
    assert done.returncode == 10


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_letters_that_a_terminal_does_not_know_are_escaped(
    shop: Shop, words: tuple[str, ...]
) -> None:
    shop.set_products([product_row(n) | {"title": "Łódź Vase"} for n in ("red", "green", "blue")])
    shop.ingest()
    given = ("links", "--store", shop.request.store, *words)
    done = shell('"$@"', *given, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert "\\u0141" in done.stdout
    if words:
        assert json.loads(done.stdout)[0]["title"] == "Łódź Vase"


@pytest.mark.slow
@pytest.mark.integration
def test_ray_below_a_long_folder_is_told_in_words(shop: Shop, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    request = shop.request
    given = ["--catalog", request.catalog, "--videos", request.videos]
    # The suite names a folder for Ray; here it is to take the system's.
    words = ["ingest", *given, "--store", request.store, "--json"]
    done = shell('env -u RAY_TMPDIR "$@"', *words, TMPDIR=str(long))
    assert done.returncode == 10
    assert "Name a shorter folder that can be written to as TMPDIR" in done.stderr
    assert not Path(request.store).exists()


@pytest.mark.parametrize("name", ["a?b", "a\nb", "a\x7fb"])
def test_a_folder_that_can_hold_no_store_is_refused_before_anything_is_written(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert ingest(shop, home / name / "store") == StoreError.exit_code
    assert "choose another folder" in capsys.readouterr().err
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "told"),
    [("remove", "missing or cut off"), ("empty", "no version of table 'head' can be read")],
)
def test_a_store_that_is_broken_is_no_bug_and_no_infrastructure(
    published: Shop, capsys: pytest.CaptureFixture[str], harm: str, told: str
) -> None:
    home = Path(published.request.store)
    if harm == "remove":
        for path in (home / "links.lance" / "data").iterdir():
            path.unlink()
    else:
        for path in (home / "head.lance" / "_versions").glob("*.manifest"):
            path.write_bytes(b"")
    assert main(["links", "--store", str(home)]) == StoreError.exit_code
    assert told in capsys.readouterr().err


def test_a_missing_package_is_named_with_the_extra_that_brings_it() -> None:
    found = as_ours(ModuleNotFoundError("No module named 'altair'", name="altair"))
    assert isinstance(found, ModelUnavailable)
    assert "reelshelf[report]" in str(found)
    # One that belongs to no extra is a bug of ours.
    assert as_ours(ModuleNotFoundError("No module named 'typo'", name="typo")) is None
