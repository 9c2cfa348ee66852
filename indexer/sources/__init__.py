"""What the shop hands over: catalogs, manifests, folders, buckets, query logs, judged queries."""

from reelshelf.indexer.sources import subtitles
from reelshelf.indexer.sources.catalog import CatalogRead, catalog_lists, read_catalog
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.overrides import EVERYTHING_ELSE, read_overrides_file
from reelshelf.indexer.sources.packed import Packed
from reelshelf.indexer.sources.playlists import (
    ByteRange,
    Playlist,
    PlaylistSegment,
    is_playlist,
    read_playlist,
)
from reelshelf.indexer.sources.queries import (
    Judged,
    JudgedQuery,
    LoggedQuery,
    QueryLog,
    read_judged,
    read_log,
    read_typed,
)
from reelshelf.indexer.sources.s3 import Bucket
from reelshelf.indexer.sources.subtitles import plain_line
from reelshelf.indexer.sources.videos import (
    TWICE,
    VideosRead,
    manifest_lists,
    manifest_rows,
    read_videos,
)

__all__ = [
    "EVERYTHING_ELSE",
    "TWICE",
    "Bucket",
    "ByteRange",
    "CatalogRead",
    "Files",
    "Judged",
    "JudgedQuery",
    "LoggedQuery",
    "Packed",
    "Playlist",
    "PlaylistSegment",
    "QueryLog",
    "VideosRead",
    "catalog_lists",
    "is_playlist",
    "manifest_lists",
    "manifest_rows",
    "plain_line",
    "read_catalog",
    "read_judged",
    "read_log",
    "read_overrides_file",
    "read_playlist",
    "read_typed",
    "read_videos",
    "subtitles",
]
