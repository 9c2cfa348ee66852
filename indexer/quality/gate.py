"""The gate: a candidate release is published only if it is no worse than it may be."""

from schemas.config import GateConfig
from schemas.release import GateCheck, Quality


def check_release(
    quality: Quality, previous: Quality | None, config: GateConfig
) -> list[GateCheck]:
    """Every condition with what was asked and what was found."""
    considered = quality.submitted or 1
    rate = quality.failed / considered
    checks = [
        _at_most("failure rate", rate, config.max_failure_rate),
        _at_least("videos", quality.videos, config.min_videos),
        _at_least("products", quality.products, config.min_products),
    ]
    for name, recall in quality.recall_at_10.items():
        checks.append(_at_least(f"recall@10 of {name}", recall, config.min_recall))
    for name, bad in quality.bad_vectors.items():
        checks.append(_at_most(f"bad vectors in {name}", bad, 0))
    if previous is not None:
        for name, now, before in (
            ("videos", quality.videos, previous.videos),
            ("products", quality.products, previous.products),
        ):
            kept = (1.0 - config.max_shrink) * before
            checks.append(_at_least(f"{name} kept of {before}", now, kept))
    return checks


def _at_least(name: str, found: float, wanted: float) -> GateCheck:
    return GateCheck(
        name=name, passed=found >= wanted, wanted=f">= {wanted:g}", found=f"{found:.4g}"
    )


def _at_most(name: str, found: float, wanted: float) -> GateCheck:
    return GateCheck(
        name=name, passed=found <= wanted, wanted=f"<= {wanted:g}", found=f"{found:.4g}"
    )
