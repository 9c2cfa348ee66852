"""What comes in from the shop: products, videos, and the rows that were refused."""

import datetime as dt
import decimal
from dataclasses import dataclass, field

from reelshelf.schemas.media import Vectors
from reelshelf.schemas.stages import PRODUCTS_VERSION


@dataclass(frozen=True, slots=True)
class Product:
    """One SKU of the catalog, as the shop describes it."""

    sku: str
    title: str
    brand: str | None = None
    category: tuple[str, ...] = ()
    description: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    images: tuple[str, ...] = ()
    merchant_id: str | None = None
    language: str | None = None
    price: decimal.Decimal | None = None
    currency: str | None = None
    availability: str | None = None
    rating: float | None = None
    review_count: int | None = None
    sales: int | None = None
    published_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    # What its variants have in common. Left out of `repr`, which old fingerprints were made of.
    group_id: str | None = field(default=None, repr=False)

    @property
    def facts(self) -> str:
        """The product in few words, as a shopper would put it: title and attributes.

        A description says much that nobody asks for; it stands in only where there are no
        attributes.
        """
        if not self.attributes:
            return self.text
        return ", ".join([self.title, *(f"{value} {name}" for name, value in self.attributes)])

    @property
    def text(self) -> str:
        """What a sentence encoder reads of the product: title first, then what narrows it."""
        parts = [self.title, self.brand, " ".join(self.category), self.description]
        parts += [f"{name} {value}" for name, value in self.attributes]
        return ". ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class FingerprintedProduct:
    """A product with the fingerprint of its whole row, and of what its text vectors depend on.

    `version` is of the code that made or will make its vectors.
    """

    product: Product
    row_fingerprint: str
    text_fingerprint: str
    version: int = PRODUCTS_VERSION


@dataclass(frozen=True, slots=True)
class ProductVectors:
    """What a sentence encoder made of a product: of its text, and of its facts."""

    text: Vectors
    facts: Vectors


@dataclass(frozen=True, slots=True)
class PictureJob:
    """One picture of a product to encode. `uri` is as the catalog names it.

    `look`: its vector has to be made; `read`: the words on it. What has not to be is in `stored`.
    `version` is of the oldest code that will have made any of it.
    """

    image_key: str
    product_key: str
    sku: str
    uri: str
    location: str
    look: bool = True
    read: bool = True
    stored: "EncodedImage | None" = None
    version: int = PRODUCTS_VERSION


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """One product picture that could be read. `packaging_text` holds the lines on what it shows."""

    uri: str
    content_sha256: str
    vector: Vectors
    packaging_text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture that has been encoded."""

    job: PictureJob
    image: EncodedImage


@dataclass(frozen=True, slots=True)
class RejectedPicture:
    """A picture that cannot be used, and why. Its product stays.

    `lasting`: the reason lies in the file, so that trying again is vain until it changes.
    """

    image_key: str
    sku: str
    uri: str
    reason: str
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class EncodedProduct:
    """A product as the store holds it: its vectors, and each picture that could be read."""

    product: Product
    text_vector: Vectors
    facts_vector: Vectors
    images: tuple[EncodedImage, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of a video with a name; it ends where the next one begins."""

    start_ms: int
    title: str


@dataclass(frozen=True, slots=True)
class VideoSource:
    """One video that the shop hands over. `path` is where its bytes are: a path or an s3:// URL.

    `subtitles` is where a file of subtitles is, if there is one. `kind` is "video" or "live".
    """

    video_id: str
    path: str
    merchant_skus: tuple[str, ...] = ()
    merchant_id: str | None = None
    title: str | None = None
    language: str | None = None
    published_at: dt.datetime | None = None
    description: str | None = None
    hashtags: tuple[str, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    subtitles: str | None = None
    kind: str | None = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None

    @property
    def own_text(self) -> str:
        """What the shop says of it in words."""
        titles = (chapter.title for chapter in self.chapters)
        parts = (self.title, self.description, " ".join(self.hashtags), *titles)
        return "\n".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class RejectedText:
    """A product whose text could not be encoded, and why. What the store has of it stays."""

    sku: str
    reason: str


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of a catalog or manifest that was refused, and why."""

    source: str
    line: int
    item_id: str | None
    reason: str
