"""How near texts come to each other in the vector spaces that ship.

Thresholds on cosines of texts were found in MiniLM's space. In another space texts that say the
same, and texts that have nothing in common, lie at other cosines: these are brought to MiniLM's.
"""

from collections.abc import Mapping

# Quantiles of cosines between queries, sentences and products, over MiniLM's of the same texts, on
# two shops (docs/benchmarks.md).
_SCALES: Mapping[str, float] = {
    "all-MiniLM-L6-v2+use-multilingual-3": 0.9,
    "use-multilingual-3": 0.85,
}


def cosine_scale(space: str) -> float:
    """What cosines of texts in a space are, as a share of those in MiniLM's; 1 where unknown."""
    return _SCALES.get(space, 1.0)
