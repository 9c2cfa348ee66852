"""What must hold of every column of every table that a release pins.

A column that is not declared here fails a test. Beside what stands here, the checksums of
every row are compared, column by column (`reelshelf.indexer.store.row_checksums`).
"""

from collections.abc import Mapping

from reelshelf.indexer.quality.claims import (
    AmongOf,
    Column,
    Counts,
    Derived,
    Given,
    InOrder,
    KeyOf,
    NotBefore,
    OneOwner,
    Refers,
    SameAs,
    Shaped,
    Unique,
    Unit,
    Varied,
    Within,
    column,
)
from reelshelf.schemas.keys import child_key, link_key, product_key, video_key
from reelshelf.schemas.tables import OLDEST_SCHEMA, SCHEMA_VERSION

_HASH = "[0-9a-f]{64}"
_LOST = "searchers cannot open what they find"
_WRONG_MOMENT = "results and links begin at the wrong moment"
_WRONG_VIDEO = "results show another video"
_WRONG_PRODUCT = "results sell another product"
_UNSEEN = "searchers do not see it; reports and the next run go wrong"
_LOOKS = "searches by picture and links by sight find other things"
_WORDS = "searches by words find other moments"
_MEANING = "searches by meaning find other moments"
_FILTERS = "filters show and hide the wrong results"
_SHOWN = "what is shown beside a result is wrong"
_RANKED = "results come in another order"


def _common() -> dict[str, Column]:
    return {
        "shop_id": column("another shop's rows are shown", Given(), OneOwner()),
        "schema_version": column(_UNSEEN, Given(), Within(OLDEST_SCHEMA, SCHEMA_VERSION)),
        "run_id": column(_UNSEEN, Given()),
        "cell_checksums": column(_UNSEEN),
    }


_PRODUCTS: dict[str, Column] = {
    **_common(),
    "product_key": column(_LOST, Given(), Unique(), KeyOf(("shop_id", "sku"), product_key)),
    "sku": column(_WRONG_PRODUCT, Given(), Unique()),
    "title": column(_SHOWN, Given(), Varied()),
    "merchant_id": column(_FILTERS),
    "brand": column(_FILTERS),
    "category": column(_FILTERS),
    "description": column(_WORDS),
    "attributes": column(_FILTERS),
    "images": column(_SHOWN),
    "language": column(_FILTERS),
    "currency": column("prices are shown and filtered in another currency"),
    "price": column("prices are wrong", Within(0)),
    "availability": column(_FILTERS),
    "rating": column(_RANKED, Within(0)),
    "review_count": column(_RANKED, Within(0)),
    "sales": column(_RANKED, Within(0)),
    "published_at": column(_RANKED),
    "updated_at": column(_UNSEEN),
    "group_id": column("variants are shown as different things"),
    "first_seen_at": column(_UNSEEN),
    "row_fingerprint": column(_UNSEEN, Given(), Shaped(_HASH)),
    "text_fingerprint": column(_UNSEEN, Given(), Shaped(_HASH)),
    "text_vector": column(_MEANING, Given(), Unit(), Varied(), Derived("texts of products")),
    "facts_vector": column(_MEANING, Given(), Unit(), Derived("texts of products")),
    "stage_version": column(_UNSEEN, Within(1)),
}

_PRODUCT_IMAGES: dict[str, Column] = {
    **_common(),
    "image_key": column(_UNSEEN, Given(), Unique(), KeyOf(("product_key", "uri"), child_key)),
    "product_key": column(_WRONG_PRODUCT, Given(), Refers("products")),
    "sku": column(_WRONG_PRODUCT, Given(), SameAs("products", "product_key", "sku")),
    "uri": column(_SHOWN, Given()),
    "content_sha256": column(_UNSEEN, Given(), Shaped(_HASH), Derived("pictures")),
    "printed": column("links by what is printed on a product are wrong"),
    "image_fingerprint": column(_UNSEEN, Given(), Shaped(_HASH)),
    "reading_fingerprint": column(_UNSEEN, Given(), Shaped(_HASH)),
    "image_vector": column(_LOOKS, Given(), Unit(), Varied(), Derived("pictures")),
    "stage_version": column(_UNSEEN, Within(1)),
}

