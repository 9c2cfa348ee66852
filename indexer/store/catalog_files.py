"""A catalog as files: rows and vectors of products on disk, mapped by every process that links.

A million products with their vectors are tens of gigabytes of objects. Here a product is a row of a
mapped Arrow file and becomes a record when it is asked for; vectors are mapped arrays of half the
precision, which moves a cosine by a ten-thousandth.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store import rows
from reelshelf.indexer.store.products import read_products
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.text.analyzer import AnalyzerKind
from reelshelf.indexer.text.catalog import CatalogIndex, CatalogVectors
from reelshelf.indexer.text.lookup import Numbers, Texts
from reelshelf.schemas.catalog import EncodedProduct
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import CatalogCounts

_PRODUCTS, _PICTURES, _FIRST = "products.arrow", "pictures.arrow", "first-picture.npy"
_TEXT, _FACTS, _IMAGE = "text.npy", "facts.npy", "image.npy"
_AT_ONCE = 8192
# Bytes before the array in a file of NumPy's format.
_HEADER = 128
# Records that are kept: one video asks for the same few again and again.
_REMEMBERED = 4096


class ProductsOnDisk(Sequence[EncodedProduct]):
    """The products of a folder that `write_catalog` has filled, in SKU order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._products = _opened(folder / _PRODUCTS)
        self._pictures = _opened(folder / _PICTURES)
        self._first = np.load(folder / _FIRST)
        self.vectors = CatalogVectors(
            mapped(folder / _TEXT),
            mapped(folder / _FACTS),
            mapped(folder / _IMAGE),
            np.repeat(np.arange(len(self)), np.diff(self._first)),
            Texts(self._pictures["uri"].combine_chunks().cast(pa.large_string())),
        )
        self._kept = lru_cache(_REMEMBERED)(self._one)

    def __reduce__(self) -> tuple[type["ProductsOnDisk"], tuple[Path]]:
        return ProductsOnDisk, (self._folder,)

    def __len__(self) -> int:
        return int(self._products.num_rows)

    @overload
    def __getitem__(self, place: int) -> EncodedProduct: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[EncodedProduct]: ...
    def __getitem__(self, place: int | slice) -> EncodedProduct | Sequence[EncodedProduct]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        return self._kept(range(len(self))[place])

    def __iter__(self) -> Iterator[EncodedProduct]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._some(start, min(start + _AT_ONCE, len(self)))

    def _one(self, place: int) -> EncodedProduct:
        return self._some(place, place + 1)[0]

    def _some(self, start: int, end: int) -> list[EncodedProduct]:
        first, last = int(self._first[start]), int(self._first[end])
        return rows.encoded_products(
            self._products[start:end],
            self._pictures[first:last],
            np.asarray(self.vectors.text[start:end], np.float32),
            np.asarray(self.vectors.facts[start:end], np.float32),
            np.asarray(self.vectors.image[first:last], np.float32),
        )


def read_catalog(
    pinned: PinnedTables,
    kind: AnalyzerKind,
    folder: Path | None,
    counts: CatalogCounts | None = None,
) -> CatalogIndex:
    """The catalog of some versions of the tables: in memory, or in files of an empty folder."""
    if folder is None:
        return CatalogIndex.of(read_products(pinned.store, pinned.versions), kind, counts)
    write_catalog(pinned, folder)
    return catalog_in(folder, kind, counts)


def catalog_in(
    folder: Path, kind: AnalyzerKind, counts: CatalogCounts | None = None
) -> CatalogIndex:
    """The catalog that lies in a folder."""
    products = ProductsOnDisk(folder)
    return CatalogIndex.of_sorted(products, kind, products.vectors, counts)


