"""Encoding the catalog: each product's text, and each of its pictures that can be read."""

from collections.abc import Sequence

import numpy as np

from reelshelf.indexer.extract.ocr import read_picture
from reelshelf.indexer.sources.files import Files
from reelshelf.models.pictures import load_picture
from reelshelf.models.protocols import ModelSet, TextEncoder
from reelshelf.schemas.catalog import (
    EncodedImage,
    EncodedPicture,
    PictureJob,
    Product,
    ProductVectors,
    RejectedPicture,
)
from reelshelf.schemas.config import OcrConfig
from reelshelf.schemas.errors import MediaError
from reelshelf.schemas.keys import file_sha256, fingerprint
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.stages import PRODUCT_SCHEME, identity

LARGEST_PICTURE = 256 * 1024**2


def row_fingerprint(product: Product) -> str:
    """Fingerprint of all that a product's row says."""
    said = repr(product)
    return fingerprint(said if product.group_id is None else [said, product.group_id])


def text_fingerprint(product: Product, refs: ModelRefs) -> str:
    """Fingerprint of what a sentence encoder reads of a product, and of the encoder."""
    return fingerprint([PRODUCT_SCHEME, identity(refs.text), product.text, product.facts])


def encode_product_texts(
    products: Sequence[Product], encoder: TextEncoder
) -> dict[str, ProductVectors]:
    """Encode what each product's row says, by SKU."""
    texts = encoder.encode_texts([product.text for product in products])
    facts = encoder.encode_texts([product.facts for product in products])
    return {
        product.sku: ProductVectors(text, fact)
        for product, text, fact in zip(products, texts, facts, strict=True)
    }


def encode_picture(
    job: PictureJob, files: Files, models: ModelSet, reading: OcrConfig
) -> EncodedPicture | RejectedPicture:
    """Encode one picture, and read what it says; or say why it cannot be used.

    What its job does not ask for is taken from what it holds of the same bytes.
    """
    try:
        with files.local(job.location, max_bytes=LARGEST_PICTURE) as path:
            if path.stat().st_size > LARGEST_PICTURE:
                raise ValueError(f"has more than {LARGEST_PICTURE} bytes")
            pixels, digest = load_picture(path), file_sha256(path)
    except ValueError as error:
        return _rejected(job, str(error))
    except (MediaError, OSError) as error:
        return RejectedPicture(job.image_key, job.sku, job.uri, str(error), lasting=False)
    stored = job.stored if job.stored and job.stored.content_sha256 == digest else None
    vector = stored.vector if stored and not job.look else models.image.encode_images([pixels])[0]
    if not np.isfinite(vector).all():
        return _rejected(job, "has no finite vector")
    keeps = stored is not None and not job.read
    printed = (
        stored.packaging_text if keeps and stored else read_picture(pixels, models.ocr, reading)
    )
    return EncodedPicture(job, EncodedImage(job.uri, digest, vector, printed))


def _rejected(job: PictureJob, reason: str) -> RejectedPicture:
    return RejectedPicture(job.image_key, job.sku, job.uri, reason)