_VIDEOS: dict[str, Column] = {
    **_common(),
    "video_key": column(_LOST, Given(), Unique(), KeyOf(("shop_id", "video_id"), video_key)),
    "video_id": column(_LOST, Given(), Unique()),
    "path": column(_LOST, Given()),
    "merchant_id": column(_FILTERS),
    "merchant_skus": column("links that merchants declare are wrong"),
    "title": column(_SHOWN),
    "language": column(_FILTERS),
    "published_at": column(_RANKED),
    "first_seen_at": column(_UNSEEN),
    "content_sha256": column("a video that has changed is not seen to", Given(), Shaped(_HASH)),
    "duration_ms": column(_WRONG_MOMENT, Given(), Within(0)),
    "width": column(_UNSEEN, Within(0)),
    "height": column(_UNSEEN, Within(0)),
    "rotation": column(_UNSEEN, Within(-360, 360)),
    "codec": column(_UNSEEN),
    "container": column(_UNSEEN),
    "absent": column(_UNSEEN),
    "segment_count": column("moments of videos are not found", Given(), Counts("segments")),
    "frames_decoded": column(_UNSEEN, Within(0)),
    "frames_sampled": column(_UNSEEN, Within(0)),
    "near_duplicates": column(_UNSEEN, Within(0)),
    "clock_jumps": column(_UNSEEN, Within(0)),
    "chunks": column("moments of long videos are taken for those of no video"),
    "description": column(_SHOWN),
    "hashtags": column(_SHOWN),
    "chapters": column(_SHOWN),
    "subtitles": column(_UNSEEN),
    "kind": column(_FILTERS),
    "started_at": column(_RANKED),
    "ended_at": column(_RANKED),
    "post_fingerprint": column(_UNSEEN, Shaped(_HASH)),
    "corrupt_packets": column(_UNSEEN, Within(0)),
    "calls": column(_UNSEEN),
    "media_fingerprint": column(_UNSEEN, Shaped(_HASH)),
    "frames_fingerprint": column(_UNSEEN, Shaped(_HASH)),
    "asr_fingerprint": column(_UNSEEN, Shaped(_HASH)),
    "ocr_fingerprint": column(_UNSEEN, Shaped(_HASH)),
    "text_fingerprint": column(_UNSEEN, Shaped(_HASH)),
    "duplicates": column("copies of one video crowd out others", Derived("duplicates")),
    "duplicates_fingerprint": column(_UNSEEN, Shaped(_HASH)),
    "duplicate_cluster": column(
        "copies of one video crowd out others", Given(), Shaped(_HASH), Derived("clusters")
    ),
    "links_fingerprint": column(_UNSEEN, Shaped(_HASH)),
    "stage_versions": column(_UNSEEN),
    "link_count": column(
        "products that a video sells are not shown",
        Counts("links", unless_null="links_fingerprint", since=8),
    ),
    "linked_catalog": column(_UNSEEN),
    "deciding": column(_UNSEEN),
    "contests": column(_UNSEEN),
}

_SEGMENTS: dict[str, Column] = {
    **_common(),
    "segment_key": column(_UNSEEN, Given(), Unique()),
    "video_key": column(_WRONG_VIDEO, Given(), Refers("videos")),
    "video_id": column(_WRONG_VIDEO, Given(), SameAs("videos", "video_key", "video_id")),
    "content_sha256": column(
        _WRONG_VIDEO, Given(), AmongOf("videos", "video_key", "content_sha256", "chunks")
    ),
    "start_ms": column(_WRONG_MOMENT, Given(), Within(0), InOrder()),
    "end_ms": column(_WRONG_MOMENT, Given(), NotBefore("start_ms", strictly=True)),
    "shot_index": column(_UNSEEN, Given(), Within(0), InOrder()),
    "keyframe_ms": column("moments show the wrong picture", Given(), NotBefore("start_ms")),
    "frame_count": column(_UNSEEN, Given(), Within(1)),
    "text": column(_WORDS, Given(), Varied(), Derived("joined text")),
    "terms": column(_WORDS, Derived("terms")),
    "screen_text": column(_WORDS),
    "utterances": column(_WORDS),
    "post_text": column(_WORDS),
    "utterance_vectors": column("links by what is said are wrong", Derived("texts of moments")),
    "frame_vector": column(_LOOKS, Given(), Unit(), Varied(), Derived("frames")),
    "text_vector": column(_MEANING, Unit(), Varied(), Derived("texts of moments")),
    "merchant_id": column(_FILTERS, SameAs("videos", "video_key", "merchant_id")),
    "language": column(_FILTERS),
    "published_at": column(_RANKED, SameAs("videos", "video_key", "published_at")),
}

_LINKS: dict[str, Column] = {
    **_common(),
    "link_key": column(_UNSEEN, Given(), Unique(), KeyOf(("video_key", "sku"), link_key)),
    "video_key": column(_WRONG_VIDEO, Given(), Refers("videos")),
    "video_id": column(_WRONG_VIDEO, Given(), SameAs("videos", "video_key", "video_id")),
    "product_key": column(_WRONG_PRODUCT, Given(), Refers("products"), Derived("links")),
    "sku": column(_WRONG_PRODUCT, Given(), SameAs("products", "product_key", "sku")),
    "score": column(_RANKED, Given(), Within(0, 1), Derived("links")),
    "scores": column(_RANKED, Given()),
    "post_text_score": column(_RANKED, Within(0, 1)),
    "spans": column(_WRONG_MOMENT, Given(), Derived("links")),
    "evidence": column(_SHOWN, Given()),
    "merchant_id": column(_FILTERS),
    "group_id": column(_WRONG_PRODUCT, Derived("links")),
    "variant": column(_WRONG_PRODUCT, Derived("links")),
    "override": column(_WRONG_PRODUCT, Derived("links")),
    "timeline": column(_WRONG_MOMENT, Derived("links")),
}

_FAILURES: dict[str, Column] = {
    **_common(),
    "failure_key": column(_UNSEEN, Given(), Unique()),
    **{
        name: column(_UNSEEN)
        for name in (
            "input",
            "source",
            "stage",
            "kind",
            "message",
            "attempt",
            "stage_fingerprint",
            "item_id",
            "line",
            "at",
            "trace",
        )
    },
}

DECLARED: Mapping[str, Mapping[str, Column]] = {
    "products": _PRODUCTS,
    "product_images": _PRODUCT_IMAGES,
    "videos": _VIDEOS,
    "segments": _SEGMENTS,
    "links": _LINKS,
    "failures": _FAILURES,
}
