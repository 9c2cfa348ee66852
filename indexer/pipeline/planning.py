"""What a run would do: the shop as it is now, the store as it is now, and what is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reelshelf.indexer.pipeline.erasing import without_erased
from reelshelf.indexer.pipeline.plan import (
    PlanCounts,
    ProductPlan,
    Stored,
    VideoPlan,
    check_shrinkage,
    count_plan,
    plan_products,
    plan_videos,
)
from reelshelf.indexer.pipeline.scope import EVERYTHING, Known, ReindexRequest, Scope, scope_of
from reelshelf.indexer.sources.catalog import CatalogRead, read_catalog
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.videos import VideosRead, read_videos
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.erased import erased_items
from reelshelf.indexer.store.failures import known_failures
from reelshelf.indexer.store.head import read_head
from reelshelf.indexer.store.migration import fingerprint_names
from reelshelf.indexer.store.products import picture_states, product_states
from reelshelf.indexer.store.runs import run_records
from reelshelf.indexer.store.sources import seen_files
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.vanished import kept_videos
from reelshelf.indexer.text.clean import as_known
from reelshelf.schemas.catalog import RejectedRow
from reelshelf.schemas.config import Config, ModelsConfig
from reelshelf.schemas.errors import InputError, StoreError
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.release import ModelRef, ModelRefs, Release
from reelshelf.schemas.stages import stage_fingerprints


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What to index into which store: paths or s3:// URLs.

    `verify` hashes every file. `allow_shrink` lets as much leave the source as does.
    """

    catalog: str
    videos: str
    store: str
    verify: bool = False
    allow_shrink: bool = False

    @property
    def source(self) -> dict[str, str]:
        """Where catalog and videos come from, as another run would find them."""
        return {"catalog": _absolute(self.catalog), "videos": _absolute(self.videos)}


def _absolute(uri: str) -> str:
    return uri if "://" in uri else str(Path(uri).absolute())


