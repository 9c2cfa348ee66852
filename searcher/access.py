"""Who may do what: API keys, what they force on requests, and how many requests they may make."""

import hashlib
import hmac
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from reelshelf.searcher.settings import KeySettings, SearcherSettings

# Without any key in the settings, whoever reaches the service may search.
_OPEN_SCOPES = frozenset({"search", "events", "metrics"})


class Denied(Exception):
    """The request may not be made. `status` is of HTTP: 401, 403 or 429."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """Who makes a request. `filter` is forced on what is searched."""

    name: str
    scopes: frozenset[str]
    filter: tuple[str, ...] = ()
    rate: int = 0


class Access:
    """Finds the client of a request, and counts its requests."""

    def __init__(self, settings: SearcherSettings) -> None:
        self._rate = settings.limits.rate
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        # A key for review alone closes nothing to shoppers.
        keyed = {scope for key in settings.keys for scope in key.scopes} & _OPEN_SCOPES
        self._open = _OPEN_SCOPES - keyed
        self._keys = [(key.sha256.encode(), self._client(key)) for key in settings.keys]

    def client(self, key: str | None, address: str, scope: str) -> Client:
        """The client, who may do what `scope` names. Raises Denied."""
        found = self._known(key) if key else Client(address, self._open, (), self._rate)
        if found is None:
            raise Denied(401, "the API key is not known")
        if scope not in found.scopes:
            if key:
                raise Denied(403, f"the API key {found.name!r} has no scope {scope!r}")
            raise Denied(401, f"an API key with the scope {scope!r} is needed: send it as "
                         "`Authorization: Bearer KEY`")  # fmt: skip
        if found.rate and not self._limiter.hit(RateLimitItemPerSecond(found.rate), found.name):
            raise Denied(429, f"more than {found.rate} requests in a second")
        return found

    def _client(self, key: KeySettings) -> Client:
        rate = self._rate if key.rate is None else key.rate
        # Whoever has a key may do what anybody may.
        return Client(key.name, frozenset(key.scopes) | self._open, key.filter, rate)

    def _known(self, key: str) -> Client | None:
        # All are compared, in constant time each: how long it takes tells nothing of a key.
        given = hashlib.sha256(key.encode()).hexdigest().encode()
        found = [client for known, client in self._keys if hmac.compare_digest(known, given)]
        return found[0] if found else None
