"""What docs/gpu.md claims of a GPU, one test each. Not run yet: without a GPU they are skipped."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reelshelf.indexer.index.encode import Coder
from reelshelf.indexer.index.gpus import NodeGpus, NoGpus, gpus_for
from reelshelf.indexer.index.quantizer import Origin, index_sizes, train
from reelshelf.models import known
from reelshelf.models.minilm import MiniLM
from reelshelf.models.offline_visual import OfflineVisual
from reelshelf.models.protocols import Sound
from reelshelf.models.registry import load_models, load_text_reader
from reelshelf.models.whisper import load_wheel_whisper
from reelshelf.schemas.config import Config, IndexConfig, parse_config
from reelshelf.schemas.media import Vectors
from tests.support.commands import ROOT, ingest, reelshelf

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
]


def config(device: str, **models: object) -> Config:
    return parse_config({"models": {"device": device, **models}})


def test_every_model_is_on_the_gpu_and_gives_its_known_answer() -> None:
    devices = load_models(config("cuda")).devices
    assert [devices.image, devices.text, devices.asr, devices.ocr] == ["cuda"] * 4


def test_auto_takes_the_gpu() -> None:
    assert load_models(config("auto")).devices.told == load_models(config("cuda")).devices.told


def test_sentences_have_the_same_vectors() -> None:
    texts = ["a red apple", "an electric guitar with three pickups"] * 40
    cpu, gpu = (MiniLM(device=d).encode_texts(texts) for d in ("cpu", "cuda"))
    assert (cpu * gpu).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize("batch", [1, 7])
def test_pictures_have_the_same_vectors(batch: int) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 255, (9, 200, 120, 3), dtype=np.uint8))
    cpu = OfflineVisual(device="cpu").encode_images(pictures)
    gpu = OfflineVisual(device="cuda", batch=batch).encode_images(pictures)
    assert (cpu * gpu).sum(axis=1).min() >= 0.999


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_clip_has_the_same_vectors_in_each_precision(tmp_path: Path, precision: str) -> None:
    import open_clip

    openclip = pytest.importorskip("reelshelf.models.openclip")
    torch.manual_seed(0)
    weights = tmp_path / "vit.pt"
    torch.save(open_clip.create_model("ViT-B-32", pretrained=None).state_dict(), weights)
    pictures = [known.picture(), known.picture()[:, ::-1].copy(), known.picture()[:200]]
    cpu = openclip.OpenClip("ViT-B-32", str(weights), device="cpu")
    # Loading it compares a picture and a sentence by itself.
    gpu = openclip.OpenClip("ViT-B-32", str(weights), device="cuda", precision=precision)
    assert gpu.ref == cpu.ref
    cosines = (cpu.encode_images(pictures) * gpu.encode_images(pictures)).sum(axis=1)
    assert cosines.min() >= 0.999


def test_the_same_is_read_one_by_one_and_in_batches() -> None:
    cpu = load_text_reader(config("cpu"))
    gpu = load_text_reader(config("cuda", frame_batch=4, line_batch=32))
    pictures = [known.picture()] * 6
    found = gpu.detect_all(pictures)
    crops = [line.crop for lines in found for line in lines]
    wanted = cpu.recognize([line.crop for line in cpu.detect(pictures[0])])
    assert [text for text, _ in gpu.recognize(crops)] == [text for text, _ in wanted] * 6


def test_the_same_is_heard_one_by_one_and_in_batches() -> None:
    sounds = [Sound(known.speech(), "en")] * 5
    for windows in (1, 4):
        for said in load_wheel_whisper(config("cuda", window_batch=windows)).transcribe(sounds):
            words = " ".join(utterance.text for utterance in said.utterances).lower()
            assert "apple" in words
            assert "pear" in words


@pytest.fixture(scope="module", params=[1408, 512, 384])
def vectors(request: pytest.FixtureRequest) -> Vectors:
    rows = np.random.default_rng(0).normal(size=(20_000, request.param)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_faiss_trains_and_assigns_on_all_gpus_as_on_the_cpu(vectors: Vectors) -> None:
    gpus = gpus_for("cuda")
    assert isinstance(gpus, NodeGpus)
    dim = vectors.shape[1]
    sizes = index_sizes(len(vectors), dim, IndexConfig())
    origin = Origin("segments", "frame_vector", 1, len(vectors))
    on_gpu = train(vectors, vectors[:100], sizes, origin, seed=0, gpus=gpus)
    on_cpu = train(vectors, vectors[:100], sizes, origin, seed=0)
    assert on_gpu.recipe.trained_by.endswith(f"on {gpus.count} GPUs")
    assert on_gpu.recipe.error <= 1.02 * on_cpu.recipe.error
    places, codes = Coder(on_cpu, gpus).encode(vectors)
    own_places, own_codes = Coder(on_cpu, NoGpus()).encode(vectors)
    # Two centroids may be as near to the last bit; what is assigned alike is coded alike.
    same = places == own_places
    assert same.mean() > 0.999
    np.testing.assert_array_equal(codes[same], own_codes[same])


def test_a_machine_without_a_gpu_goes_on_with_a_store_that_one_made(tmp_path: Path) -> None:
    settings = tmp_path / "gpu.toml"
    settings.write_text('[models]\ndevice = "cuda"\n[engine]\nindex_device = "cuda"\n')
    store = tmp_path / "store"
    told = ingest(store, "--config", str(settings))
    assert told["published"]
    done = subprocess.run(
        [sys.executable, "-m", "reelshelf.jobs.cli", "search", "--store", str(store), "guitar"],
        cwd=ROOT,
        env={"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0
    assert reelshelf("links", "--store", str(store))
