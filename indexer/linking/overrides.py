"""Overrides of links by people, applied to what evidence says.

An override of a video holds for its copies too. Of two on one pair the one on the SKU counts
before that on its group, and both before that on everything else.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.keys import Json, product_key
from reelshelf.schemas.links import LinkableVideo, ProductLink, VariantState
from reelshelf.schemas.overrides import Override, Verdict

_CERTAIN = 1.0


class OverridesByCluster:
    """The overrides on videos, by the cluster of copies that each is in."""

    def __init__(self, overrides: Iterable[Override], clusters: Mapping[str, str]) -> None:
        self._clusters = clusters
        self._found: dict[str, list[Override]] = defaultdict(list)
        for item in overrides:
            if item.video_key in clusters:
                self._found[clusters[item.video_key]].append(item)

    def of(self, video_key: str) -> tuple[Override, ...]:
        """Those that hold for a video, with those on its copies."""
        return tuple(self._found.get(self._clusters.get(video_key, ""), ()))


class VideoOverrides:
    """What people say of one video, product by product."""

    def __init__(
        self, rules: Sequence[Override], catalog: CatalogIndex, merchant_id: str | None = None
    ) -> None:
        self._catalog = catalog
        self.by_place = _by_product(rules, catalog, merchant_id)
        self._rest = next((r for r in rules if r.sku is None and r.group_id is None), None)

    def on(self, sku: str) -> Override | None:
        """The override that counts for a product; None where nobody said anything."""
        return self.by_place.get(self._catalog.index_of[sku], self._rest)

    @property
    def asserted(self) -> tuple[str, ...]:
        """The SKUs that the video sells by override."""
        return tuple(
            self._catalog.sku(place)
            for place, rule in sorted(self.by_place.items())
            if rule.verdict is Verdict.ALWAYS
        )


def overridden(
    links: Sequence[ProductLink],
    rules: Sequence[Override],
    video: LinkableVideo,
    catalog: CatalogIndex,
    shop_id: str,
) -> list[ProductLink]:
    """Links as people have it: without those that they deny, with those that they assert."""
    overrides = VideoOverrides(rules, catalog, video.merchant_id)
    kept: dict[int, ProductLink] = {}
    for link in links:
        rule = overrides.on(link.sku)
        if rule is None:
            kept[catalog.index_of[link.sku]] = link
        elif rule.verdict is Verdict.ALWAYS:
            kept[catalog.index_of[link.sku]] = replace(link, score=_CERTAIN, override=rule)
    groups = catalog.groups.of
    told = {groups[p] for p, link in kept.items() if link.variant is VariantState.KNOWN}
    for place, rule in overrides.by_place.items():
        # Who says that a group is there does not say that all of its variants are.
        is_told = rule.sku is None and groups[place] in told
        if rule.verdict is Verdict.ALWAYS and place not in kept and not is_told:
            kept[place] = _asserted(rule, place, video, catalog, shop_id)
    return list(_settled(kept, overrides.by_place, catalog).values())


def _by_product(
    rules: Sequence[Override], catalog: CatalogIndex, merchant_id: str | None
) -> dict[int, Override]:
    """The override on each product; of two by different people the later one."""
    ranked = sorted(rules, key=lambda rule: (rule.sku is not None, str(rule.at or "")))
    found: dict[int, Override] = {}
    for rule in ranked:
        if rule.sku is not None:
            places = [catalog.index_of[rule.sku]] if rule.sku in catalog.index_of else []
        elif rule.group_id is not None:
            places = _of_group(rule.group_id, catalog, merchant_id)
        else:
            places = []
        found |= dict.fromkeys(places, rule)
    return found


def _of_group(group_id: str, catalog: CatalogIndex, merchant_id: str | None) -> list[int]:
    """The products that an id of a group means, however many of them are left.

    Of several merchants' groups that of the video's own; an id that the catalog does not give is a
    SKU of a group that was inferred.
    """
    given = catalog.groups.places_given(group_id)
    own = [p for p in given if catalog.product(p).merchant_id == merchant_id]
    if given:
        return own or given
    place = catalog.index_of.get(group_id)
    if place is None:
        return []
    members: list[int] = catalog.groups.members[int(catalog.groups.of[place])].tolist()
    return members


def _asserted(
    rule: Override,
    place: int,
    video: LinkableVideo,
    catalog: CatalogIndex,
    shop_id: str,
) -> ProductLink:
    """A link that nothing but an override speaks for."""
    group, sku = catalog.group_id(int(catalog.groups.of[place])), catalog.sku(place)
    state = VariantState.KNOWN if rule.sku is not None else VariantState.UNKNOWN
    return ProductLink(
        video_key=video.video_key,
        product_key=product_key(shop_id, sku),
        sku=sku,
        score=_CERTAIN,
        scores=(),
        spans=(),
        evidence=(),
        group_id=group,
        variant=state if group is not None else None,
        override=rule,
    )


def _settled(
    kept: Mapping[int, ProductLink], overrides: Mapping[int, Override], catalog: CatalogIndex
) -> dict[int, ProductLink]:
    """Where somebody says which variant it is, the others that it might have been are out."""
    told = {
        int(catalog.groups.of[place])
        for place, rule in overrides.items()
        if rule.verdict is Verdict.ALWAYS and rule.sku is not None
    }
    settled = {}
    for place, link in kept.items():
        if int(catalog.groups.of[place]) not in told or link.variant is None:
            settled[place] = link
        elif link.override is not None and link.override.sku is not None:
            settled[place] = replace(link, variant=VariantState.KNOWN)
        elif link.variant is VariantState.KNOWN:
            settled[place] = link
    return settled


def override_facts(rules: Sequence[Override]) -> Json:
    """All that links are made from of some overrides, in one order."""
    facts: list[Json] = [
        [rule.video_key, rule.verdict.value, rule.sku, rule.group_id, rule.who, rule.why,
         rule.at.isoformat() if rule.at else None]
        for rule in sorted(rules, key=lambda r: (r.video_key, r.sku or "", r.group_id or ""))
    ]  # fmt: skip
    return facts
