"""Records to Arrow tables and back. The only place that knows both."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from reelshelf.indexer.store.row_checksums import with_checksums, with_checksums_again
from reelshelf.indexer.text.clean import printable
from reelshelf.schemas import tables
from reelshelf.schemas.catalog import (
    Chapter,
    EncodedImage,
    EncodedPicture,
    EncodedProduct,
    FingerprintedProduct,
    Product,
    ProductVectors,
    RejectedPicture,
    RejectedRow,
    VideoSource,
)
from reelshelf.schemas.keys import child_key, link_key, product_key, video_key
from reelshelf.schemas.links import (
    Evidence,
    LinkableVideo,
    Modality,
    ProductLink,
    Showing,
    Span,
    VariantState,
)
from reelshelf.schemas.media import Box, Chunk, DecodeCounts, Vectors, VideoInfo
from reelshelf.schemas.outcomes import Divided, Failed, Indexed
from reelshelf.schemas.overrides import Override, Verdict
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Stage, StageFingerprint, StageFingerprints
from reelshelf.schemas.segments import (
    ModelCalls,
    PostKind,
    PostText,
    ScreenText,
    Segment,
    SegmentedVideo,
    Utterance,
)
from reelshelf.schemas.stages import FIRST_VERSIONS, STAGES
from reelshelf.schemas.upgrades import calls_record

# The fingerprint of each stage of a video. Two stored names are older than the stages' own.
STAGE_COLUMNS = {
    stage.name: {Stage.DECODE: "media_fingerprint", Stage.VISUAL: "frames_fingerprint"}.get(
        Stage(stage.name), f"{stage.name}_fingerprint"
    )
    for stage in STAGES
}

# What each moment has of its video's source.
OF_THE_SOURCE = ("merchant_id", "published_at")

# One row as Arrow takes and gives it. It never leaves this room: outside, rows are records.
Cells: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunContext:
    """What every row of a run carries."""

    run_id: str
    shop_id: str
    started_at: dt.datetime
    refs: ModelRefs
    fingerprints: StageFingerprints
    # Of a video that fails, and of a picture that does.
    failure_fingerprint: str
    picture_fingerprint: str

    @property
    def common(self) -> Cells:
        """The columns that all tables share."""
        return {
            "shop_id": self.shop_id,
            "schema_version": tables.SCHEMA_VERSION,
            "run_id": self.run_id,
        }


def cells_of(record: Any) -> Cells:
    """The fields of a record as cells. `dataclasses.asdict` would copy each of them, deeply."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _with_box(record: ScreenText | Evidence) -> Cells:
    """The same for what may have a place in the frame."""
    return cells_of(record) | {"box": None if record.box is None else cells_of(record.box)}


def now() -> dt.datetime:
    """This instant, in UTC."""
    return dt.datetime.now(dt.UTC)


def chunk_rows(batch: Sequence[Indexed], run: RunContext) -> pa.Table:
    """One row for each chunk that is done."""
    rows = []
    for done in batch:
        job, video, chunk = done.job, done.video, done.job.chunk
        assert chunk is not None
        placed = cells_of(chunk)
        rows.append(
            run.common
            | placed
            | {
                "chunk_key": child_key(job.key, "chunk", chunk.sha256),
                "video_key": job.key,
                "content_sha256": chunk.sha256,
                "absent": list(video.absent),
                "segment_count": len(video.segments),
                **cells_of(video.counts),
                "calls": calls_cells(video.calls),
                **_stage_cells(job.kept or run.fingerprints),
                "language": video.language,
            }
        )
    return pa.Table.from_pylist(rows, schema=tables.chunks_schema())


def chunk_from(row: Cells) -> Chunk:
    """A chunk from its row."""
    placed = {name: row[name] for name in Chunk.__dataclass_fields__ if name != "sha256"}
    return Chunk(**placed, sha256=row["content_sha256"])


