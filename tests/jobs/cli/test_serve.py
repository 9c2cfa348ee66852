"""What keeps the service from starting is told before anything is started."""

import socket
from pathlib import Path

import pytest

from reelshelf.jobs.cli import main
from reelshelf.schemas.errors import ExitCode

pytestmark = pytest.mark.integration


def test_a_port_that_is_taken_is_told(
    example_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code = main(["serve", "--store", str(example_store), "--port", port])
    assert code == ExitCode.USAGE
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_store_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--store", str(tmp_path / "nothing")]) == ExitCode.STORE
    assert "nothing" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(
    example_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    settings = tmp_path / "searcher.toml"
    settings.write_text(f'[server]\nport = 0\n[log]\nevents = "{tmp_path}/file/events"\n')
    code = main(["serve", "--store", str(example_store), "--config", str(settings)])
    assert code == ExitCode.USAGE
    assert "log.events: " in capsys.readouterr().err
