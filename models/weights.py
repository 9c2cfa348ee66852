"""Finding weights that packages carry, and checking that they are the ones we know."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Sequence
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


def cache_dir() -> Path:
    """Where files are kept that are made of what packages carry.

    The folder of the user's caches; where there is none, one for temporary files.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(base) if base else Path.home() / ".cache") / "reelshelf"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError):
        folder = Path(tempfile.gettempdir()) / f"reelshelf-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise ModelUnavailable(
                f"{folder} belongs to somebody else: name a folder for caches in XDG_CACHE_HOME"
            ) from None
        return folder


def join_file(path: Path, parts: Sequence[Path], sha256: str) -> Path:
    """A file joined of parts that packages carry, unless it is there already.

    Raises ModelUnavailable where the parts are missing, or are not those we know.
    """
    if path.is_file() and file_sha256(path) == sha256:
        return path
    if not parts:
        raise ModelUnavailable(f"weights {path.name}: their package lacks them: reinstall it")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Other processes may be at it: each writes a file of its own, and the last one stays.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target)
    made = Path(target.name)
    try:
        checked_file(made, sha256)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    return path


def tree_sha256(files: list[Path]) -> str:
    """One SHA-256 over several files, by their names and hashes."""
    lines = sorted(f"{path.name} {file_sha256(path)}" for path in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
