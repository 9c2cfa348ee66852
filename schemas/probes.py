"""Texts and pictures that are encoded to see whether an encoder does what it did."""

from dataclasses import dataclass

from reelshelf.schemas.media import Pixels, Vectors


@dataclass(frozen=True, slots=True)
class Probe:
    """A text or a picture to encode; `number` tells its answer from others."""

    number: int
    text: str | None = None
    image: Pixels | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """The vector of a probe, `(dim,)`; None where it could not be encoded, and then why."""

    number: int
    vector: Vectors | None
    why: str = ""
