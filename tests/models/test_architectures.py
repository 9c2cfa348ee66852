"""Checkpoints of the architectures that shops bring, with random weights: how they are prepared
for, tokenized and read. The towers of pictures are whole; those of words have one layer."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reelshelf.models.registry import load_image_encoder, load_joint_text
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.media import Pixels

open_clip = pytest.importorskip("open_clip")
torch = pytest.importorskip("torch")
openclip = pytest.importorskip("reelshelf.models.openclip")

pytestmark = pytest.mark.integration

# Marqo's e-commerce models are SigLIP's, in a repository of their own form, which is a folder here.
ARCHITECTURES = ["ViT-B-16-SigLIP", "ViT-B-16-SigLIP2", "MobileCLIP2-S0"]
_WORDS = ("<pad>", "</s>", "<unk>", "a", "red", "lamp", "of", "oak")


def write_tokenizer(folder: Path) -> None:
    """A tokenizer of a few words, in the form in which the hub has SigLIP's."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(_WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = Whitespace()
    outer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    outer.save_pretrained(str(folder))


def write_checkpoint(folder: Path, architecture: str) -> None:
    """A folder as `open_clip.push_to_hf_hub` writes it, with random weights."""
    config = open_clip.get_model_config(architecture)
    config["text_cfg"] |= {"layers": 1, "width": 64, "heads": 2}
    if "hf_tokenizer_name" in config["text_cfg"]:
        config["text_cfg"]["vocab_size"] = len(_WORDS)
        write_tokenizer(folder)
    tag = open_clip.list_pretrained_tags_by_model(architecture)[0]
    known = open_clip.get_pretrained_cfg(architecture, tag)
    told = ("mean", "std", "interpolation", "resize_mode")
    prepared = {key: known[key] for key in told if known.get(key) is not None}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": prepared})
    )
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")


def by_hand(picture: Pixels, folder: Path, architecture: str) -> "torch.Tensor":
    """What the architecture's authors make of a picture, step by step."""
    side = open_clip.get_model_config(architecture)["vision_cfg"]["image_size"]
    image = Image.fromarray(picture)
    if "SigLIP" in architecture:
        image = image.resize((side, side), Image.Resampling.BICUBIC)
        pixels = (np.asarray(image, np.float32) / 255 - 0.5) / 0.5
    else:
        scale = side / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.BILINEAR)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        pixels = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / 255
    model = open_clip.create_model(f"local-dir:{folder}", weights_only=True).eval()
    given = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
    with torch.inference_mode():
        return model.encode_image(given, normalize=True)[0]


def _is_prepared_on_a_device_as_on_the_cpu(image: "openclip.OpenClip") -> None:
    """The way of a GPU, run on the CPU: pictures of two shapes, each in its place."""
    rng = np.random.default_rng(1)
    shapes = [(360, 640), (480, 270), (360, 640)]
    pictures = [
        cv2.resize(rng.integers(0, 255, (9, 16, 3), dtype=np.uint8), shape[::-1])
        for shape in shapes
    ]
    found = image._prepared(pictures)
    wanted = torch.stack([image._preprocess(Image.fromarray(picture)) for picture in pictures])
    # A level of brightness is 0.016 after normalizing.
    assert float((found - wanted).abs().mean()) < 0.016
    assert float((found - wanted.flip(0)).abs().mean()) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pictures_are_prepared_as_the_authors_of_a_checkpoint_do(
    tmp_path: Path, architecture: str
) -> None:
    pytest.importorskip("transformers")
    write_checkpoint(tmp_path, architecture)
    openclip.load_openclip.cache_clear()
    name = {"name": f"open_clip:local-dir:{tmp_path}"}
    config = parse_config({"models": {"image": name, "joint_text": name}})
    image, text = load_image_encoder(config), load_joint_text(config)
    assert text is not None
    assert image.ref == text.ref
    assert isinstance(image, openclip.OpenClip)
    _is_prepared_on_a_device_as_on_the_cpu(image)
    picture = np.random.default_rng(0).integers(0, 255, (300, 480, 3), dtype=np.uint8)
    expected = by_hand(picture, tmp_path, architecture).numpy()
    (vector,) = image.encode_images([picture])
    assert vector.shape == (open_clip.get_model_config(architecture)["embed_dim"],)
    assert float(vector @ expected) > 0.9999
    plain, longer, again = text.encode_texts(["a red lamp", "a lamp of oak", "a red lamp"])
    np.testing.assert_allclose(plain, again, atol=1e-5)
    assert float(plain @ longer) < 0.9999
    assert np.linalg.norm(plain) == pytest.approx(1.0, abs=1e-4)
    assert text.has_word("lamp")
    openclip.load_openclip.cache_clear()