def long_video_row(
    divided: Divided, done: Sequence[Cells], run: RunContext, first_seen: dt.datetime | None
) -> pa.Table:
    """The row of a video that is made of chunks; `done` are the rows of these, in order."""
    job, last = divided.job, done[-1]
    calls = sum((calls_from(row["calls"]) for row in done), ModelCalls())
    # A video is as old as the oldest of its chunks.
    versions = [{item["stage"]: item["version"] for item in row["stage_versions"]} for row in done]
    oldest = {stage: min(own[stage] for own in versions) for stage in versions[0]}
    # Without sound is what has none anywhere; text that was not read is missed wherever it is.
    absent = [
        name
        for name in dict.fromkeys(name for row in done for name in row["absent"])
        if name.startswith("on-screen") or all(name in row["absent"] for row in done)
    ]
    counts = {name: sum(row[name] for row in done) for name in DecodeCounts.__dataclass_fields__}
    cells = run.common | {
        "video_key": job.key,
        **_source_columns(job.source),
        "first_seen_at": first_seen or run.started_at,
        "content_sha256": divided.content_sha256,
        "duration_ms": last["end_ms"],
        "width": divided.info.width,
        "height": divided.info.height,
        "rotation": divided.info.rotation,
        "codec": divided.info.codec,
        "container": divided.info.container,
        "absent": absent,
        "segment_count": sum(row["segment_count"] for row in done),
        **counts,
        "calls": calls_cells(calls),
        **{column: last[column] for column in STAGE_COLUMNS.values()},
        "stage_versions": [{"stage": s, "version": v} for s, v in oldest.items()],
        "duplicate_cluster": divided.content_sha256,
        "post_fingerprint": job.post_fingerprint,
        "chunks": [row["content_sha256"] for row in done],
    }
    return with_checksums("videos", pa.Table.from_pylist([cells], schema=tables.videos_schema()))


def video_rows(
    batch: Sequence[Indexed], run: RunContext, first_seen: dict[str, dt.datetime]
) -> pa.Table:
    """One row for each indexed video."""
    rows = []
    for done in batch:
        source, video = done.job.source, done.video
        stages = done.job.kept or run.fingerprints
        rows.append(
            run.common
            | {
                "video_key": done.job.key,
                **_source_columns(source),
                "first_seen_at": first_seen.get(done.job.key, run.started_at),
                "content_sha256": done.video.content_sha256,
                "duration_ms": video.end_ms,
                "width": video.info.width,
                "height": video.info.height,
                "rotation": video.info.rotation,
                "codec": video.info.codec,
                "container": video.info.container,
                "absent": list(video.absent),
                "segment_count": len(video.segments),
                **cells_of(video.counts),
                "calls": calls_cells(video.calls),
                **_stage_cells(stages),
                "post_fingerprint": done.job.post_fingerprint,
                # Exact copies are known now; near-duplicates join their clusters later.
                "duplicates": None,
                "duplicates_fingerprint": None,
                "duplicate_cluster": done.video.content_sha256,
                "links_fingerprint": None,
                "linked_catalog": None,
                "deciding": None,
                "contests": None,
            }
        )
    return with_checksums("videos", pa.Table.from_pylist(rows, schema=tables.videos_schema()))


def calls_cells(calls: ModelCalls) -> Cells:
    """Calls by their stored names, of which one has another spelling."""
    cells = cells_of(calls)
    return cells | {"lines_recognised": cells.pop("lines_recognized")}


def calls_from(cells: Cells) -> ModelCalls:
    """Calls from their stored names."""
    return ModelCalls(**calls_record(cells))


def _stage_cells(stages: StageFingerprints) -> Cells:
    cells: Cells = {STAGE_COLUMNS[stage]: mark.value for stage, mark in stages.items()}
    versions = [{"stage": stage, "version": mark.version} for stage, mark in stages.items()]
    return cells | {"stage_versions": versions}


def stages_from(row: Cells, names: Mapping[str, str]) -> StageFingerprints:
    """What made a video's rows. `names` says what its fingerprints are called now."""
    kept = {item["stage"]: item["version"] for item in row["stage_versions"] or ()}
    versions = FIRST_VERSIONS | kept
    return {
        stage: StageFingerprint(names.get(row[column], row[column]), versions[stage])
        for stage, column in STAGE_COLUMNS.items()
        if row[column] is not None
    }


def with_sources(
    stored: dict[str, Cells],
    changed: Sequence[tuple[str, VideoSource]],
    run: RunContext,
) -> pa.Table:
    """Rows of `videos` with what the shop now says of them."""
    schema = tables.videos_schema()
    due = {"links_fingerprint": None}
    before = pa.Table.from_pylist([stored[key] for key, _ in changed], schema=schema)
    rows = [stored[key] | run.common | _source_columns(source) | due for key, source in changed]
    return with_checksums_again("videos", before, pa.Table.from_pylist(rows, schema=schema))


