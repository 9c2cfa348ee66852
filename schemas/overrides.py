"""What people say of links, against every score."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether a video sells a product, whatever its evidence."""

    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Override:
    """An override on a video and a SKU, or a group of variants.

    Without SKU and group it is on all products of which nobody has said that the video sells them:
    who judges a whole video says so. `at` is when, `who` and `why` are free text.
    """

    video_key: str
    video_id: str
    verdict: Verdict
    sku: str | None = None
    group_id: str | None = None
    who: str | None = None
    why: str | None = None
    at: dt.datetime | None = None

    @property
    def target(self) -> str:
        """What it is on, in words."""
        if self.sku is not None:
            return self.sku
        return f"group {self.group_id}" if self.group_id is not None else "everything else"
