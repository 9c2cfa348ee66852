"""Arrow schemas of the tables, and the version of the whole layout.

A store made by any version since `OLDEST_SCHEMA` opens: readers take a column that is not there
for null, and the next writer adds it (`reelshelf.indexer.store.migration`). So what is new is
nullable, and stands last in its table, in `ADDED`. Names that are stored stay: releases that are
kept, and searchers that read with plain lancedb, depend on them.

Instants are UTC microseconds, spans int64 milliseconds, vectors float32 of unit length.
"""

import pyarrow as pa

SCHEMA_VERSION = 13
OLDEST_SCHEMA = 4

INSTANT = pa.timestamp("us", tz="UTC")
SPAN = pa.struct([("start_ms", pa.int64()), ("end_ms", pa.int64())])
BOX = pa.struct([(side, pa.float32()) for side in ("left", "top", "right", "bottom")])
SCREEN_TEXT = pa.struct(
    [
        ("text", pa.string()),
        ("confidence", pa.float32()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("box", BOX),
    ]
)
UTTERANCE = pa.struct(
    [
        ("text", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("log_probability", pa.float32()),
    ]
)
SCORES = pa.struct([(sense, pa.float32()) for sense in ("visual", "ocr", "asr", "merchant")])
EVIDENCE = pa.struct(
    [
        ("sense", pa.string()),
        ("span", SPAN),
        ("at_ms", pa.int64()),
        ("score", pa.float32()),
        ("text", pa.string()),
        ("box", BOX),
        ("image", pa.string()),
    ]
)
CALLS = pa.struct(
    [
        (name, pa.int64())
        for name in (
            "video_ms_decoded",
            "audio_ms_decoded",
            "frames_encoded",
            "frames_detected",
            "lines_recognised",
            "audio_ms_heard",
            "texts_encoded",
        )
    ]
)
PUBLISHED = pa.struct([("run_id", pa.string()), ("left_at", INSTANT)])
ATTRIBUTE = pa.struct([("name", pa.string()), ("value", pa.string())])
STAGE_VERSION = pa.struct([("stage", pa.string()), ("version", pa.int32())])

# Schema 8. Digests of a row's cells, made with the row (`reelshelf.indexer.store.row_checksums`).
_CELL_CHECKSUMS = pa.field("cell_checksums", pa.binary())
# Schema 8. How many links a video was given when it was last linked.
_LINK_COUNT = pa.field("link_count", pa.int32())

CHAPTER = pa.struct([("start_ms", pa.int64()), ("title", pa.string())])
POST_TEXT = pa.struct(
    [
        ("kind", pa.string()),
        ("text", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("inside", pa.bool_()),
    ]
)
# Schema 9. How often a file's clock went back or jumped; the hashes of the chunks of a long video,
# in order, null of one that was made in one piece.
_OF_MEDIA = (
    pa.field("clock_jumps", pa.int32()),
    pa.field("chunks", pa.list_(pa.string())),
    pa.field("description", pa.string()),
    pa.field("hashtags", pa.list_(pa.string())),
    pa.field("chapters", pa.list_(CHAPTER)),
    pa.field("subtitles", pa.string()),
    pa.field("kind", pa.string()),
    pa.field("started_at", INSTANT),
    pa.field("ended_at", INSTANT),
    # Of what was said of it in words when its text was made; null of rows of before.
    pa.field("post_fingerprint", pa.string()),
)
# Schema 9. What was posted with a video that belongs to a moment, and what it is worth to a link.
_POSTED = pa.field("post_text", pa.list_(POST_TEXT))
_POST_SCORE = pa.field("post_text_score", pa.float32())
# Schema 10. The words of a moment's text as full text has them, parted by spaces; null of rows that
# the simple analyzer made.
_TERMS = pa.field("terms", pa.string())

# Schema 11. What the variants of one product have in common, whether it is known which is shown,
# and the override that a link stands on.
OVERRIDE = pa.struct(
    [
        *((name, pa.string()) for name in ("video_id", "verdict", "sku", "group_id", "who", "why")),
        ("at", INSTANT),
    ]
)
_OF_LINKS = (
    pa.field("group_id", pa.string()),
    pa.field("variant", pa.string()),
    pa.field("override", OVERRIDE),
    # Of lives: each stretch of a product, and what replaced it when.
    pa.field(
        "timeline",
        pa.list_(
            pa.struct(
                [
                    ("start_ms", pa.int64()),
                    ("end_ms", pa.int64()),
                    ("replaced_ms", pa.int64()),
                    ("replaced_by", pa.string()),
                ]
            )
        ),
    ),
)

# Schema 12. The state of the catalog that a video's links were made from, the SKUs that decided
# them, and what others would have to reach (`reelshelf.indexer.linking.trace`).
_OF_LINKING = (
    pa.field("linked_catalog", pa.string()),
    pa.field("deciding", pa.list_(pa.string())),
    pa.field("contests", pa.binary()),
)

# Columns that tables were given after they were first made, in the order in which they were.
ADDED: dict[str, tuple[pa.Field, ...]] = {
    "runs": (
        # Schema 5. The conditions that kept a run from publishing.
        pa.field("refused_by", pa.string()),
        # Schema 6. The stage it was last in, and what the gate's failure rate was made of.
        pa.field("stage", pa.string()),
        pa.field("failure_rate", pa.float64()),
        # Schema 8. How many rows it left in each table, where nothing has touched them since.
        pa.field("rows", pa.string()),
    ),
    # Schema 6. Versions of the code that made each stage's output; null: as of schema 5.
    "videos": (
        pa.field("stage_versions", pa.list_(STAGE_VERSION)),
        _LINK_COUNT,
        _CELL_CHECKSUMS,
        *_OF_MEDIA,
        *_OF_LINKING,
    ),
    "products": (
        pa.field("stage_version", pa.int32()),
        _CELL_CHECKSUMS,
        # Schema 10. What the variants of one thing have in common.
        pa.field("group_id", pa.string()),
    ),
    "product_images": (pa.field("stage_version", pa.int32()), _CELL_CHECKSUMS),
    "segments": (_CELL_CHECKSUMS, _POSTED, _TERMS),
    "links": (_CELL_CHECKSUMS, _POST_SCORE, *_OF_LINKS),
    # Schema 11. Whitened frames, one after the other, and the shares of frequent words, as JSON.
    "backgrounds": (
        pa.field("cohort", pa.list_(pa.float32())),
        pa.field("term_shares", pa.string()),
        # Schema 12. Whitened pictures, one after the other, and what the catalog had, as JSON.
        pa.field("picture_cohort", pa.list_(pa.float32())),
        pa.field("counts", pa.string()),
        # Schema 13. Trained FAISS indexes without vectors.
        pa.field("picture_cells", pa.large_binary()),
        pa.field("text_cells", pa.large_binary()),
    ),
    # What was kept of vanished videos before schema 8 has these after `vanished_at`.
    "vanished_videos": (_LINK_COUNT, _CELL_CHECKSUMS, *_OF_MEDIA, *_OF_LINKING),
    "vanished_segments": (_CELL_CHECKSUMS, _POSTED, _TERMS),
    "chunk_segments": (_TERMS,),
    # Schema 6. The traceback of an error that nobody expects of an input.
    "failures": (pa.field("trace", pa.string()), _CELL_CHECKSUMS),
    # Schema 6. What a store keeps of the config that its rows were made with.
    "store": (pa.field("settings", pa.string()),),
    "head": (
        # Schema 7. Runs of releases that somebody went back from, and of those that hold something
        # erased; the calibration that counts since somebody went back, with its generation.
        pa.field("withdrawn", pa.list_(pa.string())),
        pa.field("erased", pa.list_(pa.string())),
        pa.field("calibration", pa.string()),
        # Schema 7. Versions that tables are on their way to, where more than one has to get there.
        pa.field("restoring", pa.string()),
    ),
}

# What decoding says of a video, or of a chunk of one.
_DECODED = (
    ("absent", pa.list_(pa.string())),
    ("segment_count", pa.int32()),
    ("frames_decoded", pa.int64()),
    ("frames_sampled", pa.int32()),
    ("near_duplicates", pa.int32()),
    ("corrupt_packets", pa.int32()),
)
# The stages that made its moments.
_STAGES = (
    ("media_fingerprint", pa.string()),
    ("frames_fingerprint", pa.string()),
    ("asr_fingerprint", pa.string()),
    ("ocr_fingerprint", pa.string()),
    ("text_fingerprint", pa.string()),
)


def vector(dim: int) -> pa.DataType:
    """Type of a vector column of `dim` float32 values."""
    return pa.list_(pa.float32(), dim)


def _required(*fields: tuple[str, pa.DataType]) -> list[pa.Field]:
    return [pa.field(name, kind, nullable=False) for name, kind in fields]


def _optional(*fields: tuple[str, pa.DataType]) -> list[pa.Field]:
    return [pa.field(name, kind) for name, kind in fields]


def _added(table: str) -> list[pa.Field]:
    return list(ADDED.get(table, ()))


_COMMON = _required(
    ("shop_id", pa.string()),
    ("schema_version", pa.int32()),
    ("run_id", pa.string()),
)


def store_schema() -> pa.Schema:
    """One row for each generation: whose it is, and which vector spaces it holds.

    A generation is a set of data tables for one pair of encoders. The first has the plain names.
    """
    return pa.schema(
        _required(
            ("generation", pa.int32()),
            ("shop_id", pa.string()),
            ("schema_version", pa.int32()),
            ("image_space", pa.string()),
            ("image_dim", pa.int32()),
            ("text_space", pa.string()),
            ("text_dim", pa.int32()),
            # The encoders as the config named them: all that is known of them before they load.
            ("encoders", pa.string()),
            ("models", pa.string()),
            ("created_at", INSTANT),
        )
        + _added("store")
    )


def products_schema(text_dim: int) -> pa.Schema:
    """One row for each SKU."""
    return pa.schema(
        _required(("product_key", pa.string()), ("sku", pa.string()), ("title", pa.string()))
        + _COMMON
        + _optional(
            ("merchant_id", pa.string()),
            ("brand", pa.string()),
            ("category", pa.list_(pa.string())),
            ("description", pa.string()),
            ("attributes", pa.list_(ATTRIBUTE)),
            ("images", pa.list_(pa.string())),
            ("language", pa.string()),
            ("currency", pa.string()),
            ("price", pa.decimal128(18, 4)),
            ("availability", pa.string()),
            ("rating", pa.float32()),
            ("review_count", pa.int64()),
            ("sales", pa.int64()),
            ("published_at", INSTANT),
            ("updated_at", INSTANT),
            ("first_seen_at", INSTANT),
        )
        + _required(
            ("row_fingerprint", pa.string()),
            ("text_fingerprint", pa.string()),
            ("text_vector", vector(text_dim)),
            ("facts_vector", vector(text_dim)),
        )
        + _added("products")
    )


def product_images_schema(image_dim: int) -> pa.Schema:
    """One row for each product picture that could be read."""
    return pa.schema(
        _required(
            ("image_key", pa.string()),
            ("product_key", pa.string()),
            ("sku", pa.string()),
            ("uri", pa.string()),
            ("content_sha256", pa.string()),
            ("printed", pa.list_(pa.string())),
        )
        + _COMMON
        + _required(
            # Of what made the vector, and of what read the words.
            ("image_fingerprint", pa.string()),
            ("reading_fingerprint", pa.string()),
            ("image_vector", vector(image_dim)),
        )
        + _added("product_images")
    )


def videos_schema() -> pa.Schema:
    """One row for each indexed video. Written last, so it marks its segments as whole."""
    return pa.schema(
        _required(("video_key", pa.string()), ("video_id", pa.string()), ("path", pa.string()))
        + _COMMON
        + _optional(
            ("merchant_id", pa.string()),
            ("merchant_skus", pa.list_(pa.string())),
            ("title", pa.string()),
            ("language", pa.string()),
            ("published_at", INSTANT),
            ("first_seen_at", INSTANT),
        )
        + _required(
            ("content_sha256", pa.string()),
            ("duration_ms", pa.int64()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("rotation", pa.int32()),
            ("codec", pa.string()),
            ("container", pa.string()),
            *_DECODED,
            # What the models were asked for it: what asking again would cost.
            ("calls", CALLS),
            *_STAGES,
        )
        + _optional(
            ("duplicates", pa.list_(pa.string())),
            ("duplicates_fingerprint", pa.string()),
            ("duplicate_cluster", pa.string()),
            # Of everything its links were made from; null while they are due.
            ("links_fingerprint", pa.string()),
        )
        + _added("videos")
    )


def segments_schema(image_dim: int, text_dim: int) -> pa.Schema:
    """One row for each moment of a video."""
    return pa.schema(
        _required(
            ("segment_key", pa.string()),
            ("video_key", pa.string()),
            ("video_id", pa.string()),
            ("content_sha256", pa.string()),
        )
        + _COMMON
        + _required(
            ("start_ms", pa.int64()),
            ("end_ms", pa.int64()),
            ("shot_index", pa.int32()),
            ("keyframe_ms", pa.int64()),
            ("frame_count", pa.int32()),
            ("text", pa.string()),
            ("screen_text", pa.list_(SCREEN_TEXT)),
            ("utterances", pa.list_(UTTERANCE)),
            # One after the other: Lance knows no lists of vectors.
            ("utterance_vectors", pa.list_(pa.float32())),
            ("frame_vector", vector(image_dim)),
        )
        + _optional(
            ("text_vector", vector(text_dim)),
            ("merchant_id", pa.string()),
            ("language", pa.string()),
            ("published_at", INSTANT),
        )
        + _added("segments")
    )


def vanished_videos_schema() -> pa.Schema:
    """One row for each video that left the source a short while ago, as it was in `videos`."""
    return videos_schema().append(pa.field("vanished_at", INSTANT))


def chunks_schema() -> pa.Schema:
    """One row for each chunk of a long video that is done. Written last, as that of a video is.

    Not pinned by a release: `videos` lists the chunks that a video is made of. Its moments are in
    `segments`, or in `chunk_segments` as long as others of the video are missing.
    """
    return pa.schema(
        _required(
            ("chunk_key", pa.string()),
            ("video_key", pa.string()),
            ("number", pa.int32()),
            ("start_ms", pa.int64()),
            ("end_ms", pa.int64()),
            ("content_sha256", pa.string()),
            ("start_pts", pa.int64()),
            ("position", pa.int64()),
        )
        + _optional(("end_pts", pa.int64()), ("end_position", pa.int64()))
        + _COMMON
        + _required(
            *_DECODED,
            ("clock_jumps", pa.int32()),
            ("calls", CALLS),
            *_STAGES,
            ("stage_versions", pa.list_(STAGE_VERSION)),
        )
        + _optional(("language", pa.string()))
    )


def erased_schema() -> pa.Schema:
    """One row for each video or product that was taken down, and stays so until that is lifted."""
    return pa.schema(
        _required(
            ("item_key", pa.string()),
            ("input", pa.string()),
            ("item_id", pa.string()),
            ("erased_at", INSTANT),
        )
        + _optional(("reason", pa.string()))
    )


def overrides_schema() -> pa.Schema:
    """One row for each override: of a video and a SKU, a group, or (neither) all others.

    Not pinned by a release: links are made with them, and going back does not take them back.
    """
    return pa.schema(
        _required(
            ("override_key", pa.string()),
            ("video_key", pa.string()),
            ("video_id", pa.string()),
            ("verdict", pa.string()),
        )
        + _optional(
            ("sku", pa.string()),
            ("group_id", pa.string()),
            ("who", pa.string()),
            ("why", pa.string()),
            ("at", INSTANT),
        )
    )


def links_schema() -> pa.Schema:
    """One row for each (video, SKU) pair that scored above `linking.keep_above`."""
    return pa.schema(
        _required(
            ("link_key", pa.string()),
            ("video_key", pa.string()),
            ("video_id", pa.string()),
            ("product_key", pa.string()),
            ("sku", pa.string()),
        )
        + _COMMON
        + _required(
            ("score", pa.float32()),
            ("scores", SCORES),
            ("spans", pa.list_(SPAN)),
            ("evidence", pa.list_(EVIDENCE)),
        )
        + _optional(("merchant_id", pa.string()))
        + _added("links")
    )


def failures_schema() -> pa.Schema:
    """One row for each input that has no rows: a video that failed, a row that was refused."""
    return pa.schema(
        _required(
            ("failure_key", pa.string()),
            ("input", pa.string()),
            ("source", pa.string()),
            ("stage", pa.string()),
            ("kind", pa.string()),
            ("message", pa.string()),
            ("attempt", pa.int32()),
            # Of the stage that failed: with other settings it is tried again.
            ("stage_fingerprint", pa.string()),
        )
        + _COMMON
        + _optional(("item_id", pa.string()), ("line", pa.int64()), ("at", INSTANT))
        + _added("failures")
    )


def runs_schema() -> pa.Schema:
    """One row for each run, from its start on; `status` is `running` until it ends."""
    return pa.schema(
        _COMMON
        + _required(
            ("status", pa.string()),
            ("started_at", INSTANT),
            ("ended_at", INSTANT),
            ("submitted", pa.int64()),
            ("indexed", pa.int64()),
            ("skipped", pa.int64()),
            ("failed", pa.int64()),
            ("config", pa.string()),
            ("models", pa.string()),
            ("planned", pa.string()),
            ("calls", pa.string()),
            ("spent", pa.string()),
            # Where the run read from, for a reindex that is not told.
            ("source", pa.string()),
        )
        + _optional(
            ("message", pa.string()),
            ("release_id", pa.string()),
            ("cost", pa.float64()),
            ("cost_per_video", pa.float64()),
            ("currency", pa.string()),
        )
        + _added("runs")
    )


def sources_schema() -> pa.Schema:
    """One row for each file seen: its stamp, and the hash of the bytes it had then.

    What a planner needs to leave unchanged files unread. Not pinned by a release: a file that was
    only touched changes nothing that is published. The hash is empty where nobody could read it.
    """
    return pa.schema(
        _required(
            ("source_key", pa.string()),
            ("size", pa.int64()),
            ("mtime_ns", pa.int64()),
            ("ctime_ns", pa.int64()),
            ("inode", pa.int64()),
            ("version", pa.string()),
            ("content_sha256", pa.string()),
        )
    )


def head_schema() -> pa.Schema:
    """One row for the store: who may write, what is published, what is served.

    `withdrawn`, `erased` and `calibration` say what going back has come to.
    All in one row, so that publishing and losing the lease cannot both happen. `change` counts its
    changes, each of which is made only if it is the next one. `published` lists the releases by
    their runs, and when searchers were told to leave each; `serving` is the one they are to open.
    `hold` says why runs may not publish: somebody went back to an older release.
    """
    return pa.schema(
        _required(
            ("head", pa.string()),
            ("change", pa.int64()),
            ("token", pa.string()),
            ("published", pa.list_(PUBLISHED)),
        )
        + _optional(
            ("serving", pa.string()),
            ("hold", pa.string()),
            ("run_id", pa.string()),
            ("holder", pa.string()),
            ("machine", pa.string()),
            ("process", pa.string()),
            ("renewed_at", INSTANT),
            ("expires_at", INSTANT),
        )
        + _added("head")
    )


def releases_schema() -> pa.Schema:
    """One row for each release. Those are published that `head` names."""
    return pa.schema(
        _required(
            ("run_id", pa.string()),
            ("release_id", pa.string()),
            ("sequence", pa.int64()),
            ("schema_version", pa.int32()),
            ("created_at", INSTANT),
            ("record", pa.string()),
        )
    )


def backgrounds_schema(image_dim: int) -> pa.Schema:
    """One row for each set of visual statistics; a release names the one its links used."""
    return pa.schema(
        _required(
            ("background_id", pa.string()),
            ("created_at", INSTANT),
            ("frame_mean", vector(image_dim)),
            ("picture_mean", vector(image_dim)),
            ("nuisance", pa.list_(pa.float32())),
            ("shrinkage", pa.list_(pa.float32())),
            ("noise", pa.float64()),
            ("segments", pa.int64()),
            ("pictures", pa.int64()),
        )
        + _added("backgrounds")
    )


def calibrations_schema() -> pa.Schema:
    """One row for each calibration fitted on this shop's labels; the newest counts."""
    return pa.schema(
        _required(
            ("calibration_id", pa.string()),
            ("created_at", INSTANT),
            ("record", pa.string()),
        )
    )


def quantizers_schema() -> pa.Schema:
    """One row for each quantizer trained. An index carries the first digits of its hash as name.

    `centroids`, `codebook` and `queries` are little-endian float32; `recipe` says, as JSON, how it
    was trained and on what. `queries` are real rows that recall is measured on ever after.
    """
    return pa.schema(
        _required(
            ("sha256", pa.string()),
            ("created_at", INSTANT),
            ("recipe", pa.string()),
            ("centroids", pa.large_binary()),
            ("codebook", pa.large_binary()),
            ("queries", pa.large_binary()),
        )
    )


def files_schema() -> pa.Schema:
    """One row for each file of a released table version: its size and SHA-256 when it was new."""
    return pa.schema(
        _required(
            ("path", pa.string()),
            ("size", pa.int64()),
            ("sha256", pa.string()),
            ("noted_at", INSTANT),
        )
    )
