"""A catalog without videos, ready to be asked: what benchmarks of product search share."""

from pathlib import Path

import numpy as np

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.product_search import ProductSearch
from reelshelf.indexer.sources.catalog import read_catalog
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.text import CatalogIndex
from reelshelf.models.registry import load_text_encoder
from reelshelf.schemas.catalog import EncodedProduct, Product
from reelshelf.schemas.config import load_config

# A product with many attributes takes an encoder some thirty milliseconds.
_FEW = 2_000


def read_products(path: Path) -> list[Product]:
    """The products of a catalog file, by SKU."""
    found = read_catalog(str(path), Files(load_config().storage)).products
    return sorted(found, key=lambda product: product.sku)


def product_search(path: Path, vectors: str) -> ProductSearch:
    """The products of a catalog file, searched by words, and by meaning as well.

    `vectors` is "yes", "no", or "auto": of catalogs of up to 2,000 products.
    """
    products = read_products(path)
    if vectors == "no" or (vectors == "auto" and len(products) > _FEW):
        none = np.zeros(0, np.float32)
        encoded = [EncodedProduct(product, none, none, ()) for product in products]
        return ProductSearch(SearchedCatalog.of(CatalogIndex.of(encoded)))
    encoder = load_text_encoder(load_config())
    facts = encoder.encode_texts([product.facts for product in products])
    encoded = [
        EncodedProduct(product, vector, vector, ())
        for product, vector in zip(products, facts, strict=True)
    ]
    catalog = SearchedCatalog.of(CatalogIndex.of(encoded))
    return ProductSearch(catalog, encoder, encoder.ref.space)