def described(segments: pa.Table, sources: Mapping[str, VideoSource]) -> pa.Table:
    """Rows of `segments` with what they have of their video's source, which is given by key."""
    own = [sources[key] for key in segments["video_key"].to_pylist()]
    for name in OF_THE_SOURCE:
        place = segments.schema.get_field_index(name)
        field = segments.schema.field(place)
        values = pa.array([getattr(source, name) for source in own], field.type)
        segments = segments.set_column(place, field, values)
    return segments


def _source_columns(source: VideoSource) -> Cells:
    return cells_of(source) | {
        "chapters": [cells_of(chapter) for chapter in source.chapters],
        "path": printable(source.path),
        "merchant_skus": list(source.merchant_skus),
        "subtitles": None if source.subtitles is None else printable(source.subtitles),
    }


def source_from(row: Cells) -> VideoSource:
    """What the shop said of a video, from its row."""
    given = {field.name: row[field.name] for field in fields(VideoSource)}
    return VideoSource(
        **given
        | {
            "merchant_skus": tuple(given["merchant_skus"] or ()),
            "hashtags": tuple(given["hashtags"] or ()),
            "chapters": tuple(Chapter(**chapter) for chapter in given["chapters"] or ()),
        }
    )


def segment_rows(batch: Sequence[Indexed], run: RunContext) -> pa.Table:
    """One row for each segment of each video."""
    schema = tables.segments_schema(run.refs.image.dim, run.refs.text.dim)
    rows: list[Cells] = []
    frames: list[Vectors] = []
    texts: list[Vectors | None] = []
    for done in batch:
        source = done.job.source
        for segment in done.video.segments:
            rows.append(
                run.common
                | {
                    "segment_key": segment.segment_key,
                    "video_key": done.job.key,
                    "video_id": source.video_id,
                    "content_sha256": done.video.content_sha256,
                    "start_ms": segment.start_ms,
                    "end_ms": segment.end_ms,
                    "shot_index": segment.shot_index,
                    "keyframe_ms": segment.keyframe_ms,
                    "frame_count": segment.frame_count,
                    "text": segment.text,
                    "screen_text": [_with_box(line) for line in segment.screen_text],
                    "utterances": [cells_of(utterance) for utterance in segment.utterances],
                    "utterance_vectors": segment.utterance_vectors.ravel(),
                    "post_text": [cells_of(posted) for posted in segment.post_text],
                    "merchant_id": source.merchant_id,
                    "language": segment.language or done.video.language,
                    "terms": segment.terms,
                    "published_at": source.published_at,
                }
            )
            frames.append(segment.frame_vector)
            texts.append(segment.text_vector)
    columns = {
        "frame_vector": vector_array(frames, run.refs.image.dim),
        "text_vector": vector_array(texts, run.refs.text.dim),
    }
    return with_checksums("segments", _with_vectors(rows, columns, schema))


def product_rows(
    products: Sequence[FingerprintedProduct],
    vectors: Mapping[str, ProductVectors],
    first_seen: Mapping[str, dt.datetime],
    run: RunContext,
) -> pa.Table:
    """One row for each product. `vectors` are by SKU, `first_seen` by product key."""
    rows = []
    for item in products:
        product = item.product
        key = product_key(run.shop_id, product.sku)
        rows.append(
            cells_of(product)
            | run.common
            | {
                "product_key": key,
                "attributes": [{"name": n, "value": v} for n, v in product.attributes],
                "first_seen_at": first_seen.get(key, run.started_at),
                "row_fingerprint": item.row_fingerprint,
                "text_fingerprint": item.text_fingerprint,
                "stage_version": item.version,
            }
        )
    dim = run.refs.text.dim
    own = [vectors[item.product.sku] for item in products]
    columns = {
        "text_vector": vector_array([vector.text for vector in own], dim),
        "facts_vector": vector_array([vector.facts for vector in own], dim),
    }
    return with_checksums("products", _with_vectors(rows, columns, tables.products_schema(dim)))


