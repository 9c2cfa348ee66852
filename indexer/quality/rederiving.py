"""Making again, on samples, what a release holds: from its sources, by its models and its code.

Seals tell whether a cell is what was written; this tells whether it was right when it was. Words
are joined and links and clusters computed again in any case. Where a run has models and the shop's
files at hand, texts are encoded again, pictures read and encoded again, and videos decoded again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.index.duplicates import Comparer, clusters_of, mean_frame
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.overrides import OverridesByCluster
from reelshelf.indexer.quality.declared import DECLARED
from reelshelf.indexer.quality.inspection import ALLOWED
from reelshelf.indexer.quality.relinking import copies_of
from reelshelf.indexer.quality.sampling import Looked, example, finding, looked_at
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.store.overrides import read_overrides
from reelshelf.indexer.store.rows import (
    chunk_from,
    product_records,
    stages_from,
    stored_chunk,
    stored_videos,
)
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import among, is_key, parts
from reelshelf.indexer.text.analyzer import AnalyzerKind, analyzer_of, terms_of
from reelshelf.schemas.catalog import (
    EncodedPicture,
    PictureJob,
    RejectedPicture,
    VideoSource,
)
from reelshelf.schemas.config import DuplicatesConfig
from reelshelf.schemas.errors import MediaError, ReelshelfError
from reelshelf.schemas.gate import Finding, Scope
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.outcomes import Divided, Failed, Outcome, VideoJob
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.release import VectorIndex
from reelshelf.schemas.run import Stage
from reelshelf.schemas.segments import moment_text
from reelshelf.schemas.stages import STAGES
from reelshelf.schemas.visual_stats import VisualStats

# Another machine's arithmetic, and another batch, move a vector less than this.
_SAME = 0.98
_SAME_SCORE = 1e-3
# Links that were carried over a change of the catalog may be others as far as faint signs go.
_CARRIED_SCORE, _FAINT = 0.02, 0.1
# Rows that were there are looked at less: what makes them has not run.
_OLD_SHARE = 5
# However small the share that is made again, so many rows are.
_FEW = 20
# Videos whose links are computed again, of each scope.
_LINKED = 100
# Videos that are compared with others again, of each scope, and moments that are enough.
_COMPARED, _COMPARED_MOMENTS = 20, 400
# Tables with what encoders make.
MADE_BY_MODELS = ("segments", "products", "product_images")
AGAIN = "is what is made of its source again"


class Encoder(Protocol):
    """What encodes texts, and maybe pictures: the engine of a run."""

    def encode_probes(self, probes: Sequence[Probe]) -> Iterator[Probed]:
        """Encode texts and pictures, in any order."""
        ...


class Remaker(Protocol):
    """What makes things of files again: the engine of a run."""

    def encode_pictures(
        self, jobs: Sequence[PictureJob]
    ) -> Iterator[EncodedPicture | RejectedPicture]:
        """Read and encode product pictures, in any order."""
        ...

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Decode videos and run the models of their stages, in any order."""
        ...


