"""The online searcher: a service over published releases, with pages for people."""

from reelshelf.searcher.settings import SearcherSettings, read_settings

__all__ = ["SearcherSettings", "read_settings"]