def product_image_rows(
    pictures: Sequence[EncodedPicture], fingerprints: tuple[str, str], run: RunContext
) -> pa.Table:
    """One row for each picture."""
    rows = [
        run.common
        | {
            "image_key": item.job.image_key,
            "product_key": item.job.product_key,
            "sku": item.job.sku,
            "uri": item.image.uri,
            "content_sha256": item.image.content_sha256,
            "printed": list(item.image.packaging_text),
            "image_fingerprint": fingerprints[0],
            "reading_fingerprint": fingerprints[1],
            "stage_version": item.job.version,
        }
        for item in pictures
    ]
    dim = run.refs.image.dim
    columns = {"image_vector": vector_array([item.image.vector for item in pictures], dim)}
    table = _with_vectors(rows, columns, tables.product_images_schema(dim))
    return with_checksums("product_images", table)


def link_rows(links: Iterable[tuple[str, ProductLink]], run: RunContext) -> pa.Table:
    """One row for each (video id, link)."""
    rows = [
        run.common
        | {
            "link_key": link_key(link.video_key, link.sku),
            "video_key": link.video_key,
            "video_id": video_id,
            "product_key": link.product_key,
            "sku": link.sku,
            "score": link.score,
            "scores": {modality.value: score for modality, score in link.scores},
            "post_text_score": dict(link.scores).get(Modality.POST_TEXT, 0.0),
            "spans": [cells_of(span) for span in link.spans],
            "evidence": [_evidence_cells(piece) for piece in link.evidence],
            "merchant_id": None,
            "group_id": link.group_id,
            "variant": link.variant.value if link.variant else None,
            "override": _override_cells(link.override),
            "timeline": [cells_of(item) for item in link.timeline] or None,
        }
        for video_id, link in links
    ]
    return with_checksums("links", pa.Table.from_pylist(rows, schema=tables.links_schema()))


def failure_rows(
    failed: Sequence[Failed],
    pictures: Sequence[RejectedPicture],
    rejected: Sequence[RejectedRow],
    run: RunContext,
) -> pa.Table:
    """One row for each failed video, each unusable picture and each refused row of a list."""
    rows = [
        run.common
        | {
            "failure_key": video_key(run.shop_id, item.video_id),
            "input": "video",
            "source": printable(item.path),
            "item_id": item.video_id,
            "line": None,
            "stage": item.stage,
            "kind": item.kind.value,
            "message": item.message,
            "attempt": item.attempt,
            "stage_fingerprint": run.failure_fingerprint,
            "at": run.started_at,
            "trace": item.trace,
        }
        for item in failed
    ]
    rows += [
        run.common
        | {
            "failure_key": item.image_key,
            "input": "picture",
            "source": item.uri,
            "item_id": item.sku,
            "line": None,
            "stage": "read",
            "kind": "rejected_picture",
            "message": item.reason,
            "attempt": 1,
            "stage_fingerprint": run.picture_fingerprint,
            "at": run.started_at,
        }
        for item in pictures
    ]
    for row in rejected:
        identity = (row.source, str(row.line), row.item_id or "", row.reason)
        rows.append(
            run.common
            | {
                "failure_key": child_key(video_key(run.shop_id, "row"), *identity),
                "input": "row",
                "source": row.source,
                "item_id": row.item_id,
                "line": row.line,
                "stage": "read",
                "kind": "rejected_row",
                "message": row.reason,
                "attempt": 1,
                "stage_fingerprint": "",
                "at": run.started_at,
            }
        )
    unique = {row["failure_key"]: row for row in rows}
    made = pa.Table.from_pylist(list(unique.values()), schema=tables.failures_schema())
    return with_checksums("failures", made)


def free_head() -> pa.Table:
    """The one row of `head` in a new store: nobody writes, nothing is published."""
    row = {"head": "head", "change": 0, "token": "", "published": []}
    return pa.Table.from_pylist([row], schema=tables.head_schema())


def vector_array(vectors: Sequence[Vectors | None], dim: int) -> pa.Array:
    """A fixed-size list column; None becomes null."""
    valid = pa.array([vector is None for vector in vectors], pa.bool_())
    flat = np.zeros((len(vectors), dim), np.float32)
    for row, vector in zip(flat, vectors, strict=True):
        if vector is not None:
            row[:] = vector
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), dim, mask=valid)


