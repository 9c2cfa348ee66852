"""Answering queries from one release: analysis, retrievers, ranking."""

from reelshelf.indexer.search.curation import Remark
from reelshelf.indexer.search.features import FeatureMatrix, Ranker
from reelshelf.indexer.search.filters import Filter, read_filter
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.requests import (
    Effort,
    Like,
    SearchRequest,
    StaleCursor,
    UnknownThing,
    read_like,
)
from reelshelf.indexer.search.results import (
    Answer,
    Facet,
    Moment,
    ProductHit,
    Result,
    SearchHit,
)
from reelshelf.indexer.search.rule_check import check_rules
from reelshelf.indexer.search.searcher import Searcher, Wanted
from reelshelf.indexer.search.suggestions import Suggestion, SuggestionKind, Suggestions
from reelshelf.indexer.search.why import Why

__all__ = [
    "Answer",
    "Effort",
    "Facet",
    "FeatureMatrix",
    "Filter",
    "Like",
    "Moment",
    "ProductHit",
    "Query",
    "QueryEncoders",
    "Ranker",
    "Remark",
    "Result",
    "SearchHit",
    "SearchRequest",
    "Searcher",
    "StaleCursor",
    "Suggestion",
    "SuggestionKind",
    "Suggestions",
    "UnknownThing",
    "Wanted",
    "Why",
    "check_rules",
    "read_filter",
    "read_like",
]
