"""The catalog in the store: a row for each product, one for each picture that could be read."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reelshelf.indexer.store import rows
from reelshelf.indexer.store.rows import RunContext
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store, among, parts
from reelshelf.schemas.catalog import (
    EncodedImage,
    EncodedPicture,
    EncodedProduct,
    FingerprintedProduct,
    ProductVectors,
)
from reelshelf.schemas.stages import FIRST_PRODUCTS_VERSION, PRODUCTS_VERSION


@dataclass(frozen=True, slots=True)
class ProductState:
    """What the store knows of a product, for planning."""

    row_fingerprint: str
    text_fingerprint: str
    first_seen_at: dt.datetime
    version: int = PRODUCTS_VERSION


@dataclass(frozen=True, slots=True)
class PictureState:
    """What the store knows of a picture, for planning."""

    content_sha256: str
    image_fingerprint: str
    reading_fingerprint: str
    version: int = PRODUCTS_VERSION


def product_states(store: Store) -> dict[str, ProductState]:
    """State of each product by its key."""
    columns = ["product_key", "row_fingerprint", "text_fingerprint", "first_seen_at"]
    found = store.scan("products", [*columns, "stage_version"])
    *cells, versions = (column.to_pylist() for column in found.columns)
    return {
        key: ProductState(row, text, first_seen, version or FIRST_PRODUCTS_VERSION)
        for key, row, text, first_seen, version in zip(*cells, versions, strict=True)
    }


def picture_states(store: Store, names: Mapping[str, str] | None = None) -> dict[str, PictureState]:
    """State of each picture by its key. `names` as in `Store.video_states`."""
    names = names or {}
    columns = ["image_key", "content_sha256", "image_fingerprint", "reading_fingerprint"]
    return {
        row["image_key"]: PictureState(
            row["content_sha256"],
            row["image_fingerprint"],
            names.get(row["reading_fingerprint"], row["reading_fingerprint"]),
            row["stage_version"] or FIRST_PRODUCTS_VERSION,
        )
        for row in store.scan("product_images", [*columns, "stage_version"]).to_pylist()
    }


def stored_vectors(store: Store, keys: Sequence[str]) -> dict[str, ProductVectors]:
    """The text vectors that the store holds of the products of these keys, by SKU."""
    found: dict[str, ProductVectors] = {}
    for part in parts(keys):
        columns = ["sku", "text_vector", "facts_vector"]
        table = store.scan("products", columns, among("product_key", part))
        texts, facts = (rows.vector_matrix(table[name]) for name in columns[1:])
        for sku, text, fact in zip(table["sku"].to_pylist(), texts, facts, strict=True):
            found[sku] = ProductVectors(text, fact)
    return found


def write_products(
    store: Store,
    products: Sequence[FingerprintedProduct],
    vectors: Mapping[str, ProductVectors],
    first_seen: Mapping[str, dt.datetime],
    run: RunContext,
) -> None:
    """Write the rows of products, replacing what they had.

    `first_seen` has every product that there is a row of.
    """
    if not products:
        return
    table = rows.product_rows(products, vectors, first_seen, run)
    held = [key for key in table["product_key"].to_pylist() if key in first_seen]
    store.replace("products", table, "product_key", held)


def stored_pictures(store: Store, keys: Sequence[str]) -> dict[str, EncodedImage]:
    """What the store holds of these pictures, by their keys."""
    found: dict[str, EncodedImage] = {}
    for part in parts(keys):
        columns = ["image_key", "uri", "content_sha256", "printed", "image_vector"]
        table = store.scan("product_images", columns, among("image_key", part))
        vectors = rows.vector_matrix(table["image_vector"])
        for row, vector in zip(table.select(columns[:-1]).to_pylist(), vectors, strict=True):
            image = EncodedImage(row["uri"], row["content_sha256"], vector, tuple(row["printed"]))
            found[row["image_key"]] = image
    return found


def write_pictures(
    store: Store,
    pictures: Sequence[EncodedPicture],
    fingerprints: tuple[str, str],
    held: Collection[str],
    run: RunContext,
) -> None:
    """Write pictures, replacing what stood under their keys.

    `fingerprints` are of what encoded and of what read them, `held` the keys of all pictures that
    there are rows of.
    """
    if not pictures:
        return
    table = rows.product_image_rows(pictures, fingerprints, run)
    keys = [key for key in table["image_key"].to_pylist() if key in held]
    store.replace("product_images", table, "image_key", keys)


def delete_pictures(store: Store, keys: Sequence[str]) -> None:
    """Remove pictures."""
    for part in parts(keys):
        store.writable("product_images").delete(among("image_key", part))


def delete_products(store: Store, keys: Sequence[str]) -> None:
    """Remove products with their pictures and links."""
    for part in parts(keys):
        # First: a product that comes back as it was is linked again.
        linked = store.scan("links", ["video_key"], among("product_key", part))["video_key"]
        store.unlink(sorted(set(linked.to_pylist())))
        for name in ("products", "product_images", "links"):
            store.writable(name).delete(among("product_key", part))


def sample_products(store: Store, most: int) -> list[EncodedProduct]:
    """About `most` products with their vectors, or all where these are no more.

    They are drawn by their keys, so that they are the same while they are there.
    """
    count = store.count("products")
    if count <= most:
        return read_products(store)
    # Keys are hashes: a share of them begins below the same share of all beginnings.
    return read_products(store, where=f"product_key < '{int(most / count * 2**32):08x}'")


def read_products(
    store: Store, versions: Mapping[str, int] | None = None, where: str | None = None
) -> list[EncodedProduct]:
    """All products with their vectors, in order of SKUs; or those that a filter keeps."""
    pins = versions or {}
    products = store.scan("products", None, where, pins.get("products")).sort_by("sku")
    images = store.scan("product_images", None, where, pins.get("product_images"))
    texts, facts = (rows.vector_matrix(products[name]) for name in ("text_vector", "facts_vector"))
    pictures = rows.vector_matrix(images["image_vector"])
    products = products.drop_columns(["text_vector", "facts_vector"])
    return rows.encoded_products(products, images, texts, facts, pictures)


def product_titles(snapshot: ReleaseSnapshot) -> dict[str, str]:
    """The title of each product of a release, by its key."""
    found = snapshot.scan("products", ["product_key", "title"]).to_pylist()
    return {row["product_key"]: row["title"] for row in found}
