"""Matchers, their calibration, and the linker that joins matches into scored links."""

from reelshelf.indexer.linking import link
from reelshelf.indexer.linking.calibration import UNFITTED, default_calibration, fit, probability
from reelshelf.indexer.linking.candidates import AllGroups, CandidateSource, Comparable
from reelshelf.indexer.linking.link import Linker, linking_facts
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.overrides import OverridesByCluster, override_facts
from reelshelf.indexer.linking.sounds import Sounds
from reelshelf.indexer.linking.trace import as_bytes, from_bytes
from reelshelf.indexer.linking.visual_stats import (
    PlaceFor,
    fit_visual_stats,
    in_memory,
    term_shares_of,
)

__all__ = [
    "UNFITTED",
    "AllGroups",
    "CandidateSource",
    "Comparable",
    "Linker",
    "Match",
    "OverridesByCluster",
    "PlaceFor",
    "Sounds",
    "as_bytes",
    "default_calibration",
    "fit",
    "fit_visual_stats",
    "from_bytes",
    "in_memory",
    "link",
    "linking_facts",
    "override_facts",
    "probability",
    "term_shares_of",
]
