"""Builds that must be refused, by name: each harms a copy of a published store."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from benchmarks.builds import (
    CONFIG,
    PRODUCTS,
    VIDEOS,
    Case,
    Copy,
    Verdict,
    build_from_buffers,
    build_with,
    case,
    flip,
)
from reelshelf.indexer.store.tables import among
from reelshelf.schemas.keys import video_key
from tests.support.fakes import IMAGE_DIM, unit

BAD: dict[str, Case] = {}


@case(BAD, "index by another metric")
def _metric(copy: Copy) -> Verdict:
    build_with(copy, copy.quantizer, metric="L2")
    return copy.judged()


@case(BAD, "a partition dropped")
def _partition(copy: Copy) -> Verdict:
    def without(rows: pa.Table) -> pa.Table:
        places = rows["__ivf_part_id"].to_numpy()
        return rows.filter(pa.array(places != np.bincount(places).argmax()))

    build_from_buffers(copy, without)
    return copy.judged()


@case(BAD, "codes at random")
def _codes(copy: Copy) -> Verdict:
    def mixed(rows: pa.Table) -> pa.Table:
        shape = (rows.num_rows, len(copy.quantizer.codebook))
        codes = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        array = pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel()), shape[1])
        return rows.set_column(2, rows.schema.field(2), array)

    build_from_buffers(copy, mixed)
    return copy.judged()


@case(BAD, "codebook trained without residuals")
def _residuals(copy: Copy) -> Verdict:
    import faiss

    stored = copy.quantizer
    coder = faiss.ProductQuantizer(IMAGE_DIM, len(stored.codebook), 8)
    coder.train(copy.vectors())
    raw = faiss.vector_to_array(coder.centroids).reshape(stored.codebook.shape).astype(np.float32)
    build_with(copy, replace(stored, codebook=raw))
    return copy.judged()


@case(BAD, "quantizer swapped for that of other vectors")
def _other_quantizer(copy: Copy) -> Verdict:
    rng = np.random.default_rng(0)
    stored = copy.quantizer
    centroids = unit(rng.normal(0, 1, stored.centroids.shape).astype(np.float32))
    codebook = rng.permuted(stored.codebook, axis=0)
    build_with(copy, replace(stored, centroids=centroids, codebook=codebook))
    return copy.judged()


@case(BAD, "quantizer forgotten")
def _forgotten(copy: Copy) -> Verdict:
    copy.store.writable("quantizers").delete(f"sha256 = '{copy.frame.quantizer_sha256}'")
    return copy.judged()


@case(BAD, "quantizer with other bytes")
def _quantizer_bytes(copy: Copy) -> Verdict:
    row = copy.store.scan("quantizers", None, f"sha256 = '{copy.frame.quantizer_sha256}'")
    content = bytearray(row["codebook"][0].as_py())
    content[len(content) // 2] ^= 0x10
    place = row.schema.get_field_index("codebook")
    changed = row.set_column(
        place, row.schema.field(place), pa.array([bytes(content)], pa.large_binary())
    )
    copy.store.merge("quantizers", "sha256").when_matched_update_all().execute(changed)
    return copy.judged()


@case(BAD, "index dropped")
def _dropped(copy: Copy) -> Verdict:
    copy.store.writable("segments").drop_index(copy.frame.name)
    return copy.judged()


@case(BAD, "rows appended and not indexed")
def _stale(copy: Copy) -> Verdict:
    store = copy.store
    stored = video_key(CONFIG.shop_id, "v0")
    new = video_key(CONFIG.shop_id, "another")
    for name, key in (("segments", "segment_key"), ("videos", "video_key")):
        rows = store.scan(name, None, among("video_key", [stored]))
        keys = [new] if name == "videos" else [video_key(new, str(i)) for i in range(len(rows))]
        owners = pa.array([new] * len(rows))
        rows = rows.set_column(rows.schema.get_field_index("video_key"), "video_key", owners)
        rows = rows.set_column(rows.schema.get_field_index(key), key, pa.array(keys))
        store.writable(name).insert(rows.cast(store.dataset(name).schema))
    return copy.judged()


@case(BAD, "too few probes")
def _probes(copy: Copy) -> Verdict:
    return copy.judged(copy.with_frame(nprobes=1, refine_factor=1))


@case(BAD, "record with other partitions")
def _recorded(copy: Copy) -> Verdict:
    return copy.judged(copy.with_frame(partitions=12))


@case(BAD, "frame vectors of another model")
def _rotated(copy: Copy) -> Verdict:
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(0, 1, (IMAGE_DIM, IMAGE_DIM)))[0].astype(np.float32)
    copy.rewrite("segments", "segment_key", "frame_vector", unit(copy.vectors() @ rotation))
    return copy.published()


@case(BAD, "text vectors of another model")
def _rotated_texts(copy: Copy) -> Verdict:
    rng = np.random.default_rng(0)
    vectors = copy.vectors("segments", "text_vector")
    size = vectors.shape[1]
    rotation = np.linalg.qr(rng.normal(0, 1, (size, size)))[0].astype(np.float32)
    copy.rewrite("segments", "segment_key", "text_vector", unit(vectors @ rotation))
    return copy.published()


@case(BAD, "half of the vectors at random")
def _random(copy: Copy) -> Verdict:
    vectors = copy.vectors()
    rng = np.random.default_rng(0)
    vectors[::2] = unit(rng.normal(0, 1, vectors[::2].shape).astype(np.float32))
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "vectors shuffled between rows")
def _shuffled(copy: Copy) -> Verdict:
    vectors = np.random.default_rng(0).permutation(copy.vectors())
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "one vector for every picture")
def _one_picture(copy: Copy) -> Verdict:
    vectors = copy.vectors("product_images", "image_vector")
    vectors[:] = unit(vectors.mean(axis=0))
    copy.rewrite("product_images", "image_key", "image_vector", vectors)
    return copy.published()


@case(BAD, "NaN in vectors")
def _nan(copy: Copy) -> Verdict:
    vectors = copy.vectors()
    vectors[:20] = np.nan
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "one vector with one NaN")
def _one_nan(copy: Copy) -> Verdict:
    vectors = copy.vectors()
    vectors[100, 3] = np.nan
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "zero vectors")
def _zero(copy: Copy) -> Verdict:
    vectors = copy.vectors()
    vectors[:20] = 0
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "vectors not of unit length")
def _length(copy: Copy) -> Verdict:
    copy.rewrite("segments", "segment_key", "frame_vector", copy.vectors() * np.float32(1.7))
    return copy.published()


@case(BAD, "rows twice")
def _twice(copy: Copy) -> Verdict:
    rows = copy.store.scan("segments", None).slice(0, 100)
    copy.store.writable("segments").insert(rows)
    return copy.published()


@case(BAD, "truncated data file")
def _truncated(copy: Copy) -> Verdict:
    copy.touch()
    path = copy.file("data")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return copy.published()


@case(BAD, "flipped bit in a data file of segments")
def _flipped(copy: Copy) -> Verdict:
    copy.touch()
    flip(copy.file("data"), 0.6)
    return copy.published()


@case(BAD, "flipped bit in a data file of products")
def _flipped_products(copy: Copy) -> Verdict:
    copy.touch()
    flip(copy.file("data", "products"))
    return copy.published()


@case(BAD, "flipped bit in an index file")
def _flipped_index(copy: Copy) -> Verdict:
    copy.touch()
    flip(copy.file("_indices"))
    return copy.published()


@case(BAD, "missing data file")
def _missing(copy: Copy) -> Verdict:
    copy.touch()
    copy.file("data").unlink()
    return copy.published()


@case(BAD, "more than half of the videos gone from the tables")
def _half(copy: Copy) -> Verdict:
    keys = [video_key(CONFIG.shop_id, f"v{i}") for i in range(VIDEOS * 11 // 20)]
    copy.store.delete_videos(keys)
    return copy.published()


@case(BAD, "more than half of the videos gone from the source")
def _half_source(copy: Copy) -> Verdict:
    return copy.ingested(videos=copy.shop.videos()[VIDEOS * 11 // 20 :])


@case(BAD, "more than half of the products gone from the tables")
def _half_products(copy: Copy) -> Verdict:
    keys = copy.store.scan("products", ["product_key"])["product_key"].to_pylist()
    copy.store.writable("products").delete(among("product_key", keys[: PRODUCTS * 11 // 20]))
    return copy.published()


@case(BAD, "one link in twenty gone")
def _fewer_links(copy: Copy) -> Verdict:
    keys = copy.store.scan("links", ["link_key"])["link_key"].to_pylist()
    copy.store.writable("links").delete(among("link_key", keys[::20]))
    return copy.published()


@case(BAD, "one video in twenty gone from the tables")
def _deleted(copy: Copy) -> Verdict:
    copy.store.delete_videos([video_key(CONFIG.shop_id, f"v{i}") for i in range(VIDEOS // 20)])
    return copy.published()


@case(BAD, "all links gone")
def _unlinked(copy: Copy) -> Verdict:
    copy.store.writable("links").delete("true")
    return copy.published()


@case(BAD, "links with scores above 1")
def _scores(copy: Copy) -> Verdict:
    copy.store.table("links").update(where="score > 0.9", values={"score": 1.5})
    return copy.published()


@case(BAD, "segments of nobody")
def _orphans(copy: Copy) -> Verdict:
    copy.store.writable("videos").delete(among("video_key", [video_key(CONFIG.shop_id, "v3")]))
    return copy.published()


@case(BAD, "a video that misses segments")
def _incomplete(copy: Copy) -> Verdict:
    owner = among("video_key", [video_key(CONFIG.shop_id, "v3")])
    copy.store.writable("segments").delete(f"{owner} AND start_ms = 5000")
    return copy.published()


@case(BAD, "all text gone")
def _mute(copy: Copy) -> Verdict:
    rows = copy.store.scan("segments", None)
    for column, value in (("text", ""), ("text_vector", None)):
        place = rows.schema.get_field_index(column)
        kind = rows.schema.field(column)
        rows = rows.set_column(place, kind, pa.array([value] * len(rows), kind.type))
    copy.store.merge("segments", "segment_key").when_matched_update_all().execute(rows)
    return copy.published()


@case(BAD, "product pictures gone")
def _bare(copy: Copy) -> Verdict:
    copy.store.writable("product_images").delete("true")
    return copy.published()


@case(BAD, "too many failures")
def _failures(copy: Copy) -> Verdict:
    broken = [f"broken{i}" for i in range(VIDEOS // 2)]
    return copy.ingested(videos=copy.shop.videos() + copy.shop.videos(broken))


@case(BAD, "a record that names another space")
def _space(copy: Copy) -> Verdict:
    copy.touch()
    models = copy.release.models
    other = models.model_copy(
        update={"image": models.image.model_copy(update={"name": "other", "space": "other"})}
    )
    rows = copy.store.scan("runs", None)
    place = rows.schema.get_field_index("models")
    changed = pa.array([other.model_dump_json()] * len(rows))
    rows = rows.set_column(place, rows.schema.field(place), changed)
    copy.store.table("runs").add(rows, mode="overwrite")
    return copy.published()
