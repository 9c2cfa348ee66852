"""Facts in words: numbers, times, evidence. One way to say each, on page and terminal."""

import datetime as dt
from collections.abc import Iterable

from reelshelf.indexer.text.clean import clean_text
from reelshelf.schemas.links import Evidence, Modality
from reelshelf.schemas.overrides import Override, Verdict

_LONGEST_QUOTE = 70
_LONGEST = 160


def flat(text: str) -> str:
    """A stranger's text on one line, without what would steer a terminal or a page."""
    return " ".join(clean_text(text).split())


def brief(text: str) -> str:
    """The same, cut where it is long: a page has room for a name, not for a book."""
    line = flat(text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def clock(ms: int) -> str:
    """A time in a video as m:ss.s."""
    return f"{ms // 60_000}:{ms % 60_000 / 1000:04.1f}"


def quoted(text: str | None) -> str:
    """A text in quotation marks, cut where it is long."""
    line = " ".join((text or "").split())
    return f'"{line[:_LONGEST_QUOTE]}…"' if len(line) > _LONGEST_QUOTE else f'"{line}"'


MODALITY_NAMES = {
    Modality.VISUAL: "seen",
    Modality.OCR: "read",
    Modality.ASR: "heard",
    Modality.POST_TEXT: "posted",
    Modality.MERCHANT: "declared",
}


def modalities(names: Iterable[str]) -> str:
    """Modalities in words, joined."""
    return " + ".join(MODALITY_NAMES[Modality(name)] for name in names) or "none by itself"


def describe(piece: Evidence) -> str:
    """One piece of evidence in words."""
    at = f" at {clock(piece.at_ms)}" if piece.at_ms is not None else ""
    match piece.modality:
        case Modality.VISUAL:
            return f"looks like {piece.image}{at}"
        case Modality.OCR:
            return f"on screen{at}: {quoted(piece.text)}"
        case Modality.ASR:
            return f"said{at}: {quoted(piece.text)}"
        case Modality.POST_TEXT:
            return f"in its description: {quoted(piece.text)}"
        case Modality.MERCHANT:
            return "declared by the merchant"


def told_override(item: Override) -> str:
    """An override in words."""
    verdict = "always linked" if item.verdict is Verdict.ALWAYS else "never linked"
    who = f", says {flat(item.who)}" if item.who else ", by override"
    when = f" ({item.at:%Y-%m-%d})" if item.at else ""
    why = f": {brief(item.why)}" if item.why else ""
    return f"{verdict}{who}{when}{why}"


def number(value: float) -> str:
    """A number with thousands apart, and no more places than it has to say."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def share(value: float) -> str:
    """A share as per cent."""
    return f"{value:.1%}"


def seconds(value: float) -> str:
    """A length of time in the unit that fits it."""
    if value < 120:
        return f"{value:.3g} s"
    if value < 7200:
        return f"{value / 60:.0f} min"
    return hours(value / 3600)


def hours(value: float) -> str:
    """A length of hours, in days where there are many, in minutes where there are few."""
    if value < 1:
        return f"{value * 60:.0f} min"
    return f"{value:.1f} h" if value < 72 else f"{value / 24:.0f} days"


def instant(at: dt.datetime) -> str:
    """A time of the clock, in UTC."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
