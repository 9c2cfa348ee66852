"""How a command ends where something went wrong: words, an exit code, and a traceback of bugs.

What the operating system, Lance, Ray or boto3 refuses (a full disk, a store that may not be
written to, a host that does not answer) is no bug: it gets the code of infrastructure, and the same
command may pass later.
"""

import datetime as dt
import errno
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

from reelshelf.schemas.errors import (
    ConfigError,
    InfrastructureError,
    ModelUnavailable,
    ReelshelfError,
    StoreBusy,
    StoreError,
)

_HINTS = {
    errno.ENOSPC: "the disk is full: free some space, then run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space, then run the same command again",
    errno.EROFS: "the file system is read-only: mount it for writing, or name another place",
    errno.EACCES: "permission denied: run as a user who may, or name another place",
    errno.EPERM: "permission denied: run as a user who may, or name another place",
    errno.EMFILE: "too many open files: raise `ulimit -n`",
}
# How Lance and its object stores tell, in errors of Python's own kinds, of what is outside of them.
_OUTSIDE = re.compile(r"LanceError\(IO\)|\bos error \d+|Generic \w+ error|AWS Error \w+")
# What Lance says of a file that its manifest names, or of a manifest.
_BROKEN_STORE = re.compile(
    r"Not found: \S+|Invalid range|Object at location \S+ not found|file size is too small"
    r"|failed to fill whole buffer|Dataset at path \S+ was not found"
)
# What Lance says of a commit that began before another run took the store over.
_FENCED = re.compile(r"incompatible with concurrent transaction Restore")
_OS_ERROR = re.compile(r"\bos error (\d+)")
# Where in Lance's own sources an error was raised helps nobody here.
_LANCE_SOURCE = re.compile(r",? ?/?[\w/.@-]*\.rs:\d+(:\d+)?")
_CLIENTS = ("botocore", "boto3", "ray")
# Packages by the extra that brings them (see pyproject.toml).
_EXTRAS: Mapping[str, tuple[str, ...]] = {
    "search": ("torch", "torchvision", "open_clip", "tokenizers", "safetensors", "PIL"),
    "index": ("av", "cv2", "faster_whisper", "jellyfish", "prometheus_client", "scipy"),
    "ray": ("ray",),
    "serve": ("cachetools", "fastapi", "limits", "multipart", "starlette", "uvicorn"),
    "report": ("altair", "jinja2", "markupsafe", "vl_convert"),
    "cpu": ("faiss", "onnxruntime", "rapidocr"),
    "offline": ("onnx",),
    "decord": ("decord",),
    "s3": ("boto3", "botocore"),
}
# A place that was named wrongly, and not one that fails.
_MISNAMED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)


def as_ours(error: BaseException) -> ReelshelfError | None:
    """What another library or the system raised, as an error of ours; None for what is a bug.

    Infrastructure is what tells of the machine, the network or a service. A file that a store
    should hold and does not is the store's fault.
    """
    if type(error).__name__ == "PanicException":
        # Of Rust: some files that are cut off are more than Lance can put into words.
        return _broken(str(error))
    if isinstance(error, ModuleNotFoundError):
        return _missing_package(error)
    if isinstance(error, MemoryError):
        return InfrastructureError("the machine is out of memory")
    if isinstance(error, OSError) and error.errno in _MISNAMED:
        # A file of ours that is not there: somebody should look why.
        return None
    if isinstance(error, OSError) and error.strerror is not None:
        return InfrastructureError(_of_the_system(error))
    text = str(error)
    if _FENCED.search(text):
        return StoreBusy(
            "another run has taken the store over from this one, which was away for longer than "
            "its lease: nothing more is written or published"
        )
    if isinstance(error, OSError | RuntimeError | ValueError):
        if _BROKEN_STORE.search(text):
            return _broken(text)
        if isinstance(error, OSError) or _OUTSIDE.search(text):
            return InfrastructureError(_plain(text))
    if type(error).__module__.partition(".")[0] in _CLIENTS:
        return InfrastructureError(_plain(text))
    return None


def _broken(text: str) -> StoreError:
    return StoreError(
        f"a file of the store is missing or cut off: {_plain(text)}. `reelshelf verify` names all "
        "that are; `reelshelf rollback` goes back to a release that is whole"
    )


def _missing_package(error: ModuleNotFoundError) -> ReelshelfError | None:
    """A package of an extra that was not installed; None for one that belongs to no extra."""
    package = (error.name or "").partition(".")[0]
    extra = next((name for name, found in _EXTRAS.items() if package in found), None)
    if extra is None:
        return None
    return ModelUnavailable(
        f"this needs the package {package}: run `pip install 'reelshelf[{extra}]'`"
    )


def _of_the_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{_HINTS.get(error.errno or 0, error.strerror)}"


def _plain(text: str) -> str:
    """What another library says, in one line and with what to do where that is known."""
    line = _LANCE_SOURCE.sub("", " ".join(text.split()))[:1000]
    number = _OS_ERROR.search(line)
    hint = _HINTS.get(int(number[1])) if number else None
    return f"{line}: {hint}" if hint else line


def cannot_write(what: str, error: OSError) -> ReelshelfError:
    """The error of a command that was to write a file at a place that somebody named."""
    if error.errno in _MISNAMED:
        return ConfigError(f"{what}: {error.strerror}")
    return InfrastructureError(f"{what}: {_HINTS.get(error.errno or 0, error.strerror)}")


def keep_traceback(error: BaseException) -> str:
    """What to tell of a bug. Its traceback goes into a file, or into the text where none can be."""
    kind = type(error).__name__
    first = (str(error).splitlines() or [""])[0][:300]
    told = f"this is a bug in reelshelf: {kind}: {first}" if first else f"this is a bug: {kind}"
    trace = "".join(traceback.format_exception(error))
    try:
        path = _write(trace)
    except OSError:
        return f"{told}\n{trace}"
    return f"{told}\nThe traceback is in {path}: please report it, with what you did."


def _write(trace: str) -> Path:
    at = dt.datetime.now(dt.UTC)
    head = [f"{at:%Y-%m-%d %H:%M:%S} UTC, Python {platform.python_version()}", " ".join(sys.argv)]
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"reelshelf-bug-{at:%Y%m%d-%H%M%S}-", suffix=".txt", delete=False,
        encoding="utf-8", errors="backslashreplace",
    ) as file:  # fmt: skip
        file.write("\n".join([*head, "", trace]))
    return Path(file.name)
