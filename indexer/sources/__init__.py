"""What the shop hands over: catalogs, manifests, folders, buckets, query logs, judged queries."""

from reelshelf.indexer.sources.catalog import CatalogRead, VideosRead, read_catalog, read_videos
from reelshelf.indexer.sources.files import Files
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

__all__ = [
    "Bucket",
    "CatalogRead",
    "Files",
    "Judged",
    "JudgedQuery",
    "LoggedQuery",
    "QueryLog",
    "VideosRead",
    "read_catalog",
    "read_judged",
    "read_log",
    "read_typed",
    "read_videos",
]