def vector_matrix(column: pa.ChunkedArray | pa.Array) -> Vectors:
    """A vector column without nulls as `(n, dim)` float32."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    dim = array.type.list_size
    flat = array.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(-1, dim)


def encoded_products(
    products: pa.Table, images: pa.Table, texts: Vectors, facts: Vectors, pictures_of: Vectors
) -> list[EncodedProduct]:
    """Products from the rows of both tables.

    `texts` and `facts`, `(products, text_dim)`, and `pictures_of`, `(images, image_dim)`, are the
    vectors of these rows.
    """
    pictures: dict[str, list[EncodedImage]] = {}
    plain = images.select(["product_key", "uri", "content_sha256", "printed"]).to_pylist()
    for row, vector in zip(plain, pictures_of, strict=True):
        image = EncodedImage(row["uri"], row["content_sha256"], vector, tuple(row["printed"]))
        pictures.setdefault(row["product_key"], []).append(image)
    keys = products["product_key"].to_pylist()
    result = []
    records = product_records(products)
    for key, product, text, fact in zip(keys, records, texts, facts, strict=True):
        # The shop's own order of pictures, whatever order the rows come in.
        own = {image.uri: image for image in pictures.get(key, ())}
        ordered = tuple(own[uri] for uri in dict.fromkeys(product.images) if uri in own)
        result.append(EncodedProduct(product, text, fact, ordered))
    return result


def product_records(products: pa.Table | pa.RecordBatch) -> list[Product]:
    """Products from rows of their table."""
    columns = [name for name in Product.__dataclass_fields__ if name in products.schema.names]
    result = []
    for known in products.select(columns).to_pylist():
        known["category"] = tuple(known["category"] or ())
        known["images"] = tuple(known["images"] or ())
        known["attributes"] = tuple((a["name"], a["value"]) for a in known["attributes"] or ())
        result.append(Product(**known))
    return result


def stored_videos(videos: pa.Table, segments: pa.Table) -> dict[str, SegmentedVideo]:
    """Whole videos as an earlier run made them, by their keys."""
    rows = videos.to_pylist()
    moments = _moments(segments, [row["video_key"] for row in rows])
    spoken = dict(
        zip(segments["video_key"].to_pylist(), segments["language"].to_pylist(), strict=True)
    )
    return {
        row["video_key"]: SegmentedVideo(
            content_sha256=row["content_sha256"],
            info=VideoInfo(
                width=row["width"],
                height=row["height"],
                rotation=row["rotation"],
                codec=row["codec"],
                container=row["container"],
                duration_ms=None,
                has_audio="audio" not in row["absent"],
            ),
            end_ms=row["duration_ms"],
            counts=DecodeCounts(
                # Rows of before schema 9 have no jumps.
                **{name: row[name] or 0 for name in DecodeCounts.__dataclass_fields__}
            ),
            segments=moments[row["video_key"]],
            language=spoken.get(row["video_key"]),
            calls=calls_from(row["calls"]),
            asked=ModelCalls(),
            absent=tuple(row["absent"]),
        )
        for row in rows
    }


def stored_chunk(row: Cells, moments: pa.Table, info: VideoInfo) -> SegmentedVideo:
    """A chunk as an earlier run made it. `info` is of the whole video."""
    return SegmentedVideo(
        content_sha256=row["content_sha256"],
        info=info,
        end_ms=row["end_ms"],
        counts=DecodeCounts(**{name: row[name] for name in DecodeCounts.__dataclass_fields__}),
        segments=_moments(moments, [row["video_key"]])[row["video_key"]],
        language=row["language"],
        calls=calls_from(row["calls"]),
        asked=ModelCalls(),
        absent=tuple(row["absent"]),
    )


def linkable_videos(videos: Sequence[Cells], segments: pa.Table) -> list[LinkableVideo]:
    """Videos with their segments in order, from rows of both."""
    moments = _moments(segments, [row["video_key"] for row in videos])
    return [
        LinkableVideo(
            row["video_key"],
            tuple(row["merchant_skus"] or ()),
            moments[row["video_key"]],
            row["merchant_id"],
            row["kind"] == "live",
        )
        for row in videos
    ]


def _moments(segments: pa.Table, keys: Sequence[str]) -> dict[str, tuple[Segment, ...]]:
    """The segments of whole videos in order, by their keys."""
    grouped: dict[str, list[Segment]] = {key: [] for key in keys}
    if segments.num_rows:
        frames = vector_matrix(segments["frame_vector"])
        text_dim = segments.schema.field("text_vector").type.list_size
        plain = segments.drop_columns(["frame_vector"]).to_pylist()
        for row, frame in zip(plain, frames, strict=True):
            grouped[row["video_key"]].append(_segment(row, frame, text_dim))
    return {key: tuple(sorted(found, key=lambda s: s.start_ms)) for key, found in grouped.items()}


def _segment(row: Cells, frame: Vectors, text_dim: int) -> Segment:
    text_vector = row["text_vector"]
    return Segment(
        segment_key=row["segment_key"],
        start_ms=row["start_ms"],
        end_ms=row["end_ms"],
        shot_index=row["shot_index"],
        keyframe_ms=row["keyframe_ms"],
        frame_count=row["frame_count"],
        frame_vector=frame,
        screen_text=tuple(
            ScreenText(**{**line, "box": Box(**line["box"])}) for line in row["screen_text"]
        ),
        utterances=tuple(Utterance(**utterance) for utterance in row["utterances"]),
        utterance_vectors=np.array(row["utterance_vectors"], np.float32).reshape(
            len(row["utterances"]), text_dim
        ),
        text=row["text"],
        text_vector=None if text_vector is None else np.array(text_vector, np.float32),
        post_text=tuple(
            PostText(**posted | {"kind": PostKind(posted["kind"])})
            for posted in row.get("post_text") or ()
        ),
        terms=row.get("terms"),
        language=row.get("language"),
    )


def links_from(rows: pa.Table) -> list[ProductLink]:
    """Links as records, from rows of the links table."""
    return [
        ProductLink(
            video_key=row["video_key"],
            product_key=row["product_key"],
            sku=row["sku"],
            score=row["score"],
            scores=tuple(modality_scores(row["scores"], row.get("post_text_score")).items()),
            spans=tuple(Span(**span) for span in row["spans"]),
            evidence=evidence_from(row["evidence"]),
            group_id=row.get("group_id"),
            variant=VariantState(row["variant"]) if row.get("variant") else None,
            override=_override(row["video_key"], row.get("override")),
            timeline=tuple(Showing(**item) for item in row.get("timeline") or ()),
        )
        for row in rows.to_pylist()
    ]


def evidence_from(cells: Iterable[Cells]) -> tuple[Evidence, ...]:
    """The evidence of a link, from its cell."""
    return tuple(map(_evidence, cells))


def _override_cells(override: Override | None) -> Cells | None:
    if override is None:
        return None
    return {name: value for name, value in cells_of(override).items() if name != "video_key"}


def _override(video_key: str, cells: Cells | None) -> Override | None:
    if cells is None or cells["verdict"] is None:
        return None
    return Override(video_key=video_key, **cells | {"verdict": Verdict(cells["verdict"])})


def modality_scores(scores: Mapping[str, float], posted: float | None) -> dict[Modality, float]:
    """What each modality makes of a link, from its cells: one came later, and has its own."""
    known = {Modality(name): value or 0.0 for name, value in scores.items()}
    known[Modality.POST_TEXT] = posted or 0.0
    return {modality: known[modality] for modality in Modality if modality in known}


def _evidence_cells(piece: Evidence) -> Cells:
    cells = _with_box(piece) | {"span": None if piece.span is None else cells_of(piece.span)}
    # The stored name is older than the word.
    return cells | {"sense": cells.pop("modality")}


def _evidence(piece: Cells) -> Evidence:
    span, box = piece["span"], piece["box"]
    return Evidence(
        modality=Modality(piece["sense"]),
        span=Span(**span) if span and span["start_ms"] is not None else None,
        at_ms=piece["at_ms"],
        score=piece["score"],
        text=piece["text"],
        box=Box(**box) if box and box["left"] is not None else None,
        image=piece["image"],
    )


def _with_vectors(rows: list[Cells], columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    plain = pa.schema([field for field in schema if field.name not in columns])
    table = pa.Table.from_pylist(rows, schema=plain)
    arrays = [
        columns[field.name] if field.name in columns else table[field.name] for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