@dataclass(frozen=True, slots=True)
class Source:
    """What the shop hands over."""

    catalog: CatalogRead
    videos: VideosRead
    files: Files


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do, in numbers and one by one.

    `stored` is what it compared with `source`: what the shop hands over, less what was taken down.
    """

    counts: PlanCounts
    videos: VideoPlan
    products: ProductPlan
    scope: Scope
    stored: Stored
    source: Source


def read_source(request: IngestRequest, config: Config) -> Source:
    """Read catalog and manifest. Raises InputError where one has nothing usable."""
    files = Files(config.storage)
    catalog = read_catalog(request.catalog, files, config.catalog.format)
    videos = read_videos(request.videos, files)
    if not catalog.products:
        raise no_usable_product(request.catalog, catalog)
    if not videos.videos:
        raise InputError(_nothing_usable(request.videos, "video", videos.rejected))
    return Source(catalog, _with_known_skus(videos, catalog), files)


def _with_known_skus(videos: VideosRead, catalog: CatalogRead) -> VideosRead:
    """The videos with the SKUs that they declare spelled as the catalog spells them."""
    declared = {sku for source in videos.videos for sku in source.merchant_skus}
    known = as_known(declared, lambda: (product.sku for product in catalog.products))
    if all(given == stored for given, stored in known.items()):
        return videos
    spelled = tuple(
        replace(source, merchant_skus=tuple(known[sku] for sku in source.merchant_skus))
        for source in videos.videos
    )
    return replace(videos, videos=spelled)


def _as_known(reindex: ReindexRequest, source: Source) -> ReindexRequest:
    """A reindex with its ids spelled as the source spells them."""
    videos = as_known(reindex.videos, lambda: (item.video_id for item in source.videos.videos))
    skus = as_known(reindex.skus, lambda: (item.sku for item in source.catalog.products))
    merchants = as_known(
        reindex.merchants, lambda: (item.merchant_id or "" for item in source.videos.videos)
    )
    return replace(
        reindex,
        merchants=tuple(merchants[name] for name in reindex.merchants),
        videos=tuple(videos[name] for name in reindex.videos),
        skus=tuple(skus[sku] for sku in reindex.skus),
    )


def no_usable_product(uri: str, read: CatalogRead) -> InputError:
    """What somebody is told whose catalog has none."""
    return InputError(_nothing_usable(uri, "product", read.rejected))


def _nothing_usable(uri: str, what: str, rejected: Sequence[RejectedRow]) -> str:
    reasons = "; ".join(f"line {row.line}: {row.reason}" for row in rejected[:3])
    return f"{uri}: holds no usable {what}" + (f" ({reasons})" if reasons else "")


def plan_only(
    request: IngestRequest, config: Config, reindex: ReindexRequest | None = None
) -> Planned:
    """What a run would do, without models and without touching anything."""
    source = read_source(request, config)
    if not Store.exists(request.store, config.storage):
        return _compare(source, Stored(), None, config, EVERYTHING, verify=request.verify)
    store = Store.open(request.store, config.storage)
    served = releases.served_release(store)
    if served is None:
        return plan(source, store, None, None, config, reindex, verify=request.verify)
    named = [g for g in store.generations() if g.encoders == config.models.encoders]
    known = [(r.config.models, r.models) for r in reversed(run_records(store)) if r.models]
    if named:
        # Of a run that died: it left no record.
        known.append((config.models, named[-1].models))
    refs = _expected_refs(config, served, known)
    check_spaces(store, refs, reindex)
    base = store.of(served.generation)
    own = store.generation_of(refs)
    if own == served.generation:
        planned = plan(source, base, None, refs, config, reindex, verify=request.verify)
    else:
        begun = store.of(own) if own is not None else None
        planned = plan(source, begun, base, refs, config, reindex, verify=request.verify)
    check_whole(planned, store, config, request)
    return planned


def check_whole(planned: Planned, store: Store, config: Config, request: IngestRequest) -> None:
    """Raise GateRefused where so much has left the source that something must be wrong with it."""
    if not request.allow_shrink:
        losses = [loss for run in run_records(store) if (loss := run.loss) is not None]
        limit = config.gate.max_shrink
        check_shrinkage(planned.stored, planned.videos, planned.products, limit, losses)


def plan(
    source: Source,
    store: Store | None,
    base: Store | None,
    refs: ModelRefs | None,
    config: Config,
    reindex: ReindexRequest | None,
    *,
    verify: bool,
) -> Planned:
    """Compare the source with the store, or with one that is still to be made.

    `base` is the store as seen through the generation that is served, where another one is built:
    always whole, whatever is demanded of it. `refs` are None where the models are not known.
    """
    any_of = base or store
    if any_of is not None:
        source = _less_erased(source, any_of, config)
    names = fingerprint_names(any_of, config) if any_of is not None else {}
    reusable = _stored(base, names) if base is not None else None
    if store is not None:
        stored = _stored(store, names, reusable)
        new = {video_key(config.shop_id, item.video_id) for item in source.videos.videos}
        new -= stored.videos.keys()
        stored = replace(stored, kept=kept_videos(store, new, names))
    else:
        stored = Stored(seen=reusable.seen if reusable else {}, reusable=reusable)
    scope = EVERYTHING
    if reindex is not None:
        reindex = _as_known(reindex, source)
        seen = base or store
        known = Known(
            failed=frozenset(
                k for k, f in (reusable or stored).failures.items() if f.kind is not None
            ),
            first_seen={k: s.first_seen_at for k, s in (reusable or stored).videos.items()},
            of_sku=seen.linked_skus() if reindex.skus and seen is not None else {},
        )
        # Asked for in any case, so that a reindex that makes no sense is refused in words.
        scope = scope_of(reindex, source.videos.videos, known, config)
    whole = replace(EVERYTHING, outdated=scope.outdated)
    return _compare(source, stored, refs, config, whole if base else scope, verify=verify)


def _compare(
    source: Source,
    stored: Stored,
    refs: ModelRefs | None,
    config: Config,
    scope: Scope,
    *,
    verify: bool,
) -> Planned:
    fingerprints = stage_fingerprints(config, refs) if refs else None
    videos = plan_videos(
        source.videos.videos, stored, fingerprints, source.files, config, verify=verify, scope=scope
    )
    products = plan_products(
        source.catalog, stored, refs, source.files, config, verify=verify, scope=scope
    )
    return Planned(count_plan(videos, products), videos, products, scope, stored, source)


def _less_erased(source: Source, store: Store, config: Config) -> Source:
    erased = erased_items(store)
    read = without_erased(source.catalog, source.videos, erased, config.shop_id)
    return replace(source, catalog=read[0], videos=read[1])


def _stored(store: Store, names: Mapping[str, str], reusable: Stored | None = None) -> Stored:
    return Stored(
        videos=store.video_states(names),
        products=product_states(store),
        pictures=picture_states(store, names),
        seen=seen_files(store),
        failures=known_failures(store, names),
        reusable=reusable,
    )


def check_spaces(store: Store, refs: ModelRefs, reindex: ReindexRequest | None) -> None:
    """Refuse encoders other than those of the store, unless a whole generation is demanded.

    A nightly run never starts one by itself, and never goes back to one that is not served.
    """
    served = releases.served_release(store)
    number = served.generation if served else store.generation
    stored = next(g for g in store.generations() if g.number == number)
    wanted = (refs.image.space, refs.text.space)
    if wanted == stored.spaces:
        return
    own = store.generation_of(refs)
    if own is not None and read_head(store).hold is not None:
        # Somebody went back from it: its tables are kept up to date, and not published.
        return
    if (
        reindex is not None
        and not reindex.picks_videos
        and (reindex.model or reindex.everything or reindex.outdated)
    ):
        return
    raise StoreError(
        f"{store.uri}: holds vectors of {stored.spaces[0]!r} and {stored.spaces[1]!r}, this run "
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
        asr=expected("asr"),
        ocr=expected("ocr"),
        joint_text=expected("joint_text") if config.models.joint_text else None,
    )
