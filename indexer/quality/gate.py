"""The gate: a candidate release is published only if it is no worse than it may be."""

from reelshelf.schemas.config import GateConfig
from reelshelf.schemas.gate import GateCheck, at_least, at_most
from reelshelf.schemas.release import Quality

# In a shop of a handful, one video more or less is no trend.
_ENOUGH = 50
FAILURE_RATE = "failure rate"


def check_release(
    quality: Quality, previous: Quality | None, config: GateConfig, *, tried: bool = True
) -> list[GateCheck]:
    """Every condition with what was asked and what was found.

    `tried`: the release is of a run that tried videos, and not one that publishes what another did.
    """
    checks = [failure_rate(quality.share_failed, config)] if tried else []
    checks += [
        at_least("videos", quality.videos, config.min_videos),
        at_least("products", quality.products, config.min_products),
    ]
    for name, recall in quality.recall_at_10.items():
        checks.append(at_least(f"recall@10 of {name}", recall, config.min_recall))
        queries = quality.recall_queries[name]
        checks.append(at_least(f"queries that tell the recall of {name}", queries, 1))
    for name, bad in quality.bad_vectors.items():
        checks.append(at_most(f"bad vectors in {name}", bad, 0))
    checks += _health_checks(quality, config)
    if previous is not None:
        checks += _against(quality, previous, config)
    return checks


def failure_rate(found: float, config: GateConfig) -> GateCheck:
    """How many of the videos that were tried may fail."""
    return at_most(FAILURE_RATE, found, config.max_failure_rate)


def _health_checks(quality: Quality, config: GateConfig) -> list[GateCheck]:
    health = quality.health
    checks = [
        _none("wrong indexes", health.wrong_indexes),
        at_most("orphan rows", health.orphans, 0),
        at_most("videos that miss segments", health.incomplete_videos, 0),
        at_most("scores outside 0..1", health.bad_scores, 0),
        at_most("duplicate keys", sum(health.duplicate_keys.values()), 0),
    ]
    if health.damaged is not None:
        checks.append(_none("damaged files", health.damaged))
    for name, count in health.unindexed.items():
        checks.append(at_most(f"unindexed rows of {name}", count, 0))
    for name, count in health.missing.items():
        checks.append(at_most(f"rows in no partition of {name}", count, 0))
    for name, count in health.moved.items():
        checks.append(at_most(f"unchanged rows of {name} with other vectors", count, 0))
    for name, cosine in health.centers.items():
        checks.append(at_least(f"mean vector of {name}, cosine", cosine, config.min_center))
    return checks


def _against(quality: Quality, previous: Quality, config: GateConfig) -> list[GateCheck]:
    checks = []
    kept = 1.0 - config.max_shrink
    for name in (
        "videos",
        "products",
        "segments",
        "segments_with_text",
        "products_with_picture",
        "videos_linked",
    ):
        now, before = getattr(quality, name), getattr(previous, name)
        if name not in ("videos", "products") and before < _ENOUGH:
            continue
        plain = name.replace("_", " ")
        checks.append(at_least(f"{plain} kept of {before}", now, kept * before))
    if min(quality.videos, previous.videos) >= _ENOUGH:
        linked, was = (q.videos_linked / q.videos for q in (quality, previous))
        name = f"share of videos linked, {was:.3g} before"
        checks.append(at_least(name, linked, was - config.max_link_loss))
    return checks


def _none(name: str, found: list[str]) -> GateCheck:
    listed = "; ".join(found[:3]) + ("; ..." if len(found) > 3 else "")
    return GateCheck(name=name, passed=not found, wanted="none", found=listed or "none")
