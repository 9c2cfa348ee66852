"""Finding weights that packages carry, and checking that they are the ones we know."""

import hashlib
import importlib.util
from pathlib import Path

from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.keys import file_sha256


def package_dir(package: str, *, distribution: str, extra: str) -> Path:
    """Folder of an installed package, without importing it.

    Raises ModelUnavailable with the install command where the package is not there.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            f"{distribution} is not installed: run `pip install 'reelshelf[{extra}]'`"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def require(module: str, *, extra: str, what: str) -> None:
    """Raise ModelUnavailable unless `module` can be found."""
    if importlib.util.find_spec(module) is None:
        raise ModelUnavailable(
            f"{what} needs the package {module}: run `pip install 'reelshelf[{extra}]'`"
        )


def checked_file(path: Path, sha256: str) -> Path:
    """Return `path` if its bytes have the expected hash; raise ModelUnavailable otherwise."""
    if not path.is_file():
        raise ModelUnavailable(f"weights {path} are missing: reinstall the package that holds them")
    found = file_sha256(path)
    if found != sha256:
        raise ModelUnavailable(
            f"weights {path}: SHA-256 is {found}, expected {sha256}: reinstall the package that "
            "holds them, or name other weights in [models]"
        )
    return path


def tree_sha256(files: list[Path]) -> str:
    """One SHA-256 over several files, by their names and hashes."""
    lines = sorted(f"{path.name} {file_sha256(path)}" for path in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