@dataclass(frozen=True, slots=True)
class ShopFiles:
    """The shop's files: `videos` are by key, `root` is where pictures are named from.

    `remaker` reads them again.
    """

    remaker: Remaker
    files: Files
    root: str
    videos: Mapping[str, VideoSource]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a run has at hand beside the store: encoders, and the shop's files, if it reads them."""

    encoder: Encoder
    files: ShopFiles | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """How much of what is new is made again, and the rows to take it from.

    `most` is of moments, texts and pictures each; a fifth of it is of what was there. No more than
    `share` of either is taken, or `_FEW` where that is less.
    """

    pinned: PinnedTables
    served: PinnedTables | None
    most: int
    seed: int
    share: float = 1.0

    def of(self, rows: int, *, new: bool) -> int:
        """How many of so many rows are made again."""
        most = self.most if new else self.most // _OLD_SHARE
        return min(most, max(_FEW, int(self.share * rows)))

    def looked(self, name: str, scale: int = 1) -> Looked:
        """Rows of a table; none of one that is as the served release has it."""
        most = self.most * scale
        return looked_at(name, self.pinned, self.served, self.seed, most, whole=False)

    def made_by_models(self, name: str) -> Looked:
        """The same; none where no row is new either, so that an upgrade never asks a model."""
        looked = self.looked(name)
        return looked if looked.new.any() else looked.none()

    def chosen(self, looked: Looked, there: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Places of rows to make again, of those that have something to make again."""
        rng = np.random.default_rng(self.seed)
        found = []
        for own, is_new in ((looked.new, True), (~looked.new, False)):
            places = np.flatnonzero(own & there)
            most = self.of(len(places), new=is_new)
            few = places if len(places) <= most else rng.choice(places, most, replace=False)
            found.append(np.sort(few))
        return np.concatenate(found)


def joined_again(samples: Samples, kind: AnalyzerKind) -> Iterator[Finding]:
    """The text of moments, from what is read and said in them, and the terms of it."""
    looked = samples.looked("segments", 10)
    cells = zip(
        *(
            looked.rows[name].to_pylist()
            for name in ("text", "screen_text", "utterances", "post_text")
        ),
        strict=True,
    )
    wrong = [
        text != moment_text(*([item["text"] for item in items or ()] for items in parts))
        for text, *parts in cells
    ]
    places = np.arange(len(wrong))
    yield from _compared(looked, places, np.array(wrong, np.bool_), "text")
    if kind == "icu":
        cells = zip(
            *(looked.rows[n].to_pylist() for n in ("text", "terms", "language")), strict=True
        )
        wrong = [
            terms != terms_of(text or "", analyzer_of(kind, (language,) if language else ()))
            for text, terms, language in cells
        ]
        yield from _compared(looked, places, np.array(wrong, np.bool_), "terms")


def clustered_again(samples: Samples) -> Iterator[Finding]:
    """The cluster of every video, from which contents duplicate which."""
    columns = ["video_key", "video_id", "content_sha256", "duplicates", "duplicate_cluster"]
    rows = samples.pinned.scan("videos", columns).to_pylist()
    edges: dict[str, set[str]] = {}
    for row in rows:
        edges.setdefault(row["content_sha256"], set()).update(row["duplicates"] or ())
    clusters = clusters_of(edges)
    wrong = [row for row in rows if row["duplicate_cluster"] != clusters[row["content_sha256"]]]
    yield finding(
        "videos.duplicate_cluster",
        AGAIN,
        Scope.ALL,
        looked_at=len(rows),
        wrong=len(wrong),
        rows=len(rows),
        allowed=ALLOWED,
        examples=[str(row["video_id"]) for row in wrong[:3]],
        harm=DECLARED["videos"]["duplicate_cluster"].harm,
    )


def compared_again(
    samples: Samples, index: VectorIndex, stats: VisualStats | None, config: DuplicatesConfig
) -> Iterator[Finding]:
    """The duplicates of some videos, compared with what they are said to be and their nearest.

    One of two videos is enough to say that they are duplicates: the one that came later.
    """
    store = samples.pinned.store
    looked = samples.looked("videos")
    done = np.asarray(pc.is_valid(looked.rows["duplicates_fingerprint"]).to_numpy(), np.bool_)
    done &= _with_key(looked)
    places, moments = [], 0
    for place in replace(samples, most=min(samples.most, _COMPARED)).chosen(looked, done).tolist():
        if moments < _COMPARED_MOMENTS:
            places.append(place)
            moments += looked.rows["segment_count"][place].as_py() or 0
    keys = looked.rows["video_key"].take(pa.array(places, pa.int64())).to_pylist()
    edges = store.duplicate_edges()
    comparer = Comparer(store, index, mean_frame(store, stats), config)
    told = [set(looked.rows["duplicates"][place].as_py() or ()) & edges.keys() for place in places]
    there = store.videos_with(sorted(filter(is_key, set().union(*told))))
    beside = {
        key: [video for content in said for video in there.get(content, ())]
        for key, said in zip(keys, told, strict=True)
    }
    compared = comparer.duplicates(store.video_frames(keys), beside)
    wrong = []
    for place, key, said in zip(places, keys, told, strict=True):
        content = looked.rows["content_sha256"][place].as_py()
        found = set(compared.get(key, ()))
        missed = {other for other in found - said if content not in edges.get(other, ())}
        wrong.append(bool(said - found or missed - {content}))
    yield from _compared(looked, np.array(places, np.intp), np.array(wrong, np.bool_), "duplicates")


def _with_key(looked: Looked) -> npt.NDArray[np.bool_]:
    """Which videos have a key that can be asked for."""
    return np.array([is_key(key) for key in looked.rows["video_key"].to_pylist()], np.bool_)


def linked_again(
    samples: Samples, linker: Linker, keep_above: float, *, carried: bool = False
) -> Iterator[Finding]:
    """The links of some videos, by the linker that links the shop.

    `carried`: some were made when the catalog was another, which changed nothing in them but what
    faint signs say.
    """
    looked = samples.looked("videos")
    due = np.asarray(pc.is_valid(looked.rows["links_fingerprint"]).to_numpy(), np.bool_)
    due &= _with_key(looked)
    few = replace(samples, most=min(samples.most, _LINKED))
    places = few.chosen(looked, due)
    keys = [looked.rows["video_key"][int(place)].as_py() for place in places]
    pinned = samples.pinned
    clusters = pinned.store.clusters(pinned.versions["videos"])
    overrides = OverridesByCluster(read_overrides(pinned.store), clusters)
    groups = copies_of(clusters, keys)
    made: dict[str, dict[str, _Link]] = {}
    for batch in pinned.store.videos_to_link(groups, pinned.versions):
        for copies in filter(None, batch):
            rules = overrides.of(copies[0][1].video_key)
            found = linker.link([video for _, video in copies], rules)
            for (_, video), links in zip(copies, found, strict=True):
                made[video.video_key] = {
                    link.product_key: _Link(
                        link.score,
                        tuple((s.start_ms, s.end_ms) for s in link.spans),
                        link.group_id,
                        link.variant,
                        link.override is not None,
                        tuple(astuple(item) for item in link.timeline),
                    )
                    for link in links
                }
    stored: dict[str, dict[str, _Link]] = {key: {} for key in keys}
    columns = ["video_key", "product_key", "score", "spans"]
    columns += ["group_id", "variant", "override", "timeline"]
    for part in parts(sorted(set(keys))):
        for row in pinned.scan("links", columns, among("video_key", part)).to_pylist():
            spans = tuple((span["start_ms"], span["end_ms"]) for span in row["spans"] or ())
            stored[row["video_key"]][row["product_key"]] = _Link(
                row["score"] or 0.0,
                spans,
                row["group_id"],
                row["variant"],
                row["override"] is not None and row["override"]["verdict"] is not None,
                tuple(tuple(item.values()) for item in row["timeline"] or ()),
            )
    wrong = [_links_differ(stored[key], made.get(key, {}), keep_above, carried) for key in keys]
    yield from _compared(
        looked, places, np.array(wrong, np.bool_), "links", DECLARED["links"]["product_key"].harm
    )


@dataclass(frozen=True, slots=True)
class _Link:
    """What is compared of a link: the rest of it is sealed with its row."""

    score: float
    spans: tuple[tuple[int, int], ...]
    group_id: str | None
    variant: str | None
    is_overridden: bool
    timeline: tuple[tuple[object, ...], ...]


def _links_differ(
    stored: Mapping[str, _Link], made: Mapping[str, _Link], keep_above: float, carried: bool
) -> bool:
    """Whether links are of other products or variants, or with other scores or spans."""
    same = _CARRIED_SCORE if carried else _SAME_SCORE
    least = max(keep_above, _FAINT) if carried else keep_above
    nothing = _Link(0.0, (), None, None, False, ())
    for product in stored.keys() | made.keys():
        one, again = (links.get(product, nothing) for links in (stored, made))
        if max(one.score, again.score) < least + same:
            continue
        if carried:
            again = replace(again, spans=one.spans, timeline=one.timeline)
        if abs(one.score - again.score) > same or replace(one, score=again.score) != again:
            return True
    return False


def encoded_again(samples: Samples, sources: Sources) -> Iterator[Finding]:
    """Texts of moments, sentences and products, by the text encoder."""
    looked = samples.made_by_models("segments")
    text = looked.rows["text"]
    said = np.asarray(
        pc.and_(pc.is_valid(text), pc.not_equal(text, "")).to_numpy(zero_copy_only=False), np.bool_
    )
    places = samples.chosen(looked, said)
    yield from _texts_again(looked, places, "text_vector", text.take(pa.array(places)), sources)
    yield from _sentences_again(samples, looked, sources)
    products = samples.made_by_models("products")
    places = samples.chosen(products, np.ones(products.rows.num_rows, np.bool_))
    own = products.rows.take(pa.array(places))
    sound = [_has_vectors(own, name) for name in ("text_vector", "facts_vector")]
    places, own = places[sound[0] & sound[1]], own.filter(pa.array(sound[0] & sound[1]))
    if not own.num_rows:
        return
    named = product_records(own)
    for column, words in (
        ("text_vector", [product.text for product in named]),
        ("facts_vector", [product.facts for product in named]),
    ):
        yield from _texts_again(products, places, column, pa.array(words), sources)


def _has_vectors(rows: pa.Table, column: str) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_valid(rows[column]).to_numpy(zero_copy_only=False), np.bool_)


def _texts_again(
    looked: Looked,
    places: npt.NDArray[np.intp],
    column: str,
    texts: pa.Array | pa.ChunkedArray,
    sources: Sources,
) -> Iterator[Finding]:
    cells = looked.rows[column].take(pa.array(places)).to_pylist()
    words = [str(text) for text in texts.to_pylist()]
    yield from _vectors_again(looked, places, column, words, cells, sources)


def _vectors_again(
    looked: Looked,
    places: npt.NDArray[np.intp],
    column: str,
    words: Sequence[str],
    cells: Sequence[Sequence[float] | None],
    sources: Sources,
) -> Iterator[Finding]:
    """Vectors of some cells beside those of the words that they are of."""
    asked = [Probe(n, text=text) for n, text in enumerate(words)]
    answers = list(sources.encoder.encode_probes(asked)) if asked else []
    made = {item.number: item.vector for item in answers if item.vector is not None}
    told = sorted(made)
    wrong = np.array([_differs(cells[n], made[n]) for n in told], np.bool_)
    yield from _compared(looked, places[told], wrong, column)
    yield from _not_looked_at(looked.name, column, [i.why for i in answers if i.vector is None])


def _not_looked_at(name: str, column: str, why: Sequence[str]) -> Iterator[Finding]:
    """That some rows could not be made again, and why, if there are any."""
    if why:
        told = f"{len(why)} could not be made again; first: {why[0]}"
        yield Finding(column=f"{name}.{column}", claim=AGAIN, skipped=told)


def _sentences_again(samples: Samples, looked: Looked, sources: Sources) -> Iterator[Finding]:
    """One sentence of each of some moments, by its own vector."""
    spoken = pc.fill_null(pc.list_value_length(looked.rows["utterances"]), 0).to_numpy()
    places = samples.chosen(looked, np.asarray(spoken > 0, np.bool_))
    rng = np.random.default_rng(samples.seed)
    texts: list[str] = []
    cells: list[Sequence[float] | None] = []
    dim = looked.rows.schema.field("text_vector").type.list_size
    for place in places.tolist():
        said = looked.rows["utterances"][place].as_py()
        numbers = looked.rows["utterance_vectors"][place].as_py() or []
        chosen = int(rng.integers(len(said)))
        texts.append(str(said[chosen]["text"]))
        whole = len(numbers) == dim * len(said)
        cells.append(numbers[chosen * dim : (chosen + 1) * dim] if whole else None)
    yield from _vectors_again(looked, places, "utterance_vectors", texts, cells, sources)


def pictures_again(samples: Samples, shop: ShopFiles) -> Iterator[Finding]:
    """Product pictures, from their files."""
    looked = samples.made_by_models("product_images")
    places = samples.chosen(looked, np.ones(looked.rows.num_rows, np.bool_))
    jobs, of = [], {}
    columns = ("image_key", "product_key", "sku", "uri")
    for place in places.tolist():
        key, product, sku, uri = (looked.rows[name][place].as_py() for name in columns)
        location = shop.files.resolve(shop.root, uri) if uri else None
        if location is not None and key is not None:
            jobs.append(PictureJob(key, product, sku, uri, location, read=False))
            of[key] = place
    told, wrong, away = [], [], []
    for item in shop.remaker.encode_pictures(jobs):
        if isinstance(item, RejectedPicture):
            away.append(f"{item.sku}: {item.reason}")
            continue
        place = of[item.job.image_key]
        if looked.rows["content_sha256"][place].as_py() != item.image.content_sha256:
            away.append(f"{item.job.sku}: {item.job.uri} has changed since")
            continue
        told.append(place)
        wrong.append(_differs(looked.rows["image_vector"][place].as_py(), item.image.vector))
    found = np.array(told, np.intp)
    yield from _compared(looked, found, np.array(wrong, np.bool_), "image_vector")
    yield from _not_looked_at("product_images", "image_vector", away)


def frames_again(samples: Samples, shop: ShopFiles) -> Iterator[Finding]:
    """Whole videos of some moments, decoded and encoded again from their files."""
    looked = samples.made_by_models("segments")
    columns = (looked.rows[name].to_pylist() for name in ("video_key", "content_sha256"))
    owners = list(zip(*columns, strict=True))
    jobs: list[VideoJob] = []
    away: list[str] = []
    for own, is_new in ((looked.new, True), (~looked.new, False)):
        places = np.flatnonzero(own)
        most = samples.of(len(places), new=is_new)
        jobs += _videos_to_decode(samples, shop, [owners[i] for i in places], most, away)
    stored_as = {_content_of(job): job.stored for job in jobs}
    new = {owner for owner, fresh in zip(owners, looked.new, strict=True) if fresh}
    wrong: dict[Scope, list[str]] = {Scope.NEW: [], Scope.OLD: []}
    seen = {Scope.NEW: 0, Scope.OLD: 0}
    for outcome in shop.remaker.index_videos(jobs):
        if isinstance(outcome, Divided):
            raise ReelshelfError(f"{outcome.job.source.video_id} was divided: this is a bug")
        if isinstance(outcome, Failed):
            away.append(f"{outcome.video_id}: {outcome.message}")
            continue
        made_of = _content_of(outcome.job)
        stored = stored_as[made_of]
        assert stored is not None
        scope = Scope.NEW if made_of in new else Scope.OLD
        again = {s.segment_key: s.frame_vector for s in outcome.video.segments}
        for segment in stored.segments:
            seen[scope] += 1
            made = again.get(segment.segment_key)
            if made is None or _differs(segment.frame_vector, made):
                wrong[scope].append(f"{outcome.job.source.video_id} at {segment.start_ms}")
    for scope in (Scope.NEW, Scope.OLD):
        if seen[scope]:
            yield finding(
                "segments.frame_vector",
                AGAIN,
                scope,
                looked_at=seen[scope],
                wrong=len(wrong[scope]),
                rows=max(seen[scope], looked.total[scope]),
                allowed=ALLOWED,
                examples=wrong[scope][:3],
                harm=DECLARED["segments"]["frame_vector"].harm,
            )
    yield from _not_looked_at("segments", "frame_vector", away)


def _videos_to_decode(
    samples: Samples,
    shop: ShopFiles,
    owners: Sequence[tuple[str, str]],
    most: int,
    away: list[str],
) -> Iterator[VideoJob]:
    """Videos of some moments whose files are at hand, until they have as many moments.

    `owners` are the key and the content of each moment. Of a long video its chunk is decoded. What
    older code made is noted in `away`: today's would cut and see other moments.
    """
    moments = 0
    for key, content in dict.fromkeys(owners):
        if moments >= most:
            return
        source = shop.videos.get(key)
        if source is None or not is_key(key):
            continue
        videos = samples.pinned.scan("videos", None, among("video_key", [key]))
        if videos.num_rows != 1 or not is_key(content):
            continue
        try:
            stamp = shop.files.stamp(source.path)
        except MediaError:
            continue
        where = f"{among('video_key', [key])} AND {among('content_sha256', [content])}"
        segments = samples.pinned.scan("segments", None, where)
        stored = stored_videos(videos, segments)[key]
        chunk, made = None, videos
        if videos["chunks"][0].is_valid:
            made = samples.pinned.store.scan("chunks", None, where)
            if made.num_rows != 1:
                continue  # a run that came after has made others of it
            note = made.to_pylist()[0]
            chunk = chunk_from(note)
            stored = stored_chunk(note, segments, stored.info)
        if not _is_of_today(made):
            away.append(f"{source.video_id} was made by an older version")
            continue
        moments += len(stored.segments)
        yield VideoJob(key, source, stamp, frozenset([Stage.VISUAL]), stored, chunk=chunk)


def _is_of_today(made: pa.Table) -> bool:
    """Whether the pictures of a video or of a chunk, a row, are what today's code takes of it."""
    stages = stages_from(made.to_pylist()[0], {})
    wanted = {spec.name: spec.version for spec in STAGES}
    return all(
        stage in stages and stages[stage].version == wanted[stage]
        for stage in (Stage.DECODE, Stage.VISUAL)
    )


def _content_of(job: VideoJob) -> tuple[str, str]:
    assert job.stored is not None
    return job.key, job.stored.content_sha256


def _differs(cell: Sequence[float] | Vectors | None, made: Vectors) -> bool:
    """Whether a stored vector is another than the one that is made again. NaN differs."""
    if cell is None:
        return True
    return not float(np.asarray(cell, np.float32) @ made) >= _SAME


def _compared(
    looked: Looked,
    places: npt.NDArray[np.intp],
    wrong: npt.NDArray[np.bool_],
    column: str,
    harm: str | None = None,
) -> Iterator[Finding]:
    """Findings for rows at some places, of which some are not what is made again."""
    for scope, own in ((Scope.NEW, looked.new), (Scope.OLD, ~looked.new)):
        mine = own[places]
        if not mine.any():
            continue
        bad = places[wrong & mine]
        yield finding(
            f"{looked.name}.{column}",
            AGAIN,
            scope,
            looked_at=int(mine.sum()),
            wrong=len(bad),
            written=looked.written[scope],
            rows=looked.total[scope],
            allowed=ALLOWED,
            examples=[example(looked.name, looked.rows, int(place), "") for place in bad[:3]],
            harm=harm or DECLARED[looked.name][column].harm,
        )
