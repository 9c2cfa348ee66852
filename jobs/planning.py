"""What a run would do: the shop as it is now, the store as it is now, and what is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexer.catalog import CatalogueRead, VideosRead, read_catalogue, read_videos
from indexer.plan import (
    Held,
    PlanCounts,
    ProductPlan,
    VideoPlan,
    check_shrinkage,
    count_plan,
    plan_products,
    plan_videos,
)
from indexer.scope import EVERYTHING, Demand, Known, Scope, scope_of
from indexer.segments import stage_fingerprints
from indexer.sources.files import Files
from indexer.store import releases
from indexer.store.failures import known_failures
from indexer.store.products import picture_states, product_states
from indexer.store.runs import run_records
from indexer.store.sources import seen_files
from indexer.store.tables import Store
from indexer.text import as_known
from schemas.catalog import RejectedRow
from schemas.config import Config, ModelsConfig
from schemas.errors import InputError, StoreError
from schemas.release import ModelRef, ModelRefs, Release


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What to index into which store: paths or s3:// URLs. `verify` hashes every file."""

    catalogue: str
    videos: str
    store: str
    verify: bool = False

    @property
    def source(self) -> dict[str, str]:
        """Where catalogue and videos come from, as another run would find them."""
        return {"catalogue": _absolute(self.catalogue), "videos": _absolute(self.videos)}


def _absolute(uri: str) -> str:
    return uri if "://" in uri else str(Path(uri).absolute())


