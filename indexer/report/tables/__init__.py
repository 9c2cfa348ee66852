"""The tables of a page, by its sections.

table < the others
"""

from reelshelf.indexer.report.tables import index, links, releases, run, search, supply

__all__ = ["index", "links", "releases", "run", "search", "supply"]
