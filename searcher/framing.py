"""Messages between the service and its workers: pickles, each behind its length.

Both ends are of one program on one machine, and belong to nobody else.
"""

import asyncio
import pickle
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!Q")


def framed(message: object) -> bytes:
    """A message as it is sent."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


async def read_message(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises IncompleteReadError or ConnectionError where the other end is gone.

    Nothing waits for what is on its way but the caller.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))  # noqa: S301 - of a process of our own


class Channel:
    """The end of a worker, which waits."""

    def __init__(self, own: socket.socket) -> None:
        own.setblocking(True)
        self._stream = own.makefile("rwb")

    def receive(self) -> Any:
        """The next message. Raises EOFError where the service is gone."""
        head = self._stream.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            raise EOFError("the service is gone")
        (length,) = _LENGTH.unpack(head)
        return pickle.loads(self._stream.read(length))  # noqa: S301 - of our own service

    def send(self, message: object) -> None:
        """Send a message. Raises OSError where the service is gone."""
        self._stream.write(framed(message))
        self._stream.flush()