def write_catalog(pinned: PinnedTables, folder: Path) -> None:
    """Write the products and pictures of some versions of the tables into an empty folder."""
    products = pinned.scan("products", _without_vectors(pinned, "products"))
    order = pc.sort_indices(products, [("sku", "ascending")])
    place = np.empty(products.num_rows, np.intp)
    place[order.to_numpy()] = np.arange(products.num_rows)
    products = products.take(order)
    pictures = pinned.scan("product_images", ["product_key", "uri", "content_sha256", "printed"])
    chosen, first = _in_order(products, pictures)
    where = np.full(pictures.num_rows, -1, np.intp)
    where[chosen] = np.arange(len(chosen))
    write_rows(folder, products, pictures.take(pa.array(chosen)), first)
    text_dim = pinned.dataset("products").schema.field("text_vector").type.list_size
    image_dim = pinned.dataset("product_images").schema.field("image_vector").type.list_size
    text, facts, image = new_vectors(folder, len(place), len(chosen), text_dim, image_dim)
    _fill(text, pinned, "products", "text_vector", place)
    _fill(facts, pinned, "products", "facts_vector", place)
    _fill(image, pinned, "product_images", "image_vector", where)


def _without_vectors(pinned: PinnedTables, table: str) -> list[str]:
    return [n for n in pinned.dataset(table).schema.names if not n.endswith("_vector")]


def write_rows(folder: Path, products: pa.Table, pictures: pa.Table, first: Numbers) -> None:
    """Write the rows of a catalog that are in order.

    Its pictures are those of one product after the other; `first`, `(products + 1,)`, is where
    those of each begin.
    """
    _write(products, folder / _PRODUCTS)
    _write(pictures, folder / _PICTURES)
    np.save(folder / _FIRST, first)


def new_vectors(
    folder: Path, products: int, pictures: int, text_dim: int, image_dim: int
) -> tuple[Vectors, Vectors, Vectors]:
    """The mapped arrays of a catalog's vectors, to be filled: texts, facts, pictures."""
    shapes = ((products, text_dim), (products, text_dim), (pictures, image_dim))
    text, facts, image = (
        new_mapped(folder / name, shape)
        for name, shape in zip((_TEXT, _FACTS, _IMAGE), shapes, strict=True)
    )
    return text, facts, image


def new_mapped(path: Path, shape: tuple[int, ...], of: type[np.floating] = np.float16) -> Vectors:
    """A new file of vectors, mapped, to be filled. What is read of it has to be made float32."""
    # Of half the precision: wherever that is used it is read in part, and that part is converted.
    made: Vectors = np.lib.format.open_memmap(path, "w+", of, shape)
    return made


def _in_order(products: pa.Table, pictures: pa.Table) -> tuple[Numbers, Numbers]:
    """Pictures by product, in the order that the shop gives them; where each product's begin.

    `products` are in order. A picture that its product does not name any more is left out.
    """
    images = products["images"].combine_chunks()
    named = pa.table(
        {
            "product_key": products["product_key"].take(pc.list_parent_indices(images)),
            "uri": pc.list_flatten(images),
            "product": pc.list_parent_indices(images),
        }
    )
    named = named.append_column("order", pa.array(np.arange(named.num_rows)))
    own = pictures.select(["product_key", "uri"])
    own = own.append_column("row", pa.array(np.arange(own.num_rows)))
    found = named.join(own, ["product_key", "uri"], join_type="inner")
    # A product may name a picture twice.
    found = found.group_by("row").aggregate([("order", "min"), ("product", "min")])
    found = found.sort_by("order_min")
    owners = found["product_min"].to_numpy()
    counts = np.bincount(owners, minlength=products.num_rows)
    return found["row"].to_numpy().astype(np.intp), np.concatenate([[0], np.cumsum(counts)])


def _fill(vectors: Vectors, pinned: PinnedTables, table: str, column: str, places: Numbers) -> None:
    """Put the vectors of a column each to its place; -1 is none."""
    done = 0
    scanner = pinned.dataset(table).scanner(columns=[column], batch_size=_AT_ONCE)
    for batch in scanner.to_batches():
        at = places[done : done + batch.num_rows]
        done += batch.num_rows
        vectors[at[at >= 0]] = vector_matrix(batch[column])[at >= 0]


def _write(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks(), max_chunksize=_AT_ONCE)


def _opened(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def mapped(path: Path) -> Vectors:
    """The vectors of a file that `new_mapped` has made; to be made float32 as well."""
    # Nothing cannot be mapped.
    found: Vectors = np.load(path) if path.stat().st_size <= _HEADER else np.load(path, "r")
    return found
