"""Why a video is linked to a product, or why not: every signal with what it adds.

The release's own linker is asked again over its pinned tables, so pairs that were too weak to be
stored are explained as well.
"""

from dataclasses import dataclass

from reelshelf.indexer.linking.overrides import OverridesByCluster
from reelshelf.indexer.quality.relinking import released_linker, released_videos
from reelshelf.indexer.store.ids import stored_skus, stored_videos
from reelshelf.indexer.store.overrides import read_overrides
from reelshelf.indexer.store.products import product_titles
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.calibration import Calibration, Signal
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.keys import product_key, video_key
from reelshelf.schemas.links import ProductLink
from reelshelf.schemas.overrides import Override


@dataclass(frozen=True, slots=True)
class Contribution:
    """One signal: its value, and what it adds to the log-odds (value times weight)."""

    signal: Signal
    value: float
    adds: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A pair with its evidence and the sum behind its score.

    `bias` is where the sum starts; `link` is None where no modality speaks for the pair. `override`
    is an override on it, which counts instead of the sum. `shown_instead` are the variants of
    its group that the video shows, where it is not one of them.
    """

    sku: str
    title: str
    bias: float
    contributions: tuple[Contribution, ...]
    link: ProductLink | None
    override: Override | None = None
    shown_instead: tuple[str, ...] = ()


def explain(snapshot: ReleaseSnapshot, video_id: str, sku: str | None = None) -> list[Explanation]:
    """Every candidate of a video, best first, or the one pair asked for.

    Raises InputError where the release has no such video or product.
    """
    release = snapshot.release
    video_id = stored_videos(snapshot, [video_id])[video_id]
    sku = stored_skus(snapshot, [sku])[sku] if sku is not None else None
    titles = product_titles(snapshot)
    if sku is not None and product_key(release.shop_id, sku) not in titles:
        raise InputError(f"{sku!r}: release {release.release_id} has no such SKU")
    key = video_key(release.shop_id, video_id)
    # A huge cluster is linked in groups; the video's own one decides.
    groups = ([video for _, video in group] for group in released_videos(snapshot, [key]))
    copies = next((group for group in groups if any(v.video_key == key for v in group)), [])
    if not copies:
        raise InputError(f"{video_id!r}: release {release.release_id} has no such video")
    place = [copy.video_key for copy in copies].index(key)
    video = copies[place]
    linker = released_linker(snapshot)
    clusters = snapshot.store.clusters(snapshot.versions["videos"])
    rules = OverridesByCluster(read_overrides(snapshot.store), clusters).of(key)
    overrides = linker.overrides(rules)
    found = [
        Explanation(
            sku=link.sku,
            title=titles[link.product_key],
            bias=release.calibration.bias,
            contributions=_contributions(dict(candidate.signals), release.calibration),
            link=link,
            override=overrides.on(link.sku),
        )
        for candidate in linker.candidates(copies)[place]
        for link in linker.weigh(video, candidate)
        if sku is None or link.sku == sku
    ]
    if sku is not None and not found:
        found = [
            Explanation(
                sku,
                titles[product_key(release.shop_id, sku)],
                release.calibration.bias,
                _contributions(dict(candidate.signals), release.calibration),
                None,
                overrides.on(sku),
                tuple(link.sku for link in linker.weigh(video, candidate)),
            )
            for candidate in linker.candidates(copies)[place]
            if sku in linker.skus(candidate)
        ]
    asserted = overrides.asserted if sku is None else (sku,)
    known = {item.sku for item in found}
    found += [
        Explanation(
            name,
            titles[product_key(release.shop_id, name)],
            release.calibration.bias,
            (),
            None,
            overrides.on(name),
        )
        for name in asserted
        if name not in known
    ]
    return sorted(found, key=lambda e: (-(e.link.score if e.link else 0.0), e.sku))


def _contributions(
    signals: dict[Signal, float], calibration: Calibration
) -> tuple[Contribution, ...]:
    added = [
        Contribution(name, value, value * calibration.weights.get(name, 0.0))
        for name, value in signals.items()
    ]
    return tuple(sorted(added, key=lambda c: (-abs(c.adds), c.signal)))
