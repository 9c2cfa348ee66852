"""What a release is worth: measures, health, the gate, judged queries, labels, explanations."""

from reelshelf.indexer.quality.explain import Explanation, explain
from reelshelf.indexer.quality.gate import FAILURE_RATE, check_release, failure_rate
from reelshelf.indexer.quality.judged import RESULTS, Answer, Ask, answer_all
from reelshelf.indexer.quality.labeled import (
    Labeled,
    UnseenQuality,
    as_stored,
    calibrate,
    labeled_pairs,
    read_labels,
    unseen_quality,
)
from reelshelf.indexer.quality.measures import measure
from reelshelf.indexer.quality.reliability import SCORED, calibration_error, reliability
from reelshelf.indexer.quality.relinking import copies_of

__all__ = [
    "FAILURE_RATE",
    "RESULTS",
    "SCORED",
    "Answer",
    "Ask",
    "Explanation",
    "Labeled",
    "UnseenQuality",
    "answer_all",
    "as_stored",
    "calibrate",
    "calibration_error",
    "check_release",
    "copies_of",
    "explain",
    "failure_rate",
    "labeled_pairs",
    "measure",
    "read_labels",
    "reliability",
    "unseen_quality",
]
