"""Files behind https:// and http://, below the prefixes that the config allows, nowhere else.

Redirects are followed only to such places: a host that is not listed is never contacted.
"""

import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.outcomes import SourceStamp

SCHEMES = ("https://", "http://")
_TIMEOUT_S = 60.0
# A server that sends a byte a minute is given up in the end.
_LONGEST_S = 3600.0
# Answers to HEAD of servers that only know GET.
_NO_HEAD = (403, 405, 501)
_PIECE = 1024**2
_AS_IT_IS = "/%:@!$&'()*+,;=~?"


class Web:
    """Reads what lies below some prefixes."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = [prefix for prefix in allowed if prefix.startswith(SCHEMES)]
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(self.allows),
        ):
            self._opener.add_handler(handler)

    def allows(self, url: str) -> bool:
        """Whether a URL lies below a prefix that is allowed."""
        return any(below(prefix, url) is not None for prefix in self._allowed)

    def stamp(self, url: str) -> SourceStamp:
        """What the server says of a file without sending it. Raises MediaError.

        Of one that has neither ETag nor date nobody can tell whether it changed: it counts as new.
        """
        with self._head(url) as answer:
            size = answer.headers.get("Content-Length", "")
            changed = answer.headers.get("Last-Modified", "")
            version = answer.headers.get("ETag", "")
        if not version and not changed:
            version = str(uuid.uuid4())
        try:
            at = int(parsedate_to_datetime(changed).timestamp() * 1e9) if changed else 0
        except ValueError:
            at = 0
        return SourceStamp(int(size) if size.isdecimal() else 0, at, version=version)

    def download(self, url: str, target: Path, max_bytes: int) -> None:
        """Copy a file. Raises MediaError."""
        begun = time.monotonic()
        with self._asked(urllib.request.Request(url)) as answer, target.open("wb") as file:  # noqa: S310
            told = answer.headers.get("Content-Length", "")
            try:
                while piece := answer.read1(_PIECE):
                    file.write(piece)
                    if file.tell() > max_bytes:
                        message = f"has more than {max_bytes} bytes"
                        raise MediaError(FailureKind.TOO_LARGE, message)
                    if time.monotonic() - begun > _LONGEST_S:
                        message = f"was not sent within {_LONGEST_S:.0f} s"
                        raise MediaError(FailureKind.UNREADABLE, message)
            except (HTTPException, OSError) as error:
                message = f"was not sent whole: {type(error).__name__}: {error}"
                raise MediaError(FailureKind.UNREADABLE, message) from error
            if told.isdecimal() and file.tell() != int(told):
                message = f"was not sent whole: {file.tell()} of {told} bytes"
                raise MediaError(FailureKind.UNREADABLE, message)

    def _head(self, url: str) -> HTTPResponse:
        try:
            return self._asked(urllib.request.Request(url, method="HEAD"))  # noqa: S310 (`allows`)
        except MediaError as error:
            if getattr(error.__cause__, "code", None) not in _NO_HEAD:
                raise
        # The answer is closed before its body is read.
        return self._asked(urllib.request.Request(url))  # noqa: S310

    def _asked(self, request: urllib.request.Request) -> HTTPResponse:
        url = request.full_url
        if not self.allows(url):
            raise MediaError(FailureKind.UNREADABLE, "lies outside of what storage.allow lists")
        try:
            answer = self._opener.open(request, timeout=_TIMEOUT_S)
        except urllib.error.HTTPError as error:
            message = f"cannot be read: {error.code} {error.reason}"
            raise MediaError(FailureKind.UNREADABLE, message) from error
        except (OSError, HTTPException, ValueError) as error:
            raise MediaError(FailureKind.UNREADABLE, f"cannot be read: {error}") from error
        if not isinstance(answer, HTTPResponse):
            raise MediaError(FailureKind.UNREADABLE, "cannot be read: no answer")
        return answer


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect where `allows` says so."""

    def __init__(self, allows: Callable[[str], bool]) -> None:
        self._allows = allows

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to follow it with. Raises MediaError where it leads elsewhere."""
        if not self._allows(newurl):
            host = urlsplit(newurl).netloc
            raise MediaError(
                FailureKind.UNREADABLE, f"leads to {host!r}, which storage.allow does not list"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def below(prefix: str, url: str) -> str | None:
    """`url`, tidied, if it lies below `prefix`: on the same host, in the same folder."""
    try:
        home, wanted = urlsplit(prefix), urlsplit(url)
    except ValueError:
        return None  # no URL at all
    if wanted.scheme not in ("https", "http") or wanted.scheme != home.scheme:
        return None
    if wanted.username or wanted.netloc != home.netloc:
        return None
    # What a server makes of dots in a path is its own affair: a path that has any is refused, in
    # whatever way they are written.
    parts = re.split(r"[/\\]", unquote(unquote(wanted.path)))
    folder = home.path if home.path.endswith("/") else home.path + "/"
    inside = not home.path or wanted.path.startswith(folder)
    if not inside or any(part in (".", "..") for part in parts):
        return None
    # Names with spaces, and letters beyond ASCII, as servers are asked for them.
    path, query = quote(wanted.path, safe=_AS_IT_IS), quote(wanted.query, safe=_AS_IT_IS)
    return urlunsplit((wanted.scheme, wanted.netloc, path, query, ""))


def joined(root: str, name: str) -> str:
    """What a name means in a list below `root`; nothing where it is none."""
    try:
        return urljoin(root, name)
    except ValueError:
        return ""
