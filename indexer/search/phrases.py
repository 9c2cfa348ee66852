"""Patterns for phrases that shoppers type."""

import re
from collections.abc import Mapping


def any_of(phrases: Mapping[str, bool]) -> str:
    """A pattern for any of some phrases, longest first.

    Each says whether its language parts words by spaces: then it is found as whole words alone.
    """
    longest_first = sorted(phrases, key=len, reverse=True)
    return "(?:" + "|".join(_pattern(phrase, phrases[phrase]) for phrase in longest_first) + ")"


def _pattern(phrase: str, is_spaced: bool) -> str:
    pattern = r"\s+".join(re.escape(part) for part in phrase.split())
    if not is_spaced:
        return pattern
    before = r"(?<!\w)" if phrase[0].isalnum() else ""
    after = r"(?![^\W\d_])" if phrase[-1].isalnum() else ""
    return before + pattern + after
