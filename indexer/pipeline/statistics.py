"""The shop's statistics: a snapshot that all links are made with, and that moves rarely."""

from dataclasses import replace

import numpy as np

from reelshelf.indexer.index.candidates import FLAT_UP_TO, trained_cells
from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.linking.visual_stats import fit_visual_stats, term_shares_of
from reelshelf.indexer.pipeline.catalog_changes import ProductFacts, resemblance
from reelshelf.indexer.pipeline.run import Baseline, Run
from reelshelf.indexer.store.products import sample_products
from reelshelf.indexer.store.visual_stats import known_visual_stats, save_visual_stats
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.counts import counts_of
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import VisualStats, WhitenedSpace

# So many products show what pictures of the shop are like.
_PRODUCTS = 8192
# Statistics stay while so large a share of the products is as it was.
_SAME_CATALOG = 0.75


def statistics(run: Run, baseline: Baseline, facts: ProductFacts) -> VisualStats | None:
    """The shop's statistics, measured anew only when videos or pictures have doubled.

    Or when much of the catalog is another, or has become so large that candidates are looked for in
    cells. Statistics that moved a little with every run would change every link every night. None
    for a shop without videos or without pictures.
    """
    pictures, count = run.store.count("product_images"), run.store.count("segments")
    if not pictures or not count:
        return None
    latest = baseline.latest_in_generation
    stored = known_visual_stats(run.store, latest.visual_stats_id) if latest else None
    is_large = run.store.count("products") > FLAT_UP_TO
    if (
        stored is not None
        and stored.is_whole
        and stored.counts is not None
        and resemblance(stored.counts.sketch, facts.sketch) >= _SAME_CATALOG
        and count < 2 * stored.segments
        and pictures < 2 * stored.pictures
        and (stored.text_cells is not None or not is_large)
    ):
        return stored
    sample = run.store.segment_sample(run.config.linking.visual_stats_segments)
    some = sample_products(run.store, _PRODUCTS)
    catalog = CatalogIndex.of(some, run.config.text.analyzer)
    stats = fit_visual_stats(
        sample.frames,
        sample.shots,
        catalog,
        segments=count,
        pictures=pictures,
        term_shares=term_shares_of(sample.texts, catalog.analyzer),
        counts=counts_of(catalog, run.store.count("products"), facts.sketch),
    )
    if is_large:
        stats = _with_cells(run, stats)
    save_visual_stats(run.store, stats)
    return stats


def _with_cells(run: Run, stats: VisualStats) -> VisualStats:
    """The same with cells in which the candidates of a large catalog are looked for."""
    products, pictures = run.store.dataset("products"), run.store.dataset("product_images")
    space, seed = WhitenedSpace(stats), run.config.index.seed

    def seen(most: int) -> Vectors:
        return space.of_pictures(sample_vectors(pictures, "image_vector", most, seed))

    def described(most: int) -> Vectors:
        columns = ("text_vector", "facts_vector")
        parts = [sample_vectors(products, name, -(-most // 2), seed) for name in columns]
        return np.concatenate(parts)

    return replace(
        stats,
        picture_cells=trained_cells(pictures.count_rows(), seen),
        text_cells=trained_cells(2 * products.count_rows(), described),
    )
