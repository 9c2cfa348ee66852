import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.linking.calibration import (
    UNFITTED,
    default_calibration,
    fit,
    modality_probabilities,
    probability,
)
from reelshelf.schemas.calibration import Calibration, Signal
from reelshelf.schemas.links import Modality

PRIOR = Calibration(
    fitted_on="tests", pairs=0, positives=0, bias=-4.0, weights={Signal.VISUAL_SIMILARITY: 8.0}
)


def drawn(count: int, seed: int = 0) -> tuple[list[dict[Signal, float]], list[bool]]:
    """Pairs of a shop in which likeness tells and captions say nothing."""
    rng = np.random.default_rng(seed)
    likeness, caption = rng.uniform(0, 1, count), rng.uniform(0, 1, count)
    linked = rng.uniform(0, 1, count) < 1 / (1 + np.exp(4.0 - 10.0 * likeness))
    pairs = [
        {Signal.VISUAL_SIMILARITY: float(a), Signal.OCR_TITLE: float(b)}
        for a, b in zip(likeness, caption, strict=True)
    ]
    return pairs, linked.tolist()


def test_a_fit_finds_the_signal_that_tells() -> None:
    pairs, linked = drawn(2000)
    found = fit(pairs, linked, UNFITTED, fitted_on="drawn")
    assert found.weights[Signal.VISUAL_SIMILARITY] > 6.0
    assert found.weights[Signal.OCR_TITLE] < 1.5
    assert (found.pairs, found.positives) == (2000, sum(linked))


def test_what_a_fit_says_comes_true_as_often_as_it_says() -> None:
    found = fit(*drawn(2000), UNFITTED, fitted_on="drawn")
    pairs, linked = drawn(4000, seed=1)
    scores = np.array([probability(found, pair) for pair in pairs])
    truth = np.array(linked, float)
    for low in np.arange(0.0, 1.0, 0.2):
        inside = (scores >= low) & (scores < low + 0.2)
        assert abs(scores[inside].mean() - truth[inside].mean()) < 0.06


def test_few_labels_move_the_prior_little_and_many_move_it_far() -> None:
    wrong = Calibration(
        fitted_on="tests", pairs=0, positives=0, bias=0.0, weights={Signal.OCR_TITLE: 6.0}
    )
    few, many = (fit(*drawn(n), wrong, fitted_on="drawn") for n in (12, 4000))
    assert few.weights[Signal.OCR_TITLE] > 4.0
    assert many.weights[Signal.OCR_TITLE] < 1.0


def test_no_evidence_speaks_against_a_link() -> None:
    pairs, linked = drawn(500)
    found = fit(pairs, [not x for x in linked], UNFITTED, fitted_on="turned round")
    assert min(found.weights.values()) >= 0.0


@pytest.mark.parametrize("linked", [[], [True, True], [False, False]])
def test_labels_of_one_kind_teach_nothing(linked: list[bool]) -> None:
    pairs = [{Signal.VISUAL_SIMILARITY: 0.5}] * len(linked)
    with pytest.raises(ValueError, match="links and pairs that are not"):
        fit(pairs, linked, UNFITTED, fitted_on="x")


@given(st.dictionaries(st.sampled_from(list(Signal)), st.floats(0, 5)))
def test_more_of_any_signal_never_lowers_a_score(signals: dict[Signal, float]) -> None:
    shipped = default_calibration()
    score = probability(shipped, signals)
    assert 0.0 <= score <= 1.0
    for name in Signal:
        more = signals | {name: signals.get(name, 0.0) + 0.5}
        assert probability(shipped, more) >= score


def test_a_silent_sense_scores_nothing() -> None:
    alone = modality_probabilities(PRIOR, {Signal.VISUAL_SIMILARITY: 0.9})
    assert alone[Modality.VISUAL] > 0.9
    assert alone[Modality.OCR] == alone[Modality.ASR] == alone[Modality.MERCHANT] == 0.0


def test_a_declaration_alone_is_not_backed() -> None:
    shipped = default_calibration()
    declared = {Signal.MERCHANT: 1.0}
    backed = declared | {Signal.MERCHANT_BACKED: 1.0, Signal.VISUAL_SIMILARITY: 0.1}
    expected = probability(shipped, declared)
    assert modality_probabilities(shipped, backed)[Modality.MERCHANT] == pytest.approx(expected)
    assert probability(shipped, backed) > expected


def test_the_shipped_weights_make_sense() -> None:
    """One strong reason makes a link; a declaration alone, or a hint, does not."""
    shipped = default_calibration()
    assert probability(shipped, {}) < 0.05
    assert probability(shipped, {Signal.OCR_TITLE: 1.0}) > 0.5
    assert probability(shipped, {Signal.VISUAL_SIMILARITY: 0.7, Signal.VISUAL_MARGIN: 0.5}) > 0.9
    assert probability(shipped, {Signal.MERCHANT: 1.0}) < 0.5
    assert probability(shipped, {Signal.VISUAL_SIMILARITY: 0.05}) < 0.2
