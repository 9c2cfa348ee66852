"""Encoding the catalogue: each product's text, and each of its pictures that can be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from indexer.catalog import inside
from indexer.reading import read_picture
from models.protocols import ModelSet
from schemas.catalog import EncodedImage, EncodedProduct, Product, RejectedRow
from schemas.config import ReadingConfig
from schemas.keys import file_sha256, fingerprint
from schemas.media import Pixels
from schemas.release import ModelRefs

# Raise when the same product and models would give other vectors.
VERSION = 2

_MAX_PIXELS = 50_000_000
_SIDE = 640


@dataclass(frozen=True, slots=True)
class ProductsEncoded:
    """Encoded products, and the pictures that could not be used. A product without one stays."""

    products: tuple[EncodedProduct, ...]
    rejected: tuple[RejectedRow, ...]


def encoding_fingerprint(refs: ModelRefs, reading: ReadingConfig) -> str:
    """Fingerprint of the stage that encodes products."""
    models = [ref.model_dump() for ref in (refs.image, refs.text, refs.reader)]
    return fingerprint([VERSION, *models, reading.model_dump(mode="json")])


def content_fingerprint(product: Product, root: Path) -> str:
    """Fingerprint of a product: what its row says, and the bytes of its pictures."""
    pictures = {name: _picture_sha256(root, name) for name in product.images}
    return fingerprint([repr(product), pictures])


def _picture_sha256(root: Path, name: str) -> str | None:
    try:
        path = inside(root, name)
        return file_sha256(path) if path is not None and path.is_file() else None
    except OSError:
        return None  # unreadable counts as absent here; encoding it reports why


def encode_products(
    products: Sequence[Product], root: Path, models: ModelSet, reading: ReadingConfig
) -> ProductsEncoded:
    """Encode products whose pictures lie below `root`, and read what their pictures say."""
    texts = models.text.encode_texts([product.text for product in products])
    encoded: list[EncodedProduct] = []
    rejected: list[RejectedRow] = []
    facts = models.text.encode_texts([product.facts for product in products])
    for product, vector, fact in zip(products, texts, facts, strict=True):
        images: list[EncodedImage] = []
        for name in dict.fromkeys(product.images):
            loaded = _load(root, name)
            if isinstance(loaded, str):
                rejected.append(
                    RejectedRow("catalogue", 0, product.sku, f"picture {name!r:.200} {loaded}")
                )
                continue
            pixels, digest = loaded
            seen = models.image.encode_images([pixels])[0]
            if not np.isfinite(seen).all():
                reason = f"picture {name!r:.200} has no finite vector"
                rejected.append(RejectedRow("catalogue", 0, product.sku, reason))
                continue
            printed = read_picture(pixels, models.reader, reading)
            images.append(EncodedImage(name, digest, seen, printed))
        encoded.append(EncodedProduct(product, vector, fact, tuple(images)))
    return ProductsEncoded(tuple(encoded), tuple(rejected))


def _load(root: Path, name: str) -> tuple[Pixels, str] | str:
    """A picture's pixels and hash, or the reason there are none."""
    path = inside(root, name)
    if path is None:
        return "lies outside the catalogue's folder"
    try:
        if not path.is_file():
            return "is not there"
        return load_picture(path), file_sha256(path)
    except (OSError, ValueError) as error:
        return str(error)


def load_picture(path: Path) -> Pixels:
    """Read a picture upright as RGB, transparent parts white, its long side at most 640.

    Raises ValueError with the reason where it is broken, no picture, or far too large.
    """
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise ValueError(f"has {opened.width}x{opened.height} pixels, too many to decode")
            opened.draft("RGB", (_SIDE * 2, _SIDE * 2))
            picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError("is no picture that can be read") from error
    except ValueError:
        raise
    except (
        Exception
    ) as error:  # Pillow's decoders raise whatever a broken file makes them stumble over
        raise ValueError(f"is broken: {error}") from error
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))
