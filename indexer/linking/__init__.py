"""Matchers, their calibration, and the linker that joins matches into scored links."""

from reelshelf.indexer.linking import link
from reelshelf.indexer.linking.calibration import UNFITTED, default_calibration, fit, probability
from reelshelf.indexer.linking.link import Linker, linking_facts
from reelshelf.indexer.linking.visual import VisualMatcher
from reelshelf.indexer.linking.visual_stats import fit_visual_stats

__all__ = [
    "UNFITTED",
    "Linker",
    "VisualMatcher",
    "default_calibration",
    "fit",
    "fit_visual_stats",
    "link",
    "linking_facts",
    "probability",
]
