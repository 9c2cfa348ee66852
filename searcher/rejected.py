"""A request that is refused with a status of HTTP."""


class Rejected(Exception):
    """Why a request is refused, and the headers that go with it."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.headers = status, headers or {}
