"""The settings of the service tell all that is wrong with them at once."""

from pathlib import Path

import pytest

from reelshelf.schemas.errors import ConfigError
from reelshelf.searcher.settings import read_settings


def written(folder: Path, text: str) -> Path:
    path = folder / "searcher.toml"
    path.write_text(text)
    return path


def test_without_a_file_everything_has_a_value() -> None:
    settings = read_settings(None)
    assert settings.server.host == "127.0.0.1"
    assert settings.keys == ()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[server]\nport = 99999\nprot = 1\n[[keys]]\nname = "a"\nsha256 = "x"\n'
        f'[[keys]]\nname = "b"\nsha256 = "{"0" * 64}"\nscopes = ["admin"]\n',
    )
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    told = str(caught.value)
    assert "server.port: got 99999" in told
    assert "server.prot: unknown key" in told
    assert "keys.1.sha256" in told
    assert "keys.2.scopes" in told
    assert "'admin' is no scope" in told


def test_options_of_the_command_line_come_before_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 1\nworkers = 3\n")
    settings = read_settings(path).with_options(port=2, pictures=tmp_path)
    assert (settings.server.port, settings.server.workers) == (2, 3)
    assert settings.media.pictures == tmp_path
    with pytest.raises(ConfigError, match=r"server\.workers"):
        settings.with_options(workers=0)
