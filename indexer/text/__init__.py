"""Text from strangers and words of our own: cleaning, one analyzer, names, wording."""

from reelshelf.indexer.text import wording
from reelshelf.indexer.text.analyzer import (
    TERM_LENGTH,
    Analyzer,
    AnalyzerKind,
    analyzer_of,
    base_form,
    terms_of,
)
from reelshelf.indexer.text.catalog import CatalogIndex, CatalogVectors, Name, analyzer_for, code_of
from reelshelf.indexer.text.clean import as_known, clean_text, decode_entities, printable, same_id
from reelshelf.indexer.text.counts import counts_of
from reelshelf.indexer.text.folding import fold, has_unspaced, script_of
from reelshelf.indexer.text.groups import MOST_VARIANTS
from reelshelf.indexer.text.languages import language_of, primary, script_of_language
from reelshelf.indexer.text.lookup import Numbering, Numbers, Rows, Strings, Texts, numbered
from reelshelf.indexer.text.markup import plain_text
from reelshelf.indexer.text.misread import MisreadWords
from reelshelf.indexer.text.money import Money, currency_code, prices_in, read_money, usual_currency
from reelshelf.indexer.text.names import OTHER_WORDS, NameIndex, NameMatch, name_numbers
from reelshelf.indexer.text.units import Measure, read_measure, unit_names
from reelshelf.indexer.text.wording import (
    brief,
    clock,
    counted,
    describe,
    flat,
    hours,
    instant,
    modalities,
    number,
    seconds,
    share,
    told_override,
)

__all__ = [
    "MOST_VARIANTS",
    "OTHER_WORDS",
    "TERM_LENGTH",
    "Analyzer",
    "AnalyzerKind",
    "CatalogIndex",
    "CatalogVectors",
    "Measure",
    "MisreadWords",
    "Money",
    "Name",
    "NameIndex",
    "NameMatch",
    "Numbering",
    "Numbers",
    "Rows",
    "Strings",
    "Texts",
    "analyzer_for",
    "analyzer_of",
    "as_known",
    "base_form",
    "brief",
    "clean_text",
    "clock",
    "code_of",
    "counted",
    "counts_of",
    "currency_code",
    "decode_entities",
    "describe",
    "flat",
    "fold",
    "has_unspaced",
    "hours",
    "instant",
    "language_of",
    "modalities",
    "name_numbers",
    "number",
    "numbered",
    "plain_text",
    "prices_in",
    "primary",
    "printable",
    "read_measure",
    "read_money",
    "same_id",
    "script_of",
    "script_of_language",
    "seconds",
    "share",
    "terms_of",
    "told_override",
    "unit_names",
    "usual_currency",
    "wording",
]
