"""Numbers with units as one word: "500ml", "500 ml" and "500 milliliters" are the same.

Names of units in every language are those of Unicode's CLDR, by Babel. The word that stands for a
measure has the English sign of the unit.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.units import format_unit

from reelshelf.indexer.text.folding import fold

# What shops measure, as CLDR calls it.
_UNITS = (
    "length-millimeter", "length-centimeter", "length-meter", "length-kilometer", "length-inch",
    "length-foot", "length-yard", "mass-milligram", "mass-gram", "mass-kilogram", "mass-ounce",
    "mass-pound", "volume-milliliter", "volume-centiliter", "volume-deciliter", "volume-liter",
    "volume-fluid-ounce", "volume-gallon", "digital-megabyte", "digital-gigabyte",
    "digital-terabyte", "electric-milliampere", "electric-volt",
    "electric-ohm", "power-watt", "power-kilowatt", "power-horsepower", "frequency-hertz",
    "frequency-kilohertz", "frequency-megahertz", "frequency-gigahertz", "area-square-meter",
    "temperature-celsius", "pressure-bar", "light-lumen", "graphics-megapixel", "angle-degree",
)  # fmt: skip
# What a unit is of the first of its kind, for those that shops write in several.
_SIZES = {
    "length-millimeter": 1.0, "length-centimeter": 10.0, "length-meter": 1000.0,
    "length-kilometer": 1e6, "length-inch": 25.4, "length-foot": 304.8, "length-yard": 914.4,
    "mass-milligram": 1e-3, "mass-gram": 1.0, "mass-kilogram": 1000.0, "mass-ounce": 28.35,
    "mass-pound": 453.6, "volume-milliliter": 1.0, "volume-centiliter": 10.0,
    "volume-deciliter": 100.0, "volume-liter": 1000.0, "volume-fluid-ounce": 29.57,
    "volume-gallon": 3785.0, "digital-megabyte": 1.0, "digital-gigabyte": 1000.0,
    "digital-terabyte": 1e6, "power-watt": 1.0, "power-kilowatt": 1000.0, "frequency-hertz": 1.0,
    "frequency-kilohertz": 1e3, "frequency-megahertz": 1e6, "frequency-gigahertz": 1e9,
}  # fmt: skip
_FORMS = ("long", "short", "narrow")
# Languages have up to six forms of a plural; these numbers ask for them all.
_NUMBERS = (1, 2, 5, 11)
_LEAST_NAME = 5
_GLUED = re.compile(r"(\d+(?:\.\d+)?)(\D+)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def joined_measures(
    words: Sequence[str], languages: Sequence[str], stopwords: frozenset[str]
) -> list[str]:
    """Words with each number and the unit that follows it as one.

    "2 in one" has no inches: units that are stopwords need their number glued to them.
    """
    names = unit_names(tuple(languages))
    found: list[str] = []
    for word in words:
        glued = _GLUED.fullmatch(word)
        if glued is not None and glued[2] in names:
            found.append(glued[1] + names[glued[2]])
        elif (
            found
            and _NUMBER.fullmatch(found[-1])
            and word in names
            and (len(word) == 1 or word not in stopwords)
        ):
            found[-1] += names[word]
        else:
            found.append(word)
    return found


@dataclass(frozen=True, slots=True)
class Measure:
    """An amount of a kind ("length", "mass", ...), in the first unit of `_SIZES` of that kind."""

    kind: str
    amount: float


def read_measure(word: str) -> Measure | None:
    """What a word that `joined_measures` gives measures; None where it is no such word."""
    glued = _GLUED.fullmatch(word)
    unit = _unit_of().get(glued[2]) if glued else None
    if glued is None or unit is None:
        return None
    return Measure(unit.partition("-")[0], float(glued[1]) * _SIZES[unit])


@cache
def _unit_of() -> Mapping[str, str]:
    """The unit of each sign."""
    return {_sign(unit): unit for unit in _SIZES}


@cache
def unit_names(languages: tuple[str, ...]) -> Mapping[str, str]:
    """Each name of a unit in English and in some languages, with its English sign."""
    found: dict[str, str] = {}
    for language in dict.fromkeys(("en", *languages)):
        for unit, names in _names_in(language).items():
            sign = _sign(unit)
            for name in names:
                found.setdefault(name, sign)
    return found


@cache
def _names_in(language: str) -> Mapping[str, frozenset[str]]:
    try:
        locale = Locale.parse(language)
    except (ValueError, UnknownLocaleError):
        return {}
    return {unit: frozenset(_forms(unit, locale)) for unit in _UNITS}


def _is_word(name: str, form: str, locale: Locale) -> bool:
    """Whether a name is a short word of its language: the Spanish foot is an English pie."""
    return form == "long" and locale.language != "en" and len(name) < _LEAST_NAME and name.isascii()


def _forms(unit: str, locale: Locale) -> set[str]:
    names = set()
    for form in _FORMS:
        for number in _NUMBERS:
            shown = format_unit(number, unit, length=form, locale=locale, numbering_system="latn")  # type: ignore[arg-type]
            name = re.sub(r"[\d\s\u200e\u200f.,]+", "", fold(shown))
            if name and all(c.isalpha() for c in name) and not _is_word(name, form, locale):
                names.add(name)
    return names


@cache
def _sign(unit: str) -> str:
    shown = fold(format_unit(2, unit, length="short", locale="en")).replace(" ", "")
    sign = re.sub(r"[\d.,]+", "", shown)
    return sign if sign.isalpha() else unit.rpartition("-")[2]
