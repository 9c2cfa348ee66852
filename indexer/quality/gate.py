"""The gate: a candidate release is published only if it is no worse than it may be."""

from reelshelf.schemas.config import GateConfig
from reelshelf.schemas.gate import GateCheck, at_least, at_most
from reelshelf.schemas.release import Quality

# In a shop of a handful, one video more or less is no trend.
_ENOUGH = 50
_ENOUGH_LINKS = 10
FAILURE_RATE = "failure rate"
# By how much things that belong together may be nearer less often than before.
_MAX_DISORDER = 0.05
# The share of answers to titles that is kept at least.
_LEAST_KEPT = 0.5
_MEANINGLESS = "what is alike is no longer found beside each other"
_UNSOLD = "videos no longer show what they sell; gate.min_links_kept, where that is meant"
_OVERSOLD = "videos show what they do not sell; gate.max_links_growth, where that is meant"
_WORSE = "queries are answered worse than now"
_MISSED = "searchers miss what is nearest to what they ask for"


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
    checks += _recall_checks(quality, config)
    for name, bad in quality.bad_vectors.items():
        checks.append(at_most(f"bad vectors in {name}", bad, 0, "searches miss these rows"))
    checks += _health_checks(quality, config)
    checks += [found.as_check() for found in quality.findings if not found.passed]
    checks += _comparisons(quality, config)
    if previous is not None:
        checks += _against(quality, previous, config)
    return checks


def _comparisons(quality: Quality, config: GateConfig) -> list[GateCheck]:
    """How the release answers and orders, beside the served one."""
    checks = []
    for name, now in quality.orderings.items():
        before = quality.orderings_before.get(name)
        if before is not None:
            # Other pairs are drawn each time: what that may do is allowed beside.
            chance = 2 * (now.error**2 + before.error**2) ** 0.5
            least = before.share - _MAX_DISORDER - chance
            title = f"{name}: nearer than strangers"
            checks.append(at_least(title, now.share, least, _MEANINGLESS))
    links = quality.link_change
    if links is not None and links.before >= _ENOUGH_LINKS:
        title = f"links kept of {links.before} of what has not changed"
        least = config.min_links_kept * links.before
        checks.append(at_least(title, links.kept, least, _UNSOLD))
        title = f"links of what has not changed, {links.before} before"
        most = config.max_links_growth * links.before
        checks.append(at_most(title, links.now, most, _OVERSOLD))
    titles, judged = quality.titles, quality.judged
    if titles is not None and titles.before is not None:
        least = _LEAST_KEPT * titles.before
        checks.append(at_least("nDCG@10 of titles of products", titles.ndcg, least, _WORSE))
    if judged is not None and judged.before is not None:
        # Refused where the loss is large, and no chance: so few queries may differ that much.
        lost = -judged.change if judged.high < 0 else 0.0
        checks.append(
            at_most(
                f"loss of nDCG@10 on {judged.queries} judged queries, {judged.before:.3f} before, "
                f"95 % of {-judged.high:.3f} to {-judged.low:.3f}",
                lost,
                config.max_judged_loss,
                _WORSE,
            )
        )
    return checks


def _recall_checks(quality: Quality, config: GateConfig) -> list[GateCheck]:
    """Recall of every kind of query, and of the worst tenth of what is alike."""
    checks = []
    for name, found in quality.recalls.items():
        queries = quality.recall_queries[name]
        checks.append(at_least(f"queries that tell the recall of {name}", queries, 1))
        for own in found:
            title = f"recall@10 of {name}, {own.kind}"
            checks.append(at_least(title, own.recall, config.min_recall, _MISSED))
            if own.worst is not None:
                # Of few queries: what they surely miss counts.
                likely = own.worst + 2 * own.worst_error
                checks.append(at_least(f"{title}, worst tenth", likely, config.min_recall, _MISSED))
    return checks


def failure_rate(found: float, config: GateConfig) -> GateCheck:
    """How many of the videos that were tried may fail."""
    return at_most(FAILURE_RATE, found, config.max_failure_rate)


def _health_checks(quality: Quality, config: GateConfig) -> list[GateCheck]:
    health = quality.health
    checks = [
        _none("wrong indexes", health.wrong_indexes),
    ]
    if health.damaged is not None:
        checks.append(_none("damaged files", health.damaged))
    for name, count in health.unindexed.items():
        checks.append(at_most(f"unindexed rows of {name}", count, 0))
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