@dataclass(frozen=True, slots=True)
class Source:
    """What the shop hands over."""

    catalogue: CatalogueRead
    videos: VideosRead
    files: Files


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do, in numbers and one by one. `held` is what it compared with."""

    counts: PlanCounts
    videos: VideoPlan
    products: ProductPlan
    scope: Scope
    held: Held


def read_source(request: IngestRequest, config: Config) -> Source:
    """Read catalogue and manifest. Raises InputError where one has nothing usable."""
    files = Files(config.storage)
    catalogue = read_catalogue(request.catalogue, files)
    videos = read_videos(request.videos, files)
    if not catalogue.products:
        raise InputError(_nothing_usable(request.catalogue, "product", catalogue.rejected))
    if not videos.videos:
        raise InputError(_nothing_usable(request.videos, "video", videos.rejected))
    return Source(catalogue, _with_known_skus(videos, catalogue), files)


def _with_known_skus(videos: VideosRead, catalogue: CatalogueRead) -> VideosRead:
    """The videos with the SKUs that they declare spelt as the catalogue spells them."""
    declared = {sku for source in videos.videos for sku in source.merchant_skus}
    known = as_known(declared, lambda: (product.sku for product in catalogue.products))
    if all(given == stored for given, stored in known.items()):
        return videos
    spelt = tuple(
        replace(source, merchant_skus=tuple(known[sku] for sku in source.merchant_skus))
        for source in videos.videos
    )
    return replace(videos, videos=spelt)


def _as_known(demand: Demand, source: Source) -> Demand:
    """A demand with its ids spelt as the source spells them."""
    videos = as_known(demand.videos, lambda: (item.video_id for item in source.videos.videos))
    skus = as_known(demand.skus, lambda: (item.sku for item in source.catalogue.products))
    merchants = as_known(
        demand.merchants, lambda: (item.merchant_id or "" for item in source.videos.videos)
    )
    return replace(
        demand,
        merchants=tuple(merchants[name] for name in demand.merchants),
        videos=tuple(videos[name] for name in demand.videos),
        skus=tuple(skus[sku] for sku in demand.skus),
    )


def _nothing_usable(uri: str, what: str, rejected: Sequence[RejectedRow]) -> str:
    reasons = "; ".join(f"line {row.line}: {row.reason}" for row in rejected[:3])
    return f"{uri}: holds no usable {what}" + (f" ({reasons})" if reasons else "")


def plan_only(request: IngestRequest, config: Config, demand: Demand | None = None) -> Planned:
    """What a run would do, without models and without touching anything."""
    source = read_source(request, config)
    if not Store.exists(request.store, config.storage):
        return _compare(source, Held(), None, config, EVERYTHING, verify=request.verify)
    store = Store.open(request.store, config.storage)
    served = releases.served_release(store)
    if served is None:
        return plan(source, store, None, None, config, demand, verify=request.verify)
    named = [g for g in store.generations() if g.encoders == config.models.encoders]
    known = [(r.config.models, r.models) for r in reversed(run_records(store))]
    if named:
        # Of a run that died: it left no record.
        known.append((config.models, named[-1].models))
    refs = _expected_refs(config, served, known)
    check_spaces(store, refs, demand)
    base = store.of(served.generation)
    own = store.generation_of(refs)
    if own == served.generation:
        planned = plan(source, base, None, refs, config, demand, verify=request.verify)
    else:
        begun = store.of(own) if own is not None else None
        planned = plan(source, begun, base, refs, config, demand, verify=request.verify)
    check_shrinkage(planned.held, planned.videos, planned.products, config.gate.max_shrink)
    return planned


def plan(
    source: Source,
    store: Store | None,
    base: Store | None,
    refs: ModelRefs | None,
    config: Config,
    demand: Demand | None,
    *,
    verify: bool,
) -> Planned:
    """Compare the source with the store, or with one that is still to be made.

    `base` is the store as seen through the generation that is served, where another one is built:
    always whole, whatever is demanded of it. `refs` are None where the models are not known.
    """
    donor = _held(base) if base is not None else None
    if store is not None:
        held = _held(store, donor)
    else:
        held = Held(seen=donor.seen if donor else {}, donor=donor)
    scope = EVERYTHING
    if demand is not None:
        demand = _as_known(demand, source)
        seen = base or store
        known = Known(
            failed=frozenset(k for k, f in (donor or held).failures.items() if f.kind is not None),
            first_seen={k: s.first_seen_at for k, s in (donor or held).videos.items()},
            of_sku=seen.linked_skus() if demand.skus and seen is not None else {},
        )
        # Asked for in any case, so that a demand that makes no sense is refused in words.
        scope = scope_of(demand, source.videos.videos, known, config)
    return _compare(source, held, refs, config, EVERYTHING if base else scope, verify=verify)


def _compare(
    source: Source,
    held: Held,
    refs: ModelRefs | None,
    config: Config,
    scope: Scope,
    *,
    verify: bool,
) -> Planned:
    prints = stage_fingerprints(config, refs) if refs else None
    videos = plan_videos(
        source.videos.videos, held, prints, source.files, config, verify=verify, scope=scope
    )
    products = plan_products(
        source.catalogue, held, refs, source.files, config, verify=verify, scope=scope
    )
    return Planned(count_plan(videos, products), videos, products, scope, held)


def _held(store: Store, donor: Held | None = None) -> Held:
    return Held(
        videos=store.video_states(),
        products=product_states(store),
        pictures=picture_states(store),
        seen=seen_files(store),
        failures=known_failures(store),
        donor=donor,
    )


def check_spaces(store: Store, refs: ModelRefs, demand: Demand | None) -> None:
    """Refuse encoders other than those of the store, unless a whole generation is demanded.

    A night never starts one by itself, and never goes back to one that is not served.
    """
    served = releases.served_release(store)
    number = served.generation if served else store.generation
    held = next(g for g in store.generations() if g.number == number)
    wanted = (refs.image.space, refs.text.space)
    if wanted == held.spaces:
        return
    if demand is not None and not demand.picks_videos and (demand.model or demand.everything):
        return
    raise StoreError(
        f"{store.uri}: holds vectors of {held.spaces[0]!r} and {held.spaces[1]!r}, this run "
        f"makes {wanted[0]!r} and {wanted[1]!r}: `reelshelf reindex --model NAME` (or --all) "
        "builds those beside them and publishes when the gate agrees; or use another --store"
    )


def _expected_refs(
    config: Config, served: Release, known: Sequence[tuple[ModelsConfig, ModelRefs]]
) -> ModelRefs:
    """The models of a run as far as they can be told without loading them.

    Those that the config still names are the served release's, others those of a run that had them.
    Of a model that no run had only its name is known, which is enough to see that it is another.
    """
    made_with = releases.config_of(served).models

    def expected(role: str) -> ModelRef:
        wanted = getattr(config.models, role)
        for chosen, loaded in ((made_with, served.models), *known):
            if wanted == getattr(chosen, role) and getattr(loaded, role) is not None:
                return ModelRef.model_validate(getattr(loaded, role))
        name = " ".join(filter(None, (wanted.name, wanted.weights, wanted.revision)))
        return ModelRef(name=name, revision="not loaded", sha256="", space=name)

    return ModelRefs(
        image=expected("image"),
        text=expected("text"),
        speech=expected("speech"),
        reader=expected("reader"),
        joint_text=expected("joint_text") if config.models.joint_text else None,
    )
