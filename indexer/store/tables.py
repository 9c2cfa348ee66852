"""The tables of a store, and the few ways they are changed.

Writes are idempotent: rows are merged by derived keys. A video's segments are written before its
row in `videos`, in that order, so a run killed in between leaves a video that counts as not done
and is done again. Filters are made of keys only, which are UUIDs, never of a stranger's text.
"""

import datetime as dt
import json
import logging
import re
import tempfile
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TypeVar

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from lance.dataset import MergeInsertBuilder
from lancedb.db import DBConnection
from lancedb.table import Table

from reelshelf.indexer.store import rows
from reelshelf.indexer.store.changing import change_rows
from reelshelf.indexer.store.connection import (
    check_conditional_writes,
    connect,
    plain_folder,
    plain_path,
)
from reelshelf.indexer.store.disk import set_aside, sync_files
from reelshelf.indexer.store.rows import RunContext
from reelshelf.indexer.store.shadow import linked_shadow, listed_versions
from reelshelf.schemas import tables
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import CorruptFile, StoreError
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.links import LinkableVideo
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.outcomes import Indexed
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import StageFingerprint, StageFingerprints
from reelshelf.schemas.segments import ModelCalls, SegmentedVideo
from reelshelf.schemas.upgrades import Json, models_record

Item = TypeVar("Item")

_LOG = logging.getLogger(__name__)

_KEYS_PER_FILTER = 500
# Of rows without vectors.
_ROWS_PER_CHANGE = 8192
# What Lance raises over a file that is cut off or gone.
UNREADABLE = (OSError, RuntimeError, ValueError)
# What it says where the system refuses, and the file may be whole.
_PASSES = re.compile(r"[Pp]ermission denied|os error (?!2\b)\d+")

# Tables a release pins, in the order they are written, with the column that names a row.
TABLE_KEYS = {
    "products": "product_key",
    "product_images": "image_key",
    "videos": "video_key",
    "segments": "segment_key",
    "links": "link_key",
    "failures": "failure_key",
}
DATA_TABLES = tuple(TABLE_KEYS)
# Those whose rows only change when the source or the models do.
INPUT_TABLES = ("products", "product_images", "videos", "segments")
# Tables that there are once for each generation: what they hold depends on the encoders.
GENERATION_TABLES = (
    *DATA_TABLES,
    "backgrounds",
    "calibrations",
    "quantizers",
    "vanished_videos",
    "vanished_segments",
    "chunks",
    "chunk_segments",
)
# Tables that all generations share, beside `head`, which has a way of its own to be changed.
SHARED_TABLES = ("runs", "sources", "releases", "files", "erased", "overrides", "store")


@dataclass(frozen=True, slots=True)
class VideoState:
    """What the store knows of an indexed video, for planning."""

    content_sha256: str
    fingerprints: StageFingerprints
    source: VideoSource
    first_seen_at: dt.datetime
    post_fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class LinkState:
    """A video's content and copies, and what its links were made from; None where they are due.

    `catalog` is the state of the catalog among that.
    """

    content_sha256: str
    cluster: str
    made_from: str | None
    catalog: str | None


