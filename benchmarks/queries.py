"""How well queries are understood, and whether the catalog is known to have an answer.

    python -m benchmarks.queries --catalog FILE --queries FILE [--vectors yes|no]

--queries has a line for each text: {"text", "language", "expect": {...}}. `expect` may name
`price_min`, `price_max` (numbers), `currency` (ISO 4217), `brand`, `category` (as the catalog
writes them, of any level), `exclude` (lower-case words), `corrected` (the whole text as corrected),
`answered` and `error` (booleans); null: nothing of the kind is to be understood. Only what is named
counts, and a row is right where all of it is. Own rows are in benchmarks/data.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.catalog_only import product_search
from benchmarks.harness import Bar, conclude, parse, parser_of
from reelshelf.indexer.search.product_search import ProductSearch
from reelshelf.indexer.search.query import Query
from reelshelf.schemas.errors import InputError

Expected = str | float | bool | list[str] | None


@dataclass(frozen=True)
class Row:
    """One text and what is expected of it, by name."""

    text: str
    expect: Mapping[str, Expected]


@dataclass(frozen=True)
class Understood:
    """What was found of a text, by the same names; `answered` and `error` always."""

    found: Mapping[str, Expected]

    def is_right(self, name: str, wanted: Expected) -> bool:
        """Whether what was found of one name is what was expected."""
        got = self.found.get(name)
        if isinstance(wanted, float | int) and not isinstance(wanted, bool):
            return isinstance(got, float) and abs(got - wanted) < 0.01
        if isinstance(wanted, list):
            return sorted(got if isinstance(got, list) else []) == sorted(wanted)
        if isinstance(wanted, str) and isinstance(got, str):
            return got.casefold() == " ".join(wanted.split()).casefold()
        return got == wanted or (wanted is None and not got)


def read_rows(path: Path) -> list[Row]:
    """The rows of a file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [Row(row["text"], row["expect"]) for row in map(json.loads, filter(None, lines))]


def understood(search: ProductSearch, text: str) -> Understood:
    """What a text is understood as, and whether it has an answer."""
    try:
        query = search.analyze(text)
        answered = search.answers(search.ask(query))
    except InputError:
        return Understood({"error": True, "answered": False})
    return Understood({**_parts(query), "answered": answered, "error": False})


def _parts(query: Query) -> dict[str, Expected]:
    price = query.price or query.foreign
    bounds = (price.least, price.most) if price else (None, None)
    least, most = (None if bound is None else float(bound) for bound in bounds)
    respelled = " ".join(query.respelled.split()) if query.corrections else None
    return {
        "price_min": least,
        "price_max": most,
        "currency": query.currency,
        "brand": " | ".join(query.brands) or None,
        "category": " | ".join(query.categories) or None,
        "exclude": [word for words in query.excluded for word in words.split()],
        "corrected": respelled,
    }


def main() -> int:
    """Ask each text, compare, print what is wrong."""
    parser = parser_of(__doc__)
    parser.add_argument("--catalog", type=Path, required=True, metavar="FILE")
    parser.add_argument("--queries", type=Path, required=True, metavar="FILE")
    parser.add_argument("--vectors", choices=("auto", "yes", "no"), default="auto")
    args = parse(parser)
    search = product_search(args.catalog, args.vectors)
    rows = read_rows(args.queries)
    named: Counter[str] = Counter()
    right_of: Counter[str] = Counter()
    right, times = 0, []
    answered: Counter[tuple[bool, bool]] = Counter()
    for row in rows:
        began = time.perf_counter()
        found = understood(search, row.text)
        times.append((time.perf_counter() - began) * 1000)
        checks = {name: found.is_right(name, wanted) for name, wanted in row.expect.items()}
        named.update(checks.keys())
        right_of.update(name for name, is_right in checks.items() if is_right)
        right += all(checks.values())
        for name, is_right in checks.items():
            if not is_right:
                got = found.found.get(name)
                print(f"{row.text!r}: {name}: found {got!r}, expected {row.expect[name]!r}")
        if "answered" in row.expect:
            answered[bool(row.expect["answered"]), bool(found.found["answered"])] += 1
    figures = {"right": right / max(1, len(rows)), "rows": float(len(rows))}
    figures |= {f"right_{name}": right_of[name] / count for name, count in sorted(named.items())}
    both = answered[True, True]
    figures["answered_precision"] = both / max(1, both + answered[False, True])
    figures["answered_recall"] = both / max(1, both + answered[True, False])
    figures["ms_p95"] = float(np.quantile(times, 0.95))
    bars = [
        Bar("rows of which all is right", figures["right"], 0.9, at_least=True),
        Bar("precision of answered", figures["answered_precision"], 0.9, at_least=True),
        Bar("recall of answered", figures["answered_recall"], 0.9, at_least=True),
    ]
    return conclude("queries", figures, bars, args.out)


if __name__ == "__main__":
    sys.exit(main())
