"""Which inputs a run looks at, and what it does again although nothing has changed.

A nightly run looks at everything and repeats nothing. A reindex names inputs, stages, or both.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.keys import product_key, video_key
from reelshelf.schemas.run import VIDEO_STAGES, Stage
from reelshelf.schemas.stages import with_dependants

# "frames" is what the stage was called before it had the name of its modality.
_STAGES = {
    "visual": Stage.VISUAL,
    "frames": Stage.VISUAL,
    "ocr": Stage.OCR,
    "asr": Stage.ASR,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run is about. Keys are derived ones; None stands for all.

    `stages` of videos in scope are done again, and with `only` nothing else: videos without rows,
    and all where no stage is named, are then left to the next nightly run. `texts`, `looks` and
    `reads` do products' words and pictures again. `links` links videos in scope anew, `index`
    trains indexes anew. `again` tries quarantined inputs again. `outdated` does again what an older
    version of the code has made. `removes` lets what left the source leave the store.
    `products_only` leaves videos, pictures, links and duplicates as they are.
    """

    videos: frozenset[str] | None = None
    products: frozenset[str] | None = None
    stages: frozenset[str] = frozenset()
    only: bool = False
    texts: bool = False
    looks: bool = False
    reads: bool = False
    links: bool = False
    index: bool = False
    again: bool = False
    outdated: bool = False
    removes: bool = True
    products_only: bool = False

    def has_video(self, key: str) -> bool:
        """Whether a video is looked at."""
        return self.videos is None or key in self.videos

    def has_product(self, key: str) -> bool:
        """Whether a product is looked at."""
        return self.products is None or key in self.products


EVERYTHING = Scope()
PRODUCTS = Scope(videos=frozenset(), products_only=True)


@dataclass(frozen=True, slots=True)
class ReindexRequest:
    """What somebody asks to have indexed again, in their own words.

    `outdated` asks for what is older than today's code and defaults.

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
    outdated: bool = False

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


def scope_of(
    reindex: ReindexRequest, sources: Sequence[VideoSource], known: Known, config: Config
) -> Scope:
    """What a reindex comes to. Raises ConfigError where it says nothing, or what cannot be done."""
    if reindex.outdated:
        if reindex.everything or reindex.picks_videos or reindex.stages or reindex.model:
            raise ConfigError("reindex: --outdated goes with no other scope")
        return Scope(outdated=True)
    roles = _roles(reindex, config)
    named = {_STAGES[name] for name in reindex.stages if name in _STAGES}
    named |= {stage for role, stage in _ROLE_STAGES.items() if role in roles}
    if reindex.everything and (reindex.picks_videos or reindex.stages or reindex.model):
        raise ConfigError("reindex: --all is everything; it goes with no other scope")
    if not (reindex.everything or reindex.picks_videos or reindex.stages or reindex.model):
        raise ConfigError(
            "reindex: say what: --video, --sku, --merchant, --since, --failed, --stage, --model, "
            "--outdated or --all"
        )
    if reindex.picks_videos and "index" in reindex.stages:
        raise ConfigError("reindex: --stage index is about whole tables; it goes with no videos")
    limited = bool(reindex.stages or reindex.model)
    products: frozenset[str] | None = frozenset()
    if reindex.everything or (reindex.model and not reindex.picks_videos):
        products = None
    elif reindex.skus:
        products = frozenset(product_key(config.shop_id, sku) for sku in reindex.skus)
    # A product's own work, and links of the videos that may sell it: those are not looked at again.
    of_products = bool(reindex.skus) and not any(
        (reindex.videos, reindex.merchants, reindex.since, reindex.failed)
    )
    only = limited or of_products
    of_index = reindex.stages == ("index",) and not reindex.model
    return Scope(
        videos=frozenset() if of_index else _videos(reindex, sources, known, config),
        products=products,
        stages=with_dependants(frozenset(named)) if only else VIDEO_STAGES,
        only=only,
        texts=not limited or "text" in roles,
        looks=not limited or "image" in roles,
        reads=not limited or "ocr" in roles,
        links=reindex.everything or "links" in reindex.stages or bool(reindex.skus),
        index=reindex.everything or "index" in reindex.stages,
        again=not limited,
        removes=reindex.everything,
    )


_ROLE_STAGES = {
    "image": Stage.VISUAL,
    "text": Stage.TEXT,
    "asr": Stage.ASR,
    "ocr": Stage.OCR,
}


def _roles(reindex: ReindexRequest, config: Config) -> set[str]:
    """Which modalities a model of the config serves."""
    if reindex.model is None:
        return set()
    names = {role: getattr(config.models, role).name for role in _ROLE_STAGES}
    roles = {role for role, name in names.items() if name == reindex.model}
    if not roles:
        raise ConfigError(
            f"reindex: --model {reindex.model}: the config's models are "
            f"{', '.join(sorted(set(names.values())))}; name another one in [models] first"
        )
    return roles


def _videos(
    reindex: ReindexRequest, sources: Sequence[VideoSource], known: Known, config: Config
) -> frozenset[str] | None:
    if not reindex.picks_videos:
        return None
    there = {source.video_id for source in sources}
    if unknown := [video for video in reindex.videos if video not in there]:
        raise ConfigError(f"reindex: --video {unknown[0]!r}: the source has no such video")
    picked = set()
    for source in sources:
        key = video_key(config.shop_id, source.video_id)
        seen = source.published_at or known.first_seen.get(key)
        skus = {*source.merchant_skus, *known.of_sku.get(key, ())}
        conditions = (
            not reindex.videos or source.video_id in reindex.videos,
            not reindex.merchants or source.merchant_id in reindex.merchants,
            not reindex.skus or bool(skus & set(reindex.skus)),
            reindex.since is None or (seen is not None and seen >= reindex.since),
            not reindex.failed or key in known.failed,
        )
        if all(conditions):
            picked.add(key)
    return frozenset(picked)
