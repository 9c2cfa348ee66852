"""Events of shoppers, as User Behavior Insights 1.3 has them, and what is kept of them."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]


def _number(given: object) -> object:
    """Texts and truths are no numbers, whatever Python makes of them."""
    if isinstance(given, bool | str):
        raise ValueError("must be a number")
    return given


def _text(given: object) -> object:
    """A number is no instant."""
    if not isinstance(given, str):
        raise ValueError("must be a date and time, as RFC 3339 writes it")
    return given


# Constraints come first: a validator behind them would hide them from the description.
Place: TypeAlias = Annotated[int, Field(ge=0, le=100_000), BeforeValidator(_number)]
Milliseconds: TypeAlias = Annotated[int, Field(ge=0, le=10**12), BeforeValidator(_number)]
Number: TypeAlias = Annotated[int, BeforeValidator(_number)]
Instant: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_text)]
# Of so many of the newest events one that comes again is noticed.
_REMEMBERED = 100_000
MOST_EVENTS = 100


class Event(BaseModel):
    """Something that a shopper did with an answer.

    Only what the specification names is kept, and of attributes the object and the position.
    """

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "action_name": "watch",
                    "query_id": "6a1e2b0c-7f0a-4a57-9f62-1a2b3c4d5e6f",
                    "timestamp": "2026-11-28T10:15:00Z",
                    "event_attributes": {
                        "object": {"object_id": "clip-02", "object_id_field": "video_id"},
                        "position": {"ordinal": 1},
                    },
                }
            ]
        },
    )

    action_name: Name
    query_id: Name
    timestamp: Instant
    client_id: Name | None = None
    session_id: Name | None = None
    application: Name | None = None
    message_type: Name | None = None
    message: Annotated[str | None, Field(max_length=1024)] = None
    event_attributes: "EventAttributes | None" = None

    @property
    def digest(self) -> str:
        """The same for an event that is sent again."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]


class EventObject(BaseModel):
    """What was acted on: a video ("video_id") or a product ("sku")."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    object_id: Annotated[str, Field(min_length=1, max_length=1000)] | Number
    object_id_field: Literal["video_id", "sku"]


class Ordinal(BaseModel):
    """A position from 1, as an object."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    index: Place


class Position(BaseModel):
    """Where the object stood in the answer, from 1."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    ordinal: Place | Ordinal | None = None


class EventAttributes(BaseModel):
    """The object and its position; a moment of a video by its milliseconds."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    object: EventObject | None = None
    position: Position | None = None
    at_ms: Milliseconds | None = None


class Events(BaseModel):
    """Events of one client, oldest first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=MOST_EVENTS)]


class Taken(BaseModel):
    """How many events were taken, and how many had been sent before."""

    taken: int
    repeated: int


class Remembered:
    """The digests of the newest events, in bounded memory."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._digests: OrderedDict[str, None] = OrderedDict()

    def forget(self, events: Iterable[Event]) -> None:
        """Let events be new again: they could not be kept, and will be sent once more."""
        for event in events:
            self._digests.pop(event.digest, None)

    def is_new(self, event: Event) -> bool:
        """Whether an event was not seen before; it is from now on."""
        if event.digest in self._digests:
            self._digests.move_to_end(event.digest)
            return False
        self._digests[event.digest] = None
        if len(self._digests) > self._most:
            self._digests.popitem(last=False)
        return True


Event.model_rebuild()
