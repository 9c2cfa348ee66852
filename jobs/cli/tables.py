"""Tables for people. Everything a stranger wrote is shown as plain text."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reelshelf.indexer.text.wording import flat

MOST_LISTED = 20


def plain(text: str) -> Text:
    """A stranger's text: no markup, no escape codes, no line breaks."""
    return Text(flat(text), overflow="fold")


def make_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose cells are plain text."""
    table = Table(title=plain(title), title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in ("score", "count") else "left")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    return table


def more(count: int, console: Console) -> None:
    """Say how many of `count` items were not listed."""
    if count > MOST_LISTED:
        console.print(f"... and {count - MOST_LISTED} more; --json lists them all")
