"""What a release is worth: measures, health, the gate, judged queries, labels, explanations."""

from reelshelf.indexer.quality.asking import (
    answers_of,
    ask_of,
    judged_quality,
    released_encoders,
    titles_asked,
)
from reelshelf.indexer.quality.encoders import known_answers, orderings
from reelshelf.indexer.quality.explain import Explanation, explain
from reelshelf.indexer.quality.gate import FAILURE_RATE, check_release, failure_rate
from reelshelf.indexer.quality.generations import changed_links, same_moments
from reelshelf.indexer.quality.inspection import inspect_rows
from reelshelf.indexer.quality.judged import RESULTS, Answer, Ask, answer_all
from reelshelf.indexer.quality.labeled import (
    JUDGED,
    Labeled,
    UnseenQuality,
    as_stored,
    calibrate,
    judged_overrides,
    labeled_pairs,
    learned_trust,
    read_labels,
    unseen_quality,
)
from reelshelf.indexer.quality.measures import Candidate, measure
from reelshelf.indexer.quality.presence import listed_inputs, rows_still_there
from reelshelf.indexer.quality.rederiving import (
    AGAIN,
    MADE_BY_MODELS,
    Samples,
    ShopFiles,
    Sources,
    clustered_again,
    compared_again,
    encoded_again,
    frames_again,
    joined_again,
    linked_again,
    pictures_again,
)
from reelshelf.indexer.quality.reliability import SCORED, calibration_error, reliability
from reelshelf.indexer.quality.relinking import copies_of, released_linker, released_recipe

__all__ = [
    "AGAIN",
    "FAILURE_RATE",
    "JUDGED",
    "MADE_BY_MODELS",
    "RESULTS",
    "SCORED",
    "Answer",
    "Ask",
    "Candidate",
    "Explanation",
    "Labeled",
    "Samples",
    "ShopFiles",
    "Sources",
    "UnseenQuality",
    "answer_all",
    "answers_of",
    "as_stored",
    "ask_of",
    "calibrate",
    "calibration_error",
    "changed_links",
    "check_release",
    "clustered_again",
    "compared_again",
    "copies_of",
    "encoded_again",
    "explain",
    "failure_rate",
    "frames_again",
    "inspect_rows",
    "joined_again",
    "judged_overrides",
    "judged_quality",
    "known_answers",
    "labeled_pairs",
    "learned_trust",
    "linked_again",
    "listed_inputs",
    "measure",
    "orderings",
    "pictures_again",
    "read_labels",
    "released_encoders",
    "released_linker",
    "released_recipe",
    "reliability",
    "rows_still_there",
    "same_moments",
    "titles_asked",
    "unseen_quality",
]
