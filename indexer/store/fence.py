"""What keeps a writer that lost the lease from writing: a commit of Lance that no other gets past.

Asking for the lease before a write is not enough. A process may be stopped between the two, and
Lance brings a commit that comes late on top of what others have written since. It does so by rules,
and one of them helps: nothing that started from an older version may follow a `Restore` (table of
conflicts, https://lance.org/format/table/transaction/). So whoever takes the lease over from a run
that has not given it back restores every table to its own newest version. That changes no row, and
whatever the old run still commits fails. Every write fixes the version that it starts from before
it asks for the lease (`Store.writable`): it is either refused, or older than the fence.

Only a `Restore` itself, and an `Overwrite`, may follow one. No table that has rows is overwritten,
and a restore is made here, by hand: on top of the version that was seen, or not at all. Otherwise a
process that is stopped while it fences would, hours later, take back what others wrote meanwhile.
"""

import os
import tempfile
from pathlib import Path

import lance

from reelshelf.indexer.sources.s3 import Bucket
from reelshelf.indexer.store.connection import filesystem, plain_folder
from reelshelf.indexer.store.shadow import manifest_name, shadow
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import StoreBusy


def fence(store: Store) -> None:
    """Have no commit follow that started from what any table holds now."""
    for name, seen in store.every_table():
        restore_table(seen, name, seen.dataset(name).version)


def restore_table(store: Store, name: str, version: int, above: int = 0) -> int:
    """Make a version of a table its newest one again; the new version's number.

    It is greater than `above`. Raises StoreBusy where another writes to the table meanwhile.
    """
    table = store.table_name(name)
    newest = store.versions(name)[0]
    made = max(newest, above) + 1
    with tempfile.TemporaryDirectory(prefix="reelshelf-", dir=plain_folder()) as name_of_copy:
        seen = sorted({version, newest})
        copy = shadow(Path(name_of_copy), store.uri, store.storage, table, seen)
        store.writable(name)  # asks for the lease, after `newest` was seen
        for _ in range(made - newest):
            lance.dataset(str(copy), version=version).restore()
        manifest = (copy / "_versions" / manifest_name(made)).read_bytes()
        for log in (copy / "_transactions").iterdir():
            # First: whoever finds the version must find what it did.
            _write(store, f"{table}.lance/_transactions/{log.name}", log.read_bytes())
    if not _write(store, f"{table}.lance/_versions/{manifest_name(made)}", manifest):
        raise StoreBusy(
            f"{store.uri}: another writes to table {table!r}: nothing was changed; try again"
        )
    return made


def _write(store: Store, path: str, data: bytes) -> bool:
    """Write a file of the store, whole or not at all; whether there was none of this name."""
    _, root = filesystem(store.uri, store.storage)
    if "://" in store.uri:
        return Bucket(store.storage or StorageConfig()).create(f"s3://{root}/{path}", data)
    target = Path(root) / path
    target.parent.mkdir(exist_ok=True)
    # Beside those that Lance reads the names of.
    with tempfile.NamedTemporaryFile(dir=target.parent.parent, prefix=".reelshelf-") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, target)
        except FileExistsError:
            return False
    return True
