"""Files that are handed out: only those of a release, as long as their bytes are what it says."""

import asyncio
import mimetypes
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import FileResponse, Response

from reelshelf.schemas.keys import file_sha256
from reelshelf.searcher.jobs import Located
from reelshelf.searcher.rejected import Rejected

# What browsers play and show; others are sent as bytes to be saved, so that none is run as a page.
_SHOWN = ("video/", "image/jpeg", "image/png", "image/webp", "image/gif", "image/avif")
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _State:
    """What tells that a file has not been written to since its bytes were read."""

    device: int
    inode: int
    size: int
    changed_ns: int


class Files:
    """Hands out files whose bytes were read once since they changed."""

    def __init__(self) -> None:
        self._checked: OrderedDict[tuple[str, str], _State] = OrderedDict()

    async def response(self, found: Located) -> Response:
        """A file, or the part of it that is asked for. Raises Rejected where it is not there.

        It is read whole before it is handed out for the first time.
        """
        if "://" in found.path:
            raise Rejected(404, "it lies in a remote store, which the service does not hand out")
        path = Path(found.path)
        if found.sha256 is None:
            if not await asyncio.to_thread(path.is_file):
                raise Rejected(404, "no poster of it has been made: `reelshelf posters` makes them")
        elif not await asyncio.to_thread(self._is_unchanged, path, found.sha256):
            raise Rejected(410, "the file is gone, or is not the one that was indexed")
        kind = mimetypes.guess_type(path.name)[0] or ""
        is_shown = kind.startswith(_SHOWN)
        return FileResponse(
            path,
            media_type=kind if is_shown else "application/octet-stream",
            filename=None if is_shown else path.name,
            content_disposition_type="inline" if is_shown else "attachment",
            headers={"Cache-Control": "private, max-age=300"},
        )

    def _is_unchanged(self, path: Path, sha256: str) -> bool:
        try:
            found = path.stat()
            state = _State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            key = (str(path), sha256)
            if self._checked.get(key) == state:
                return True
            if file_sha256(path) != sha256:
                return False
        except OSError:
            return False
        self._checked[key] = state
        if len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)
        return True
