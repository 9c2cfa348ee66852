"""How a run tells what it is doing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Stage(Protocol):
    """One stage under way."""

    def advance(self, count: int = 1) -> None:
        """`count` more items are done."""
        ...


class Progress(Protocol):
    """Shows stages to whoever watches."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Stage]:
        """Begin a stage of `total` items; it ends with the `with` block."""
        ...


class _Quiet:
    def advance(self, count: int = 1) -> None:
        """Nobody watches."""


class NoProgress:
    """For tests and programs."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Stage]:  # noqa: ARG002
        """A stage nobody watches."""
        yield _Quiet()