@dataclass(frozen=True, slots=True)
class LinksMade:
    """How a video's links were made: from what, of which catalog, and what decided them.

    `contests` are its contests, in the form of `reelshelf.indexer.linking.trace`.
    """

    made_from: str
    catalog: str
    deciding: tuple[str, ...]
    contests: bytes


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a searcher needs to know of a video beside its segments."""

    video_id: str
    cluster: str
    published_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class VideoFrames:
    """The pictures of a video: `(moments, dim)` frame vectors and `(moments,)` lengths in ms."""

    content_sha256: str
    vectors: Vectors
    lengths: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Generation:
    """One set of data tables, and the models of the run that began it.

    `encoders` is how the config named the encoders. `settings` is what the store keeps of the
    config that its rows were made with; None in a store that was never upgraded to schema 6.
    """

    number: int
    shop_id: str
    encoders: str
    models: ModelRefs
    schema_version: int
    settings: Json | None

    @property
    def spaces(self) -> tuple[str, str]:
        """Of its pictures, and of its texts."""
        return self.models.image.space, self.models.text.space


@dataclass(frozen=True, slots=True, eq=False)
class SegmentSample:
    """Segments of some videos: frame vectors `(n, dim)`, the number of each one's shot `(n,)`.

    `texts` has one for each video: all that is said and written in it.
    """

    frames: Vectors
    shots: npt.NDArray[np.intp]
    texts: tuple[str, ...]


def unguarded() -> None:
    """Readers and the first steps of a store write nothing that a lease protects."""


class Store:
    """An open store, seen through one of its generations.

    `Store.create` for a run, `Store.open` for a reader, which then goes to the generation of its
    release by `of`.
    """

    def __init__(
        self,
        uri: str,
        storage: StorageConfig | None = None,
        generation: int = 1,
        guard: Callable[[], None] = unguarded,
        connection: DBConnection | None = None,
        synced: set[str] | None = None,
    ) -> None:
        self.uri = uri
        self.storage = storage
        self.connection = connection or connect(uri, storage)
        self.generation = generation
        self._guard = guard
        # Files that are known to be on disk.
        self._synced: set[str] = set() if synced is None else synced

    def of(self, generation: int) -> "Store":
        """The same store, seen through another generation."""
        return self._seen(generation, self._guard)

    def guarded(self, guard: Callable[[], None]) -> "Store":
        """The same store, asking `guard` before every write, which raises where none may be."""
        return self._seen(self.generation, guard)

    def _seen(self, generation: int, guard: Callable[[], None]) -> "Store":
        return Store(self.uri, self.storage, generation, guard, self.connection, self._synced)

    @property
    def is_remote(self) -> bool:
        """Whether it lies in an object store, which keeps whatever it has answered for."""
        return "://" in self.uri

    @classmethod
    def exists(cls, uri: str, storage: StorageConfig | None = None) -> bool:
        """Whether there is a store at `uri`."""
        if "://" not in uri and not Path(uri).is_dir():
            return False
        return cls(uri, storage).is_made

    @property
    def is_made(self) -> bool:
        """Whether the table that is made last is there: its folder alone is what a dead run left.

        One that cannot be read any more is not taken for one that never was, where there are
        releases.
        """
        if "store" not in self.connection.list_tables().tables or not self.versions("store"):
            return False
        return not self._is_broken("store") or self._has_published

    @property
    def _has_published(self) -> bool:
        """Whether there is a release, as far as that can be read."""
        if not self._is_broken("releases") and self.count("releases"):
            return True
        if self._is_broken("head"):
            return False
        return any(row["published"] for row in self.scan("head", ["published"]).to_pylist())

    def _is_broken(self, name: str) -> bool:
        """Whether no version of a table can be opened, if it has any: a power cut left it so."""
        for version in self.versions(name):
            with suppress(*UNREADABLE):
                _without_panic(partial(self._opened, name, version))
                return False
        return True

    @classmethod
    def open(cls, uri: str, storage: StorageConfig | None = None) -> "Store":
        """Open an existing store. Raises StoreError where there is none, or one we cannot read."""
        if "://" not in uri and not Path(uri).is_dir():
            raise StoreError(f"{uri}: there is no such folder")
        store = cls(uri, storage)
        if not store.is_made:
            raise StoreError(f"{uri}: holds no reelshelf store; make one with `reelshelf ingest`")
        return store.of(store.generations()[-1].number)

    @classmethod
    def create(
        cls,
        uri: str,
        shop_id: str,
        refs: ModelRefs,
        storage: StorageConfig | None = None,
        *,
        encoders: str = "",
        settings: Json | None = None,
        guard: Callable[[], None] = unguarded,
    ) -> "Store":
        """Open the store at `uri` for vectors of these models, making what is missing.

        Where it holds other vectors only, the tables of a new generation are made beside them.
        `encoders` is how the config names the encoders, `settings` what the store keeps of it.
        """
        store = cls(uri, storage, guard=guard)
        if not store.is_made:
            check_conditional_writes(uri, storage)
            # Where an earlier run died over this, some tables are there and others half.
            for name, schema in _shared_schemas().items():
                store._make_table(name, schema)
            store._clear_broken("head")
            store.connection.create_table("head", rows.free_head(), exist_ok=True)
            for name in ("head", *_shared_schemas()):
                store.sync(name)
            store._make_generation(shop_id, refs, encoders, settings)
        found = store.generations()
        if found[0].shop_id != shop_id:
            raise StoreError(
                f"{uri}: belongs to the shop {found[0].shop_id!r}, the config says {shop_id!r}"
            )
        own = store.generation_of(refs)
        if own is not None:
            return store.of(own)
        newest = store.of(1 + max(found[-1].number, store._highest_listed()))
        newest._make_generation(shop_id, refs, encoders, settings)
        return newest

    def _highest_listed(self) -> int:
        """The highest number of a generation that any table is named after, dropped half or not."""
        names = (name.rpartition("_g") for name in self.connection.list_tables().tables)
        return max((int(n) for _, mark, n in names if mark and n.isdecimal()), default=1)

    def drop(self, name: str) -> None:
        """Drop a table, if it is there. Asks for the lease."""
        if self.has_table(name):
            self._guard()
            self.connection.drop_table(self.table_name(name))

    def _make_generation(
        self, shop_id: str, refs: ModelRefs, encoders: str, settings: Json | None
    ) -> None:
        """Make its tables; the row that says that they are there comes last."""
        for name, schema in _schemas(refs.image.dim, refs.text.dim).items():
            self._guard()
            self._make_table(self.table_name(name), schema)
            self.sync(name)
        row = {
            "generation": self.generation,
            "shop_id": shop_id,
            "schema_version": tables.SCHEMA_VERSION,
            "image_space": refs.image.space,
            "image_dim": refs.image.dim,
            "text_space": refs.text.space,
            "text_dim": refs.text.dim,
            "encoders": encoders,
            "models": refs.model_dump_json(),
            "created_at": rows.now(),
            "settings": None if settings is None else json.dumps(settings, sort_keys=True),
        }
        made = pa.Table.from_pylist([row], schema=tables.store_schema())
        if not self.is_made:
            self._clear_broken("store")
            self.connection.create_table("store", made)
            # Once more: whoever loses one version of the row has the other.
            self.dataset("store").restore()
        else:
            self.merge("store", "generation").when_not_matched_insert_all().execute(made)
        self.sync("store")

    def _make_table(self, name: str, schema: pa.Schema) -> None:
        """Make a table of a generation that is not there yet, in place of what a dead run left."""
        self._clear_broken(name)
        try:
            self.connection.create_table(name, schema=schema, exist_ok=True)
        except ValueError:
            # That run had other models, and so vectors of other dimensions. One that lives has
            # its row by now, or rows in its tables.
            begun = self.is_made and self.generation in {g.number for g in self.generations()}
            if begun or self.connection.open_table(name).count_rows():
                raise
            self.connection.create_table(name, schema=schema, mode="overwrite")

    def remake(self, name: str) -> None:
        """Make a table of this generation anew of which only its first version was there: empty."""
        generation = next(g for g in self.generations() if g.number == self.generation)
        dims = generation.models.image.dim, generation.models.text.dim
        schema = (_schemas(*dims) | _shared_schemas())[name]
        self._guard()
        set_aside(Path(self.connection.uri), f"{self.table_name(name)}.lance")
        self.connection.create_table(self.table_name(name), schema=schema)

    def _clear_broken(self, table: str) -> None:
        """Take a table, by its name in the store, out of the way where nothing can be read of it.

        Only while there is nothing in it to lose.
        """
        if self.is_remote or not self.of(1).versions(table) or not self.of(1)._is_broken(table):
            return
        if self._has_published:
            raise no_readable_version(self.uri, table)
        set_aside(Path(self.connection.uri), f"{table}.lance")

    def generations(self) -> list[Generation]:
        """All generations, oldest first. Raises StoreError where the schema is of no use here."""
        found = self.scan("store", None).to_pylist()
        versions = [int(row["schema_version"]) for row in found]
        for version in (max(versions), min(versions)):
            if not tables.OLDEST_SCHEMA <= version <= tables.SCHEMA_VERSION:
                todo = (
                    "update reelshelf"
                    if version > tables.SCHEMA_VERSION
                    else "index into a new --store; it is older than what can be upgraded"
                )
                raise StoreError(
                    f"{self.uri}: has schema version {version}, this reelshelf reads "
                    f"{tables.OLDEST_SCHEMA} to {tables.SCHEMA_VERSION}: {todo}"
                )
        try:
            parsed = [_generation(row) for row in found]
        except ValueError as error:
            files = [path for path in self.files_of("store") if "/data/" in path]
            raise CorruptFile(
                f"{self.uri}: {', '.join(files)} holds other bytes than were written ({error}): "
                "restore it from a backup"
            ) from error
        return sorted(parsed, key=lambda generation: generation.number)

    def every_table(self) -> Iterator[tuple[str, "Store"]]:
        """All tables but `head`, each by its plain name with the store that shows it so.

        A store of an older version does not have all of today's.
        """
        there = set(self.connection.list_tables().tables)
        yield from ((name, self) for name in SHARED_TABLES if name in there)
        for generation in self.generations():
            seen = self.of(generation.number)
            yield from ((n, seen) for n in GENERATION_TABLES if seen.table_name(n) in there)

    def has_table(self, name: str) -> bool:
        """Whether there is a table: stores of older versions have fewer."""
        return self.table_name(name) in self.connection.list_tables().tables

    def make_missing(self) -> None:
        """Make the tables of this generation, and shared ones, that there were not yet."""
        generation = next(g for g in self.generations() if g.number == self.generation)
        dims = generation.models.image.dim, generation.models.text.dim
        for name, schema in (_shared_schemas() | _schemas(*dims)).items():
            if not self.has_table(name):
                self._guard()
                self._make_table(self.table_name(name), schema)

    def change_generation(self, number: int, **cells: str | int) -> None:
        """Set some columns of a generation's row."""
        stored = [r for r in self.scan("store", None).to_pylist() if r["generation"] == number]
        table = pa.Table.from_pylist([stored[0] | cells], schema=tables.store_schema())
        self.merge("store", "generation").when_matched_update_all().execute(table)

    def generation_of(self, refs: ModelRefs) -> int | None:
        """The newest generation with vectors of these models, if there is one."""
        spaces = (refs.image.space, refs.text.space)
        found = [g for g in self.generations() if g.spaces == spaces]
        return found[-1].number if found else None

    def table_name(self, name: str) -> str:
        """What a table is called in the store. Those of the first generation have plain names."""
        return generation_table(name, self.generation)

    def table(self, name: str, version: int | None = None) -> Table:
        """A table as lancedb searches it, at its newest version or at another."""
        try:
            return self.connection.open_table(self.table_name(name), version=version)
        except UNREADABLE:
            if version is None or self.is_remote:
                raise
        # lancedb opens the newest version on the way to any other. Where that one is cut off, it
        # is shown a table that ends before.
        folder = tempfile.TemporaryDirectory(prefix="reelshelf-", dir=plain_folder())
        root = Path(self.connection.uri)
        linked_shadow(Path(folder.name), root, self.table_name(name), version)
        table = connect(folder.name).open_table(self.table_name(name))
        weakref.finalize(table, folder.cleanup)
        return table

    def dataset(self, name: str, version: int | None = None) -> lance.LanceDataset:
        """A table as Lance's own dataset."""
        return self._stepping_back(name, version, lambda at: self._opened(name, at))

    def _opened(self, name: str, version: int | None) -> lance.LanceDataset:
        # Past the connection, which would look for the newest version twice on the way.
        place = f"{self.connection.uri.rstrip('/')}/{self.table_name(name)}.lance"
        return lance.dataset(
            place, version=version, storage_options=self.connection.storage_options
        )

    def _stepping_back(
        self, name: str, version: int | None, read: Callable[[int | None], Item]
    ) -> Item:
        """What `read` says of a version of a table: for a reader, of the newest that it can read.

        A writer has seen to it that the newest can be read (`reelshelf.indexer.store.recovery`).
        """
        try:
            return _without_panic(lambda: read(version))
        except UNREADABLE as error:
            if version is not None or self.is_remote or self._guard is not unguarded:
                raise
            cut_off(error)
        versions = self.versions(name)
        for older in versions[1:]:
            with suppress(*UNREADABLE):
                found = _without_panic(partial(read, older))
                _LOG.warning(
                    "%s: version %d of table %r cannot be read (cut off, as after a power cut): "
                    "read as of version %d; the next run that writes goes back to it for good",
                    self.uri, versions[0], self.table_name(name), older,
                )  # fmt: skip
                return found
        raise no_readable_version(self.uri, self.table_name(name))

    def versions(self, name: str) -> list[int]:
        """The versions of a table that there are files of, newest first, readable or not."""
        return listed_versions(self.uri, self.storage, self.table_name(name))

    def files_of(self, name: str, version: int | None = None) -> list[str]:
        """Paths, below the store, of every file that a version of a table is made of."""
        dataset = self.dataset(name, version)
        found: set[str] = set()
        for batch in dataset.tracked_files(min_version=dataset.version):
            for row in batch.to_pylist():
                # A transaction file tells how a version came about; no reader opens it.
                if row["version"] == dataset.version and row["type"] != "transaction file":
                    found.add(f"{self.table_name(name)}.lance/{row['path']}")
        return sorted(found)

    def holds(self, name: str, version: int) -> bool:
        """Whether the newest version of a table has the rows and indexes of another, untouched."""
        return self.same_content(name, self.dataset(name).version, version)

    def content_of(self, name: str, version: int) -> str:
        """Names what a version of a table holds: other rows, or the same in other files, differ."""
        return fingerprint([*_made_of(self.dataset(name, version))[0]])

    def same_content(self, name: str, version: int, other: int) -> bool:
        """Whether two versions of a table have the same rows and indexes, untouched."""
        if version == other:
            return True
        try:
            return _made_of(self.dataset(name, version)) == _made_of(self.dataset(name, other))
        except UNREADABLE as error:
            if self.is_remote:
                raise
            cut_off(error)
            return False  # it is damaged, and whatever is whole is not that

    def sync(self, name: str) -> None:
        """Have the newest version of a table on disk, with all its files and folders.

        What counts on a row being there is written after this. Power that fails then leaves the
        row, or neither of both.
        """
        if self.is_remote:
            return
        paths = set(self.files_of(name)) - self._synced
        sync_files(Path(self.connection.uri), sorted(paths))
        self._synced |= paths

    def writable(self, name: str) -> lance.LanceDataset:
        """A table at its newest version, to write to. Asks for the lease.

        It is asked for after the version is fixed that a change starts from: whoever takes the
        lease over fences that version off (`reelshelf.indexer.store.fence`).
        """
        dataset = self.dataset(name)
        self._guard()
        return dataset

    def tag(self, name: str, tag: str, version: int) -> None:
        """Name a version of a table, which keeps it alive. Asks for the lease."""
        self._guard()
        if self.is_remote:
            self.dataset(name).tags.create(tag, version)
            return
        table = f"{self.table_name(name)}.lance"
        root = Path(self.uri).absolute()
        with plain_path(root) as folder:
            lance.dataset(str(folder / table)).tags.create(tag, version)
        sync_files(root, [f"{table}/_refs/tags/{tag}.json"])

    def video_states(self, names: Mapping[str, str] | None = None) -> dict[str, VideoState]:
        """State of each indexed video by its key.

        `names` says what fingerprints are called now, in a store that is still to be upgraded.
        """
        return video_states_of(self.scan("videos", video_state_columns()), names or {})

    def write_videos(
        self, batch: Sequence[Indexed], run: RunContext, states: Mapping[str, VideoState]
    ) -> None:
        """Write videos with all their segments, replacing what they had.

        `states` are of all videos that there are rows of: what others have is not looked for.
        """
        if not batch:
            return
        segments = rows.segment_rows(batch, run)
        held = [done.job.key for done in batch if done.job.key in states]
        replaced = [d.job.key for d in batch if d.job.key in states and d.job.stored is None]
        if replaced:
            # Until its new row is there, a video that is being replaced counts as not done. One
            # that is done in part keeps its row, which says which stages are due: they are done
            # again, into the same moments.
            self.writable("videos").delete(among("video_key", replaced))
        self._unmark_stages(batch)
        self.replace("segments", segments, "video_key", held)
        self.sync("segments")
        seen = {key: states[key].first_seen_at for key in held}
        self.replace("videos", rows.video_rows(batch, run, seen), "video_key", held)

    def _unmark_stages(self, batch: Sequence[Indexed]) -> None:
        """Have videos that are done in part say so, until their new rows are there.

        Between the two writes their moments are of both states.
        """
        due: dict[frozenset[str], list[str]] = {}
        for done in batch:
            if done.job.stored is not None:
                due.setdefault(done.job.stages, []).append(done.job.key)
        for stages, keys in due.items():
            cells = {rows.STAGE_COLUMNS[stage]: "''" for stage in sorted(stages)}
            self.writable("videos").update(cells, where=among("video_key", keys))
            self.sync("videos")

    def stored_videos(self, keys: Sequence[str]) -> dict[str, SegmentedVideo]:
        """What is held of some videos, by their keys: as many as fit into memory."""
        where = among("video_key", keys)
        return rows.stored_videos(
            self.scan("videos", None, where), self.scan("segments", None, where)
        )

    def calls(self) -> dict[str, ModelCalls]:
        """What decoding and understanding each video took, by its key."""
        found = self.scan("videos", ["video_key", "calls"]).to_pylist()
        return {row["video_key"]: rows.calls_from(row["calls"]) for row in found}

    def linked_skus(self) -> dict[str, frozenset[str]]:
        """The SKUs that each video has links to, however weak, by its key."""
        found: dict[str, set[str]] = {}
        for row in self.scan("links", ["video_key", "sku"]).to_pylist():
            found.setdefault(row["video_key"], set()).add(row["sku"])
        return {key: frozenset(skus) for key, skus in found.items()}

    def unlink(self, keys: Sequence[str]) -> None:
        """Have these videos linked anew."""
        self._change_videos({key: {"links_fingerprint": None} for key in keys})

    def update_sources(self, changed: Sequence[tuple[str, VideoSource]], run: RunContext) -> None:
        """Change what the shop says of videos whose bytes are the same; no model is asked."""
        for part in parts(changed):
            keys = [key for key, _ in part]
            stored = {
                r["video_key"]: r
                for r in self.scan("videos", None, among("video_key", keys)).to_pylist()
            }
            self._describe_segments(stored, dict(part))
            # Last, since this row is what the next run compares with.
            table = rows.with_sources(stored, part, run)
            self.replace("videos", table, "video_key", keys)

    def _describe_segments(
        self, stored: Mapping[str, rows.Cells], sources: Mapping[str, VideoSource]
    ) -> None:
        """Say of the moments of videos which merchant's they are and since when, where it changed.

        `stored` are the rows of the videos as they are.
        """
        changed = [
            key
            for key, source in sources.items()
            if any(stored[key][name] != getattr(source, name) for name in rows.OF_THE_SOURCE)
        ]
        if not changed:
            return
        segments = self.scan("segments", None, among("video_key", changed))
        self.replace("segments", rows.described(segments, sources), "video_key", changed)
        self.sync("segments")

    def delete_videos(self, keys: Sequence[str]) -> None:
        """Remove videos with their segments and links."""
        for part in parts(keys):
            for name in ("videos", "links", "segments"):
                self.writable(name).delete(among("video_key", part))

    def video_facts(self, version: int) -> dict[str, VideoFacts]:
        """What a searcher needs of each video by its key, at one version of `videos`."""
        columns = ["video_key", "video_id", "duplicate_cluster", "published_at"]
        found = self.dataset("videos", version).to_table(columns=columns).to_pylist()
        return {
            row["video_key"]: VideoFacts(
                row["video_id"], row["duplicate_cluster"], row["published_at"]
            )
            for row in found
        }

    def videos_to_link(
        self, groups: Sequence[Sequence[str]], versions: Mapping[str, int] | None = None
    ) -> Iterator[list[list[tuple[str, LinkableVideo]]]]:
        """Groups of videos, given as keys, as (video id, video with its segments).

        They come in batches of bounded size; a group is never split.
        """
        pins = versions or {}
        videos_table = self.dataset("videos", pins.get("videos"))
        segments_table = self.dataset("segments", pins.get("segments"))
        columns = ["video_key", "video_id", "merchant_skus", "merchant_id", "kind"]
        for batch in _grouped(groups):
            where = among("video_key", [key for group in batch for key in group])
            found = read_columns("videos", videos_table, columns, where).to_pylist()
            names = {row["video_key"]: row["video_id"] for row in found}
            videos = rows.linkable_videos(found, segments_table.to_table(filter=where))
            by_key = {video.video_key: (names[video.video_key], video) for video in videos}
            yield [[by_key[key] for key in group if key in by_key] for group in batch]

    def write_links(self, made: Mapping[str, LinksMade], links: pa.Table) -> None:
        """Replace all links of the videos of which `made` says how theirs were made, by these."""
        self.replace("links", links, "video_key", sorted(made))
        self.sync("links")
        counts = Counter(links["video_key"].to_pylist())
        # Last, since this is what tells the next run that the links are there.
        self._change_videos(
            {
                key: {
                    "links_fingerprint": own.made_from,
                    "link_count": counts[key],
                    "linked_catalog": own.catalog,
                    "deciding": list(own.deciding),
                    "contests": own.contests,
                }
                for key, own in made.items()
            }
        )

    def link_states(self) -> dict[str, LinkState]:
        """What decides whether each video's links are due, by key."""
        columns = [
            "video_key",
            "content_sha256",
            "duplicate_cluster",
            "links_fingerprint",
            "linked_catalog",
        ]
        key, *state = (column.to_pylist() for column in self.scan("videos", columns).columns)
        return dict(zip(key, map(LinkState, *state), strict=True))

    def videos_decided_by(self, skus: pa.Array) -> set[str]:
        """Keys of the videos whose links one of these SKUs has decided."""
        found: set[str] = set()
        for batch in self.dataset("videos").to_batches(columns=["video_key", "deciding"]):
            deciding = batch["deciding"]
            owners = pc.list_parent_indices(deciding).filter(
                pc.is_in(pc.list_flatten(deciding), skus)
            )
            found.update(batch["video_key"].take(pc.unique(owners)).to_pylist())
        return found

    def contests_of(self, keys: Sequence[str], version: int) -> dict[str, bytes]:
        """What is kept of the contests of some videos, by key; none of those never linked."""
        found = self.scan("videos", ["video_key", "contests"], among("video_key", keys), version)
        key, contests = (column.to_pylist() for column in found.columns)
        return {k: c for k, c in zip(key, contests, strict=True) if c is not None}

    def videos_to_compare(self, settings: str) -> list[str]:
        """Keys of the videos that were not yet compared with `settings`."""
        found = self.scan("videos", ["video_key", "duplicates_fingerprint"]).to_pylist()
        return sorted(r["video_key"] for r in found if r["duplicates_fingerprint"] != settings)

    def videos_with(self, contents: Sequence[str]) -> dict[str, list[str]]:
        """Keys of the videos of each of some contents."""
        found: dict[str, list[str]] = defaultdict(list)
        for part in parts(contents):
            where = among("content_sha256", part)
            for row in self.scan("videos", ["video_key", "content_sha256"], where).to_pylist():
                found[row["content_sha256"]].append(row["video_key"])
        return found

    def video_frames(self, keys: Sequence[str]) -> dict[str, VideoFrames]:
        """Frames by video key."""
        if not keys:
            return {}
        contents = self.scan("videos", ["video_key", "content_sha256"], among("video_key", keys))
        content = dict(zip(*(column.to_pylist() for column in contents.columns), strict=True))
        columns = ["video_key", "start_ms", "end_ms", "frame_vector"]
        found = self.scan("segments", columns, among("video_key", keys))
        found = found.sort_by([("video_key", "ascending"), ("start_ms", "ascending")])
        vectors = rows.vector_matrix(found["frame_vector"])
        plain = found.drop_columns(["frame_vector"]).to_pylist()
        places: dict[str, list[int]] = {}
        for i, row in enumerate(plain):
            places.setdefault(row["video_key"], []).append(i)
        return {
            key: VideoFrames(
                content[key],
                vectors[own],
                np.array([plain[i]["end_ms"] - plain[i]["start_ms"] for i in own], np.float64),
            )
            for key, own in places.items()
        }

    def write_duplicates(self, found: dict[str, list[str]], settings: str) -> None:
        """Note which contents duplicate each video."""
        self._change_videos(
            {
                key: {"duplicates": contents, "duplicates_fingerprint": settings}
                for key, contents in found.items()
            }
        )

    def duplicate_edges(self) -> dict[str, set[str]]:
        """For the content of each video, the contents that duplicate it."""
        edges: dict[str, set[str]] = {}
        found = self.scan("videos", ["content_sha256", "duplicates"])
        for content, others in zip(*(column.to_pylist() for column in found.columns), strict=True):
            edges.setdefault(content, set()).update(others or ())
        return edges

    def clusters(self, version: int | None = None) -> dict[str, str]:
        """The duplicate cluster of each video by its key, at one version of `videos`."""
        columns = ["video_key", "duplicate_cluster"]
        found = self.dataset("videos", version).to_table(columns=columns).to_pylist()
        return {row["video_key"]: row["duplicate_cluster"] for row in found}

    def write_clusters(self, clusters: dict[str, str]) -> None:
        """Name each video's cluster, given the cluster of each content."""
        columns = ["video_key", "content_sha256", "duplicate_cluster"]
        self._change_videos(
            {
                row["video_key"]: {"duplicate_cluster": clusters[row["content_sha256"]]}
                for row in self.scan("videos", columns).to_pylist()
                if row["duplicate_cluster"] != clusters[row["content_sha256"]]
            }
        )

    def _change_videos(self, changes: Mapping[str, rows.Cells]) -> None:
        """Set some columns of some videos, of each the same ones, which have no checksums."""
        schema = tables.videos_schema()
        for part in parts(sorted(changes), _ROWS_PER_CHANGE):
            stored = self.scan("videos", None, among("video_key", part))
            stored = stored.select(schema.names).cast(schema)
            own = [changes[key] for key in stored["video_key"].to_pylist()]
            for column in changes[part[0]]:
                field = schema.field(column)
                values = pa.array([cells[column] for cells in own], field.type)
                stored = stored.set_column(schema.get_field_index(column), field, values)
            self.replace("videos", stored, "video_key", part)

    def segment_sample(self, most: int) -> SegmentSample:
        """The segments of some whole videos, about `most`.

        Videos are chosen by key and come in order, so the sample is the same in every run.
        """
        keys = self.scan("segments", ["video_key"])["video_key"]
        step = max(1, -(-len(keys) // most))
        chosen = pc.unique(keys).sort()[::step].to_pylist()
        columns = ["video_key", "shot_index", "start_ms", "text", "frame_vector"]
        pieces = [
            self.scan("segments", columns, among("video_key", part)) for part in parts(chosen)
        ]
        # Sums of floats depend on their order: sort, so that two runs agree to the last bit.
        found = pa.concat_tables(pieces).sort_by(
            [("video_key", "ascending"), ("start_ms", "ascending")]
        )
        videos = found["video_key"].to_pylist()
        numbers: dict[tuple[str, int], int] = {}
        shots = [
            numbers.setdefault(name, len(numbers))
            for name in zip(videos, found["shot_index"].to_pylist(), strict=True)
        ]
        texts: dict[str, list[str]] = defaultdict(list)
        for video, text in zip(videos, found["text"].to_pylist(), strict=True):
            texts[video].append(text)
        return SegmentSample(
            rows.vector_matrix(found["frame_vector"]),
            np.array(shots, np.intp),
            tuple("\n".join(own) for own in texts.values()),
        )

    def scan(
        self,
        name: str,
        columns: list[str] | None,
        where: str | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """Rows of a table, of its newest version or another. A column it does not have is null."""
        return self._stepping_back(
            name,
            version,
            lambda at: read_columns(name, self._opened(name, at), columns, where),
        )

    def count(self, name: str, where: str | None = None) -> int:
        """How many rows the newest version of a table has."""
        return int(self.dataset(name).count_rows(where))

    def row_counts(self) -> dict[str, int]:
        """How many rows there are of what a run takes from its source.

        Links are not among it: whoever publishes may make them again.
        """
        return {name: self.count(name) for name in INPUT_TABLES}

    def merge(self, name: str, key: str) -> MergeInsertBuilder:
        """A merge into a table, matching rows by `key`. Asks for the lease."""
        # lancedb's own merge refuses nulls in vector columns or would null what is broken.
        return self.writable(name).merge_insert(key)

    def replace(self, name: str, rows: pa.Table, owner: str, owners: Sequence[str]) -> None:
        """In one commit: add rows, and drop those that these owners had; none where none had any.

        `owner` is the column that names them.
        """
        gone = among(owner, owners) if owners else None
        change_rows(self.writable(name), rows, gone)


def cut_off(error: Exception) -> str:
    """What an error says of a file that is cut off or gone. Raises it where it tells of another.

    What may not be read, or cannot be read now, is whole for all anybody knows.
    """
    if isinstance(error, NotImplementedError) or _PASSES.search(str(error)):
        raise error
    return str(error)


def no_readable_version(uri: str, table: str) -> StoreError:
    """What somebody is told whose store has lost a table."""
    return StoreError(
        f"{uri}: no version of table {table!r} can be read: put the folder {table}.lance back "
        "from a backup, or index into a new --store"
    )


def _without_panic(read: Callable[[], Item]) -> Item:
    """What `read` returns. Some cut files make Lance panic: that is an error as any other."""
    try:
        return read()
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise OSError(f"LanceError(IO): {error}") from error


def _schemas(image_dim: int, text_dim: int) -> dict[str, pa.Schema]:
    return {
        "products": tables.products_schema(text_dim),
        "product_images": tables.product_images_schema(image_dim),
        "videos": tables.videos_schema(),
        "segments": tables.segments_schema(image_dim, text_dim),
        "links": tables.links_schema(),
        "failures": tables.failures_schema(),
        "calibrations": tables.calibrations_schema(),
        "backgrounds": tables.backgrounds_schema(image_dim),
        "quantizers": tables.quantizers_schema(),
        "vanished_videos": tables.vanished_videos_schema(),
        "vanished_segments": tables.segments_schema(image_dim, text_dim),
        "chunks": tables.chunks_schema(),
        "chunk_segments": tables.segments_schema(image_dim, text_dim),
    }


def _generation(row: rows.Cells) -> Generation:
    """A generation from its row. Raises ValueError where that cannot be read."""
    return Generation(
        row["generation"],
        row["shop_id"],
        row["encoders"],
        ModelRefs.model_validate(models_record(row["models"])),
        row["schema_version"],
        json.loads(row["settings"]) if row["settings"] else None,
    )


def _shared_schemas() -> dict[str, pa.Schema]:
    return {
        "runs": tables.runs_schema(),
        "sources": tables.sources_schema(),
        "releases": tables.releases_schema(),
        "files": tables.files_schema(),
        "erased": tables.erased_schema(),
        "overrides": tables.overrides_schema(),
    }


def _made_of(dataset: lance.LanceDataset) -> tuple[list[str], list[str]]:
    """What tells the content of two versions of a table apart: their files, and their indexes'."""
    pieces = [json.dumps(piece.metadata.to_json()) for piece in dataset.get_fragments()]
    indexes = dataset.describe_indices()
    return pieces, sorted(str(part.uuid) for index in indexes for part in index.segments)


def read_columns(
    name: str, dataset: lance.LanceDataset, columns: list[str] | None, where: str | None = None
) -> pa.Table:
    """Rows of a version of the table `name`, with the columns in the order that they are asked in.

    A column that it does not have yet is null.
    """
    there = set(dataset.schema.names)
    added = [field for field in tables.ADDED.get(name, ()) if field.name not in there]
    wanted = columns
    if columns is not None:
        added = [field for field in added if field.name in columns]
        columns = [column for column in columns if column in there]
    table = dataset.to_table(columns=columns, filter=where)
    for field in added:
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table if wanted is None else table.select(wanted)


def video_state_columns() -> list[str]:
    """The columns of `videos` that planning needs."""
    source = [field.name for field in fields(VideoSource)]
    columns = ["video_key", "content_sha256", "first_seen_at", "stage_versions", "post_fingerprint"]
    return [*columns, *rows.STAGE_COLUMNS.values(), *source]


def video_states_of(videos: pa.Table, names: Mapping[str, str]) -> dict[str, VideoState]:
    """The state of each video by its key, from its row. `names` as in `Store.video_states`."""
    states = {}
    # Videos that were made alike have one record of it.
    alike: dict[tuple[tuple[str, StageFingerprint], ...], StageFingerprints] = {}
    for row in videos.to_pylist():
        stages = rows.stages_from(row, names)
        states[row["video_key"]] = VideoState(
            row["content_sha256"],
            alike.setdefault(tuple(stages.items()), stages),
            rows.source_from(row),
            row["first_seen_at"],
            row["post_fingerprint"],
        )
    return states


def missing_columns(store: Store, name: str) -> list[pa.Field]:
    """Columns that a table of an older version does not have yet."""
    there = set(store.dataset(name).schema.names)
    return [field for field in tables.ADDED.get(name, ()) if field.name not in there]


def generation_table(name: str, generation: int) -> str:
    """Name of a table of a generation; tables that all generations share keep theirs."""
    plain = generation == 1 or name not in GENERATION_TABLES
    return name if plain else f"{name}_g{generation}"


def parts(items: Sequence[Item], size: int = _KEYS_PER_FILTER) -> Iterator[list[Item]]:
    """Items in pieces of as many as one filter takes, where whole rows are read by it."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _grouped(groups: Sequence[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """Groups in batches of about as many keys as a filter takes."""
    batch: list[Sequence[str]] = []
    size = 0
    for group in groups:
        if batch and size + len(group) > _KEYS_PER_FILTER:
            yield batch
            batch, size = [], 0
        batch.append(group)
        size += len(group)
    if batch:
        yield batch


def is_key(cell: str | None) -> bool:
    """Whether a cell can be a derived key."""
    return cell is not None and not set(cell) - set("0123456789abcdef-")


def among(column: str, keys: Sequence[str]) -> str:
    """A filter on derived keys. Raises StoreError for what could mean more than itself."""
    for key in keys:
        if not is_key(key):
            raise StoreError(
                f"{column} {key!r} is no key that reelshelf makes: the rows of the store are not "
                "what was written; `reelshelf restore` sets the tables back to a release"
            )
    return f"{column} IN ({', '.join(repr(key) for key in keys)})"
