"""What results have to be, and which products of a catalog are it, by arrays.

Nothing looks at products one by one. Filters come before retrieval: what they leave out takes no
place among the candidates.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.columns import PART, UNKNOWN_DATE, ProductColumns
from reelshelf.indexer.search.labels import Labels, Products, key_of
from reelshelf.indexer.search.prices import PriceRange, currencies_of, read_amount
from reelshelf.schemas.errors import InputError

# Fields of a product that hold names.
NAMES = ("category", "brand", "merchant", "language", "availability")
KINDS = ("video", "live")
_RANGE = re.compile(r"(?P<least>[^.]*(?:\.\d[^.]*)?)\.\.(?P<most>.*)")
_LEVELS = re.compile(r"\s*>\s*")


@dataclass(frozen=True, slots=True)
class Dates:
    """From the first instant to the second, which is not in it; None where there is no bound."""

    since: dt.datetime | None = None
    before: dt.datetime | None = None

    def admit(self, milliseconds: npt.NDArray[np.int64]) -> Products:
        """Which of some times, in milliseconds of UTC, lie inside. An unknown one does not."""
        inside: Products = milliseconds != UNKNOWN_DATE
        if self.since is not None:
            inside &= milliseconds >= int(self.since.timestamp() * 1000)
        if self.before is not None:
            inside &= milliseconds < int(self.before.timestamp() * 1000)
        return inside


@dataclass(frozen=True, slots=True)
class Filter:
    """What results have to be: any of the names of a field, and that in every field named.

    `names` has tuples for some of `NAMES`, `attributes` the same for attributes of the catalog. A
    category is named at any level, or by its levels from the top: "Home > Kitchen". `price` and
    these are of products; a video is let in by one that it sells. `kind` and `published` are of
    videos, `published` of products where products are looked for.
    """

    names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    price: PriceRange | None = None
    published: Dates | None = None
    kind: str | None = None

    def pieces(self) -> Iterator[tuple[str, "Filter"]]:
        """Each field that it limits, as a filter of its own."""
        for name, values in self.names:
            yield name, Filter(names=((name, values),))
        for name, values in self.attributes:
            yield name, Filter(attributes=((name, values),))
        if self.price is not None:
            yield "price", Filter(price=self.price)
        if self.published is not None:
            yield "published", Filter(published=self.published)
        if self.kind is not None:
            yield "kind", Filter(kind=self.kind)


NO_FILTER = Filter()


def read_filter(given: Iterable[str]) -> Filter:
    """A filter from "field=value" texts; several values are parted by "|", ranges are "10..20".

    Fields are those of `NAMES`, `price`, `published` (dates), `kind`, and any attribute. Raises
    InputError, which names what cannot be read.
    """
    names: dict[str, tuple[str, ...]] = {}
    attributes: dict[str, tuple[str, ...]] = {}
    found = _Read()
    for text in given:
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or not value:
            raise InputError(f'filter {text!r}: write it as field=value, as in "brand=Acme"')
        lower = name.casefold()
        if lower == "price":
            found.price = _price(value)
        elif lower == "published":
            found.published = _dates(value)
        elif lower == "kind":
            if value.casefold() not in KINDS:
                raise InputError(f"filter {text!r}: kind is one of {', '.join(KINDS)}")
            found.kind = value.casefold()
        else:
            values = tuple(filter(None, map(str.strip, value.split("|"))))
            into, key = (names, lower) if lower in NAMES else (attributes, name)
            into[key] = (*into.get(key, ()), *values)
    return Filter(
        tuple(names.items()),
        tuple(attributes.items()),
        found.price,
        found.published,
        found.kind,
    )


@dataclass(slots=True)
class _Read:
    """The parts of a filter that come once."""

    price: PriceRange | None = None
    published: Dates | None = None
    kind: str | None = None


def _price(value: str) -> PriceRange:
    least, most = _sides(value, "price", "10..20")
    bounds = [read_amount(side) if side else None for side in (least, most)]
    return PriceRange(bounds[0], bounds[1])


def _dates(value: str) -> Dates:
    since, before = _sides(value, "published", "2026-01-01..2026-02-01")
    try:
        return Dates(*(_instant(side) if side else None for side in (since, before)))
    except ValueError as error:
        raise InputError(f"filter published={value}: {error}; write dates as 2026-01-31") from error


def _instant(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _sides(value: str, name: str, example: str) -> tuple[str, str]:
    match = _RANGE.fullmatch(value)
    if match is None or not (match["least"].strip() or match["most"].strip()):
        raise InputError(f"filter {name}={value}: write a range, as in {name}={example}")
    return match["least"].strip(), match["most"].strip()


def admitted(wanted: Filter, columns: ProductColumns, *, dated: bool = True) -> Products | None:
    """`(products,)` which are what a filter says of products; None where it lets all in.

    Where not `dated`, its dates are of videos and let in all products. Raises InputError for odd
    fields.
    """
    limits = [_named(name, values, columns) for name, values in wanted.names]
    limits.extend(_having(name, values, columns) for name, values in wanted.attributes)
    if wanted.price is not None:
        limits.append(in_price(wanted.price, columns))
    if dated and wanted.published is not None:
        limits.append(wanted.published.admit(columns.published))
    return reduce(np.logical_and, limits) if limits else None


def in_price(price: PriceRange, columns: ProductColumns) -> Products:
    """`(products,)` whose price lies inside. An unknown one does not."""
    inside = ~np.isnan(columns.prices)
    if price.least is not None:
        inside &= columns.prices >= float(price.least)
    if price.most is not None:
        inside &= columns.prices <= float(price.most)
    if price.currencies is not None:
        # A product that names no currency is in whatever was asked.
        others = [
            number
            for number, name in enumerate(columns.currencies.written)
            if currencies_of(name) and currencies_of(name).isdisjoint(price.currencies)
        ]
        inside &= ~columns.currencies.products(others)
    return inside


def in_category(name: str, columns: ProductColumns) -> Products:
    """`(products,)` of a category, whatever its level and case, or of a path of levels."""
    path = columns.paths.find(PART.join(_LEVELS.split(name.strip())))
    any_level = columns.categories.find(name)
    by_path, by_name = (_there([number]) for number in (path, any_level))
    return columns.paths.products(by_path) | columns.categories.products(by_name)


def labels_of(name: str, columns: ProductColumns) -> Labels:
    """The names that products have of a field."""
    fields = {
        "category": columns.categories,
        "brand": columns.brands,
        "merchant": columns.merchants,
        "language": columns.languages,
        "availability": columns.availability,
    }
    return fields[name]


def _named(name: str, values: Sequence[str], columns: ProductColumns) -> Products:
    if name == "category":
        found = np.zeros(len(columns), bool)
        for value in values:
            found |= in_category(value, columns)
        return found
    labels = labels_of(name, columns)
    return labels.products(_there(map(labels.find, values)))


def _having(name: str, values: Sequence[str], columns: ProductColumns) -> Products:
    labels = columns.attributes
    if not labels.having_prefix(key_of(name) + PART):
        raise InputError(
            f"filter {name}={'|'.join(values)}: no product of this catalog has an attribute "
            f"{name!r}; fields are {', '.join(NAMES)}, price, published, kind and its attributes"
        )
    return labels.products(_there(labels.find(PART.join((name, value))) for value in values))


def _there(numbers: Iterable[int | None]) -> list[int]:
    return [number for number in numbers if number is not None]
