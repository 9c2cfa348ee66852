"""Files of TOML that people write."""

import tomllib
from pathlib import Path

from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.upgrades import Json


def read_toml(path: Path, where: str) -> Json:
    """What a file holds. Raises ConfigError, in which `where` names it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: not valid TOML: {error}") from error
