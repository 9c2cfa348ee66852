"""Overrides of links by people, as a file of rows: CSV, JSON or Parquet."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from reelshelf.indexer.sources.cells import Id, Instant, Prose, Text
from reelshelf.indexer.sources.lists import GivenList, GivenRow
from reelshelf.schemas.catalog import RejectedRow
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.overrides import Override, Verdict

# Stands for the group in a row on all products of which nothing else is said.
EVERYTHING_ELSE = "*"
_MOST_TOLD = 5


def _verdict(cell: object) -> object:
    return cell.strip().lower() if isinstance(cell, str) else cell


class OverrideRow(GivenRow):
    """One row, as written. One without a verdict is one that nobody has filled in."""

    video_id: Annotated[Id, Field(validation_alias=AliasChoices("video_id", "video"))]
    sku: Text = None
    group_id: Annotated[Text, Field(validation_alias=AliasChoices("group_id", "group"))] = None
    verdict: Annotated[Literal["never", "always", ""] | None, BeforeValidator(_verdict)] = None
    who: Text = None
    why: Prose = None
    when: Annotated[Instant, Field(validation_alias=AliasChoices("when", "at"))] = None


def read_overrides_file(path: Path, shop_id: str) -> tuple[list[Override], int]:
    """The overrides in a file, and how many rows are not filled in.

    Raises InputError where any row is wrong: nothing is taken of such a file.
    """
    overrides: list[Override] = []
    wrong: list[str] = []
    blank = 0
    for line, row in GivenList(path, "overrides", OverrideRow):
        if isinstance(row, RejectedRow):
            wrong.append(f"line {line}: {row.reason}")
        elif not row.verdict:
            blank += 1
        elif (row.sku is None) == (row.group_id is None):
            wrong.append(f"line {line}: wants a sku or a group, and not both")
        elif row.group_id == EVERYTHING_ELSE and row.verdict != "never":
            wrong.append(f"line {line}: {EVERYTHING_ELSE} may only be never linked")
        else:
            group = None if row.group_id == EVERYTHING_ELSE else row.group_id
            overrides.append(
                Override(
                    video_key(shop_id, row.video_id), row.video_id, Verdict(row.verdict), row.sku,
                    group, row.who, row.why, row.when or dt.datetime.now(dt.UTC),
                )
            )  # fmt: skip
    if wrong:
        told = "; ".join(wrong[:_MOST_TOLD])
        more = f"; and {len(wrong) - _MOST_TOLD} more" if len(wrong) > _MOST_TOLD else ""
        raise InputError(f"{path}: nothing was imported. {told}{more}")
    if not overrides:
        raise InputError(f"{path}: no row has a verdict (always or never)")
    return overrides, blank
