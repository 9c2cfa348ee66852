"""Which inputs a run looks at, and what it does again although nothing has changed.

A night looks at everything and does nothing again. A reindex on demand names some of both.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.catalog import VideoSource
from schemas.config import Config
from schemas.errors import ConfigError
from schemas.keys import product_key, video_key
from schemas.run import VIDEO_STAGES, Stage, with_dependants

_STAGES = {"frames": Stage.FRAMES, "ocr": Stage.OCR, "asr": Stage.ASR}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run is about. Keys are derived ones; None stands for all.

    `stages` of videos in scope are done again, and with `only` nothing else: videos without rows,
    and all where no stage is named, are then left to the night. `texts`, `looks` and `reads` do
    products' words and pictures again. `links` links videos in scope anew, `index` trains indexes
    anew. `again` tries inputs again that rest since they failed. `removes` lets what left the
    source leave the store.
    """

    videos: frozenset[str] | None = None
    products: frozenset[str] | None = None
    stages: frozenset[Stage] = frozenset()
    only: bool = False
    texts: bool = False
    looks: bool = False
    reads: bool = False
    links: bool = False
    index: bool = False
    again: bool = False
    removes: bool = True

    def has_video(self, key: str) -> bool:
        """Whether a video is looked at."""
        return self.videos is None or key in self.videos

    def has_product(self, key: str) -> bool:
        """Whether a product is looked at."""
        return self.products is None or key in self.products


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Demand:
    """What somebody asks to have indexed again, in their own words.

    Videos must match all kinds of conditions that are given, and any one of each kind.
    """

    videos: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    merchants: tuple[str, ...] = ()
    since: dt.datetime | None = None
    failed: bool = False
    stages: tuple[str, ...] = ()
    model: str | None = None
    everything: bool = False

    @property
    def picks_videos(self) -> bool:
        """Whether it names some of the videos."""
        return bool(self.videos or self.skus or self.merchants or self.since or self.failed)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the shop's videos, by their keys, to pick some of them."""

    failed: frozenset[str]
    first_seen: dict[str, dt.datetime]
    of_sku: dict[str, frozenset[str]]


def scope_of(demand: Demand, sources: Sequence[VideoSource], known: Known, config: Config) -> Scope:
    """What a demand comes to. Raises ConfigError where it says nothing, or what cannot be done."""
    roles = _roles(demand, config)
    named = {_STAGES[name] for name in demand.stages if name in _STAGES}
    named |= {stage for role, stage in _ROLE_STAGES.items() if role in roles}
    if demand.everything and (demand.picks_videos or demand.stages or demand.model):
        raise ConfigError("reindex: --all is everything; it goes with no other scope")
    if not (demand.everything or demand.picks_videos or demand.stages or demand.model):
        raise ConfigError(
            "reindex: say what: --video, --sku, --merchant, --since, --failed, --stage, --model "
            "or --all"
        )
    if demand.picks_videos and "index" in demand.stages:
        raise ConfigError("reindex: --stage index is about whole tables; it goes with no videos")
    limited = bool(demand.stages or demand.model)
    products: frozenset[str] | None = frozenset()
    if demand.everything or (demand.model and not demand.picks_videos):
        products = None
    elif demand.skus:
        products = frozenset(product_key(config.shop_id, sku) for sku in demand.skus)
    # A product's own work, and links of the videos that may sell it: those are not looked at again.
    of_products = bool(demand.skus) and not any(
        (demand.videos, demand.merchants, demand.since, demand.failed)
    )
    only = limited or of_products
    of_index = demand.stages == ("index",) and not demand.model
    return Scope(
        videos=frozenset() if of_index else _videos(demand, sources, known, config),
        products=products,
        stages=with_dependants(frozenset(named)) if only else VIDEO_STAGES,
        only=only,
        texts=not limited or "text" in roles,
        looks=not limited or "image" in roles,
        reads=not limited or "reader" in roles,
        links=demand.everything or "links" in demand.stages or bool(demand.skus),
        index=demand.everything or "index" in demand.stages,
        again=not limited,
        removes=demand.everything,
    )


_ROLE_STAGES = {
    "image": Stage.FRAMES,
    "text": Stage.TEXT,
    "speech": Stage.ASR,
    "reader": Stage.OCR,
}


def _roles(demand: Demand, config: Config) -> set[str]:
    """Which senses a model of the config serves."""
    if demand.model is None:
        return set()
    names = {role: getattr(config.models, role).name for role in _ROLE_STAGES}
    roles = {role for role, name in names.items() if name == demand.model}
    if not roles:
        raise ConfigError(
            f"reindex: --model {demand.model}: the config's models are "
            f"{', '.join(sorted(set(names.values())))}; name another one in [models] first"
        )
    return roles


def _videos(
    demand: Demand, sources: Sequence[VideoSource], known: Known, config: Config
) -> frozenset[str] | None:
    if not demand.picks_videos:
        return None
    there = {source.video_id for source in sources}
    if unknown := [video for video in demand.videos if video not in there]:
        raise ConfigError(f"reindex: --video {unknown[0]!r}: the source has no such video")
    picked = set()
    for source in sources:
        key = video_key(config.shop_id, source.video_id)
        seen = source.published_at or known.first_seen.get(key)
        skus = {*source.merchant_skus, *known.of_sku.get(key, ())}
        conditions = (
            not demand.videos or source.video_id in demand.videos,
            not demand.merchants or source.merchant_id in demand.merchants,
            not demand.skus or bool(skus & set(demand.skus)),
            demand.since is None or (seen is not None and seen >= demand.since),
            not demand.failed or key in known.failed,
        )
        if all(conditions):
            picked.add(key)
    return frozenset(picked)
