"""Bringing a catalog's prices, stock, ratings and titles up to date, and nothing else.

No video, picture or link is looked at, and only the sentence encoder is loaded, where words have
changed: a catalog of 100,000 products takes minutes. What products' words, prices and pictures
change about links, the next whole run finds out.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.pipeline.engine import ThisProcess
from reelshelf.indexer.pipeline.erasing import without_erased
from reelshelf.indexer.pipeline.gating import AtHand, check_files
from reelshelf.indexer.pipeline.indexing import (
    drop_gone_products,
    index_products,
    listed_products,
)
from reelshelf.indexer.pipeline.ingest import Finisher, IngestResult, refused_rate
from reelshelf.indexer.pipeline.plan import (
    Stored,
    VideoPlan,
    check_shrinkage,
    count_plan,
    plan_products,
)
from reelshelf.indexer.pipeline.planning import no_usable_product
from reelshelf.indexer.pipeline.progress import Progress
from reelshelf.indexer.pipeline.run import Baseline, Clock, Outcomes, Run, row_context
from reelshelf.indexer.pipeline.scope import PRODUCTS
from reelshelf.indexer.quality.rederiving import Sources
from reelshelf.indexer.sources.catalog import read_catalog
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.videos import VideosRead
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.connection import check_writable
from reelshelf.indexer.store.erased import erased_items
from reelshelf.indexer.store.products import product_states
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.runs import last_indexing
from reelshelf.indexer.store.stepping import as_released
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.writing import recorded, writing
from reelshelf.models.protocols import TextEncoder
from reelshelf.models.registry import load_text_encoder
from reelshelf.schemas.catalog import Product, ProductVectors, RejectedText
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import GateRefused, SpaceMismatch, TooManyFailures
from reelshelf.schemas.logs import log_context
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.run import Ending

_PER_BATCH = 64


class _Texts:
    """The sentence encoder, loaded when the first text is due."""

    def __init__(self, config: Config, space: str) -> None:
        self.meter = Meter()
        self._config = config
        self._space = space

    @cached_property
    def _encoder(self) -> TextEncoder:
        encoder = load_text_encoder(self._config)
        if encoder.ref.space != self._space:
            raise SpaceMismatch(
                f"models.text: {encoder.ref.space!r} makes no vectors of {self._space!r}, which "
                "the store holds"
            )
        return encoder

    def encode(
        self, products: Sequence[Product]
    ) -> Iterator[dict[str, ProductVectors | RejectedText]]:
        """Encode in batches; of one that fails, one by one."""
        for start in range(0, len(products), _PER_BATCH):
            batch = products[start : start + _PER_BATCH]
            yield work.encode_or_reject_texts(batch, self._encoder, self.meter)

    def encode_probes(self, probes: Sequence[Probe]) -> Iterator[Probed]:
        """Encode texts to check what the encoder does."""
        texts = [str(probe.text) for probe in probes]
        for probe, vector in zip(probes, self._encoder.encode_texts(texts), strict=True):
            yield Probed(probe.number, vector)


def ingest_products(
    catalog: str, uri: str, config: Config, progress: Progress, *, allow_shrink: bool = False
) -> IngestResult:
    """Bring products up to date and publish by the gate. Videos stay as they were released.

    Raises StoreError where nothing was published yet, InputError for a catalog without products.
    """
    check_writable(uri)
    check_files(config)
    stored = Store.open(uri, config.storage)
    files = Files(config.storage)
    read = read_catalog(catalog, files, config.catalog.format)
    if not read.products:
        raise no_usable_product(catalog, read)
    run_id, began, clock = str(uuid.uuid4()), now(), Clock()
    with (
        log_context(run_id=run_id),
        writing(stored, run_id, config) as (whole, lease),
        # Without a source: another run that is not told where to read must not read from here.
        recorded(whole, run_id, config, {}, began),
    ):
        served = releases.require_served(whole)
        store = whole.of(served.generation)
        releases.clear_unpublished(store)
        run = Run(
            config, store, lease, row_context(run_id, config, served.models), progress, PRODUCTS
        )
        run = replace(run, allow_shrink=allow_shrink)
        texts = _Texts(config, served.models.text.space)
        last = last_indexing(whole)
        outcomes = Outcomes(counted=last.tally, refused_rate=refused_rate(last))
        baseline = Baseline.of(store)
        ending = Finisher(
            run, baseline, outcomes, lambda: clock.spent(texts.meter.spent, in_process=True)
        )
        nothing = VideosRead((), (), ())
        read, _ = without_erased(read, nothing, erased_items(whole), config.shop_id)
        # What a run has left and not published stays unpublished.
        with as_released(store, lease, served):
            known = Stored(products=product_states(store))
            with run.stage("plan", 1) as stage:
                plan = plan_products(
                    read, known, served.models, files, config, verify=False, scope=PRODUCTS
                )
                stage.advance()
            outcomes.planned = count_plan(VideoPlan(), plan)
            outcomes.rejected += read.rejected
            if not allow_shrink:
                try:
                    check_shrinkage(known, VideoPlan(), plan, config.gate.max_shrink, ())
                except GateRefused as error:
                    return ending.refused(Ending.GATE_REFUSED, str(error), error.checks)
            try:
                index_products(run, texts.encode, baseline, outcomes, read.products, plan, known)
            except TooManyFailures as error:
                return ending.refused(Ending.TOO_MANY_FAILURES, str(error))
            drop_gone_products(run, plan)
            # An encoder that nothing was asked of need not be loaded to be asked again.
            sources = Sources(texts) if outcomes.planned.products_to_encode else None
            at_hand = AtHand(sources, {"products": listed_products(run, outcomes, plan)})
            return ending.publish(ThisProcess(), at_hand=at_hand)
