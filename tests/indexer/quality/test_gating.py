"""What the gate finds out by asking models, lists and queries: runs that go wrong on the way."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from reelshelf.indexer.index.inspect import index_names
from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.pipeline.upkeep import keep_calibration, publish
from reelshelf.indexer.quality.asking import judged_quality
from reelshelf.indexer.quality.claims import Derived
from reelshelf.indexer.quality.declared import DECLARED
from reelshelf.indexer.quality.indexes import inspect_answers
from reelshelf.indexer.quality.judged import Answer
from reelshelf.indexer.quality.rederiving import AGAIN
from reelshelf.indexer.sources.queries import JudgedQuery
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.models.protocols import ModelSet, Transcript
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.media import Pixels, Samples, Vectors
from reelshelf.schemas.run import Ending
from reelshelf.schemas.segments import Utterance
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.fakes import (
    FakeImages,
    FakeReader,
    FakeSpeech,
    FakeTexts,
    decode_never,
    unit,
)
from tests.support.shops import Shop, product_row, small_config

CHECKED = small_config(gate={"recheck": 50})


class Images(FakeImages):
    """The fake, and then something is done to the vectors of a call."""

    def __init__(self, change: Callable[[Vectors], Vectors], space: str = "fake-images") -> None:
        self._change = change
        self.device: Device = "cpu"
        self.ref = FakeImages.ref.model_copy(update={"space": space, "name": space})

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        return self._change(super().encode_images(images))


class Texts(FakeTexts):
    def __init__(self, change: Callable[[Vectors], Vectors], space: str = "fake-texts") -> None:
        self._change = change
        self.device: Device = "cpu"
        self.ref = FakeTexts.ref.model_copy(update={"space": space, "name": space})

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._change(super().encode_texts(texts))


RNG = np.random.default_rng(0)


def noise(vectors: Vectors) -> Vectors:
    return unit(RNG.normal(size=vectors.shape).astype(np.float32))


def shifted(vectors: Vectors) -> Vectors:
    return np.roll(vectors, 1, axis=0)


def meaningless(vectors: Vectors) -> Vectors:
    """The same for the same, and nothing else."""
    seeds = [np.frombuffer(vector.tobytes(), np.uint32) for vector in vectors]
    made = [np.random.default_rng(seed).normal(size=vectors.shape[1]) for seed in seeds]
    return unit(np.asarray(made, np.float32).reshape(vectors.shape))


def loader(
    images: FakeImages | None = None, texts: FakeTexts | None = None
) -> Callable[[Config], ModelSet]:
    def load(config: Config) -> ModelSet:
        models = images or FakeImages(), texts or FakeTexts()
        return ModelSet(*models, FakeSpeech(), FakeReader(), None)

    return load


def night(shop: Shop, models: Callable[[Config], ModelSet]) -> IngestResult:
    """A night with a new video and a new product."""
    write_clip(shop.root / "videos" / "new.mp4", [BLUE, GREEN, RED])
    shop.set_videos([*shop.rows(), {"video_id": "new", "file": "videos/new.mp4"}])
    more = product_row("red") | {"sku": "SKU-more", "title": "Crimson Kettle Large"}
    shop.set_products([*(product_row(name) for name in ("red", "green", "blue")), more])
    return shop.run(CHECKED, models)


@pytest.fixture
def served(shop: Shop) -> Shop:
    shop.ingest()
    return shop


def test_a_night_that_is_well_is_made_again_and_passes(served: Shop) -> None:
    result = night(served, loader())
    assert result.published, result.message
    asked = {f.column for f in result.newest.quality.findings if f.asked_models and f.looked_at}
    assert {
        "segments.frame_vector",
        "segments.text_vector",
        "products.text_vector",
        "products.facts_vector",
        "product_images.image_vector",
        "text encoder",
        "image encoder",
    } <= asked


@pytest.mark.slow
@pytest.mark.parametrize("change", [noise, shifted, meaningless])
@pytest.mark.parametrize("what", ["images", "texts"])
def test_an_encoder_that_means_nothing_is_found_out(
    served: Shop, what: str, change: Callable[[Vectors], Vectors]
) -> None:
    wrong = loader(Images(change)) if what == "images" else loader(texts=Texts(change))
    result = night(served, wrong)
    assert result.ending is Ending.GATE_REFUSED
    assert f"{what.removesuffix('s')} encoder" in str(result.message)


@pytest.mark.slow
@pytest.mark.parametrize("change", [noise, shifted, meaningless])
def test_a_new_generation_of_noise_is_found_out(
    served: Shop, change: Callable[[Vectors], Vectors]
) -> None:
    models = loader(Images(change, "other"), Texts(change, "others"))
    everything = ReindexRequest(everything=True)
    result = served.run(CHECKED, models, reindex=everything)
    assert result.ending is Ending.GATE_REFUSED
    well = served.run(CHECKED, loader(Images(lambda v: v, "well")), reindex=everything)
    assert well.published, well.message
    links = well.newest.quality.link_change
    assert links is not None
    assert links.kept == links.before == links.now > 0


@pytest.mark.slow
def test_what_models_found_wrong_stands_until_they_are_asked_again(served: Shop) -> None:
    assert night(served, loader(Images(noise))).ending is Ending.GATE_REFUSED
    store = served.request.store
    again = publish(store, None, NoProgress())
    assert again.ending is Ending.GATE_REFUSED
    assert "image encoder" in str(again.message)
    assert publish(store, None, NoProgress(), forced="seen to").published


@pytest.mark.slow
def test_rows_that_are_gone_since_the_last_run_are_missed(served: Shop) -> None:
    held = small_config(gate={"min_videos": 99})
    write_clip(served.root / "videos" / "new.mp4", [BLUE])
    served.set_videos([*served.rows(), {"video_id": "new", "file": "videos/new.mp4"}])
    assert served.run(held).ending is Ending.GATE_REFUSED
    store = Store.open(served.request.store)
    (key,) = store.scan("videos", ["video_key"], "video_id = 'new'")["video_key"].to_pylist()
    store.delete_videos([key])
    refused = publish(store.uri, small_config(), NoProgress())
    assert refused.ending is Ending.GATE_REFUSED
    assert "the rows that the last run left are there" in str(refused.message)
    # A run that reads the source finds it again.
    assert served.run().published


def test_an_input_that_the_source_lists_and_nobody_has_is_missed(
    served: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(self: Store, batch: Sequence[object], *more: object) -> None:
        """Writes nothing, and says so to nobody."""

    write_clip(served.root / "videos" / "new.mp4", [BLUE])
    served.set_videos([*served.rows(), {"video_id": "new", "file": "videos/new.mp4"}])
    served.set_products([product_row("red") | {"price": 3}, product_row("green")])
    monkeypatch.setattr(Store, "write_videos", forgetful)
    result = served.run()
    assert result.ending is Ending.GATE_REFUSED
    assert "every input that the source lists is there" in str(result.message)


def judged_file(shop: Shop, text: str) -> Path:
    path = shop.root / "judged.jsonl"
    row = {"query_id": "q", "text": text, "relevant_video_ids": ["a", "b", "c"]}
    path.write_text(json.dumps(row) + "\n")
    return path


def test_judged_queries_are_asked_of_both_releases(
    served: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "reelshelf.indexer.quality.asking.load_query_encoder", lambda config: FakeTexts()
    )
    gate = {"judged": str(judged_file(served, "crimson kettle"))}
    served.set_products(
        [product_row("red") | {"price": 3}, product_row("green"), product_row("blue")]
    )
    result = served.ingest(small_config(gate=gate))
    judged = result.newest.quality.judged
    assert judged is not None
    assert judged.queries == 1
    assert judged.before is not None
    assert judged.ndcg > 0
    assert any("nDCG@10" in check.name for check in result.newest.gate)


def answers(*scores: float) -> list[Answer]:
    query = JudgedQuery("q", "", "text", None, frozenset(["v"]))
    return [Answer(query, score, 0, 0, 0, 0) for score in scores]


def test_the_interval_of_a_change_is_of_the_differences() -> None:
    before = answers(*[0.9, 0.1] * 20)
    worse = answers(*[0.8, 0.0] * 20)
    found = judged_quality(worse, before)
    # The queries differ much, and the differences not at all.
    assert found.change == pytest.approx(-0.1)
    assert (found.low, found.high) == (pytest.approx(-0.1), pytest.approx(-0.1))
    assert judged_quality(worse, None).before is None


def test_a_judged_file_that_is_of_no_use_is_told_before_any_work(served: Shop) -> None:
    path = served.root / "judged.jsonl"
    path.write_text("{}\n")
    settings = small_config(gate={"judged": str(path)})
    for act in (
        lambda: served.run(settings, decode=decode_never),
        lambda: publish(served.request.store, settings, NoProgress()),
    ):
        with pytest.raises(InputError, match="holds no judged query"):
            act()


def test_rows_over_which_the_work_breaks_are_told_as_what_they_are(served: Shop) -> None:
    store = Store.open(served.request.store)
    store.writable("products").delete("true")
    result = publish(store.uri, small_config(), NoProgress())
    assert result.ending is Ending.GATE_REFUSED
    assert "product_images.product_key: names a row that exists" in str(result.message)


def test_all_that_is_said_to_be_made_again_is(served: Shop) -> None:
    result = night(served, loader())
    found = {f.column for f in result.newest.quality.findings if f.claim == AGAIN and f.looked_at}
    declared = {
        f"{table}.{column}": claim.by
        for table, columns in DECLARED.items()
        for column, own in columns.items()
        for claim in own.claims
        if isinstance(claim, Derived)
    }
    # Links are made again by the video.
    told = {"videos.links" if by == "links" else column for column, by in declared.items()}
    # The bytes of pictures are compared before their vectors are.
    assert told - {"product_images.content_sha256"} == found


def test_a_calibration_is_published_without_a_run(served: Shop) -> None:
    """Links are made again then, and may be more or fewer than the last run left."""
    store, config = served.request.store, small_config()
    own = require_served(Store.open(store)).calibration
    keep_calibration(store, config, own.model_copy(update={"bias": own.bias - 30.0}))
    before = Store.open(store).count("links")
    result = publish(store, config, NoProgress())
    assert result.published, result.message
    assert Store.open(store).count("links") != before


def test_duplicates_that_are_none_are_found_out(served: Shop) -> None:
    store = Store.open(served.request.store)
    rows = store.scan("videos", ["video_id", "content_sha256"]).to_pylist()
    contents = {row["video_id"]: row["content_sha256"] for row in rows}
    told = f"['{contents['b']}']"
    store.writable("videos").update({"duplicates": told}, where="video_id = 'a'")
    refused = publish(store.uri, small_config(), NoProgress())
    assert refused.ending is Ending.GATE_REFUSED
    assert "videos.duplicates" in str(refused.message)


def test_no_model_is_asked_where_models_have_made_nothing(served: Shop) -> None:
    def never(vectors: Vectors) -> Vectors:
        raise AssertionError("was asked")

    other = small_config(gate={"recheck": 50}, search={"lexical": 0.4})
    models = loader(Images(never), Texts(never))
    result = served.ingest(other, models, decode=decode_never)
    (skipped,) = [f.skipped for f in result.newest.quality.findings if f.column == "vectors"]
    assert skipped == "models have made nothing since the served release"


def test_links_that_are_shown_must_be_kept(served: Shop) -> None:
    swapped = small_config(linking={"keep_above": 0.5, "link_above": 0.02})
    refused = publish(served.request.store, swapped, NoProgress())
    assert refused.ending is Ending.GATE_REFUSED
    assert "linking.keep_above" in str(refused.message)


def test_a_release_without_a_full_text_index_is_refused(served: Shop) -> None:
    store = Store.open(served.request.store)
    served_now = ReleaseSnapshot.served(store)
    for name in index_names(store.dataset("segments"), "terms"):
        store.writable("segments").drop_index(name)
    found = inspect_answers(PinnedTables.newest(store), served_now, (), "icu", 0)
    assert [f.claim for f in found if not f.passed] == ["there is a full-text index"]


class Says(FakeSpeech):
    def __init__(self, text: str) -> None:
        self._text = text

    def hear(self, audio: Samples) -> Transcript:
        return Transcript((Utterance(self._text, 0, len(audio) // 16, -0.1),), "en")


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        "wouldn't",
        "Arla\u2019s",
        "l'huile",
        "snake_case_name",
        "rock-n-roll,",
        "हिन्दी",
        "नमस्कार",
        "ภาษาไทย",
        "йогурт",
        "한국어사전",
        "高跟鞋シューズ",
        "春夏秋冬春夏秋冬春夏秋冬春夏秋冬",
        "Café-crème",
        "straße",
        "İstanbul",
        "ŒUVRE",
        "½kilo",
        "άνθρωπος",
        "x" * 39,
        "x" * 45,
    ],
)
def test_words_that_an_index_cuts_in_its_own_way_are_no_fault_of_it(shop: Shop, said: str) -> None:
    def load(config: Config) -> ModelSet:
        return ModelSet(FakeImages(), FakeTexts(), Says(said), FakeReader(), None)

    result = shop.run(CHECKED, load)
    assert result.published, result.message
