"""open_clip: images and words in one space, from a hub tag or a local checkpoint.

open_clip gives random weights and only a warning where none are named; here that is an error.
Checkpoints are `.safetensors` or torch files, both read without unpickling code.
"""

import pickle
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import open_clip
import torch
from PIL import Image

from reelshelf.models.runtime import torch_device
from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.keys import file_sha256
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.release import ModelRef

Item = TypeVar("Item")

_BATCH = {"cpu": 8, "cuda": 256}


class OpenClip:
    """Both towers of one CLIP model. Not run on a GPU yet; the same code runs on both."""

    def __init__(self, architecture: str, weights: str | None, *, device: str) -> None:
        if architecture not in open_clip.list_models():
            known = ", ".join(open_clip.list_models())
            raise ModelUnavailable(f"open_clip has no model {architecture!r}; it has {known}")
        path = _checkpoint(architecture, weights)
        self._device = torch_device(device)
        try:
            model, _, self._preprocess = open_clip.create_model_and_transforms(
                architecture,
                pretrained=_source(path, weights),
                device=self._device,
                weights_only=True,
            )
        except (RuntimeError, ValueError, OSError, pickle.UnpicklingError) as error:
            raise ModelUnavailable(
                f"checkpoint {path} does not fit {architecture}: {error}"
            ) from error
        self._model = model.eval()
        self._tokenizer = open_clip.get_tokenizer(architecture)
        digest = file_sha256(path)
        # The weights' hash is the space: another checkpoint of one name is another space.
        self.ref = ModelRef(
            name=f"open_clip:{architecture}",
            revision=weights or "",
            sha256=digest,
            dim=int(self.encode_texts(["x"]).shape[1]),
            preprocessing="open_clip",
            space=f"open_clip:{architecture}:{digest[:16]}",
        )

    @torch.inference_mode()
    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Encode n images into `(n, dim)` unit vectors."""
        return self._batched(images, self._encode_image_batch)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts into `(n, dim)` unit vectors of the image space."""
        return self._batched(texts, self._encode_text_batch)

    def has_word(self, word: str) -> bool:
        """Whether a word is one token; whatever tokenizer the architecture has, it pads."""
        nothing, tokens = self._tokenizer(["", word])
        padding = nothing[-1]
        return int((tokens != padding).sum() - (nothing != padding).sum()) == 1

    def _encode_image_batch(self, images: Sequence[Pixels]) -> torch.Tensor:
        pixels = torch.stack([self._preprocess(Image.fromarray(image)) for image in images])
        features: torch.Tensor = self._model.encode_image(pixels.to(self._device), normalize=True)
        return features

    def _encode_text_batch(self, texts: Sequence[str]) -> torch.Tensor:
        tokens = self._tokenizer(list(texts)).to(self._device)
        features: torch.Tensor = self._model.encode_text(tokens, normalize=True)
        return features

    def _batched(
        self, items: Sequence[Item], encode: Callable[[Sequence[Item]], torch.Tensor]
    ) -> Vectors:
        size = _BATCH[self._device]
        parts = [encode(items[i : i + size]) for i in range(0, len(items), size)]
        if not parts:
            return np.empty((0, self.ref.dim), np.float32)
        return torch.cat(parts).float().cpu().numpy()


@lru_cache(maxsize=2)
def load_openclip(architecture: str, weights: str | None, device: str) -> OpenClip:
    """The model, loaded once though it serves two roles."""
    return OpenClip(architecture, weights, device=device)


def _source(path: Path, weights: str | None) -> str:
    """A path for a checkpoint of one's own; a tag by its name, which brings its preprocessing."""
    return str(path) if weights is None or Path(weights).is_file() else weights


def _checkpoint(architecture: str, weights: str | None) -> Path:
    if not weights:
        raise ModelUnavailable(
            f"open_clip:{architecture}: no weights named; set `weights` in [models.image] to a "
            "checkpoint path or a pretrained tag (random weights are never used silently)"
        )
    path = Path(weights)
    if path.is_file():
        return path
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if weights not in tags:
        raise ModelUnavailable(
            f"open_clip:{architecture}: {weights!r} is neither a file nor a pretrained tag; "
            f"its tags are {', '.join(tags) or 'none'}"
        )
    try:
        return Path(
            open_clip.download_pretrained(open_clip.get_pretrained_cfg(architecture, weights))
        )
    except Exception as error:  # the hub client raises its own, requests' and the system's errors
        raise ModelUnavailable(
            f"open_clip:{architecture}: {weights!r} is not in the local cache and cannot be "
            f"downloaded ({type(error).__name__}): download it where there is a network, or name "
            "a checkpoint path as `weights`, or use --profile offline"
        ) from error
