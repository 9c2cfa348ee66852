"""open_clip: images and words in one space, from a hub tag or a local checkpoint.

open_clip gives random weights and only a warning where none are named; here that is an error.
Checkpoints are `.safetensors` or torch files, both read without unpickling code.
"""

import hashlib
import json
import logging
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import open_clip
import torch
from PIL import Image
from torch.nn.functional import normalize as normalized
from torchvision.transforms.v2 import InterpolationMode, functional

from reelshelf.models import known
from reelshelf.models.batches import CLIP_PICTURES
from reelshelf.models.runtime import torch_device
from reelshelf.schemas.devices import Device, Precision
from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.keys import file_sha256
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.release import ModelRef

Item = TypeVar("Item")
Tokenizer: TypeAlias = Callable[[Sequence[str]], torch.Tensor]

_LOG = logging.getLogger(__name__)
_BRINGS_WEIGHTS = ("hf-hub:", "local-dir:")
_OPENAI: Mapping[str, Any] = {
    "mean": open_clip.OPENAI_DATASET_MEAN,
    "std": open_clip.OPENAI_DATASET_STD,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
_TYPES: Mapping[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


class OpenClip:
    """Both towers of one CLIP model. Not run on a GPU yet; the same code runs on both.

    `name` is an architecture that open_clip knows, `hf-hub:org/repo` or `local-dir:/folder`; the
    last two bring their weights.
    """

    def __init__(
        self,
        name: str,
        weights: str | None,
        *,
        device: str,
        precision: Precision = "fp32",
        batch: int = 0,
        share: float = 1.0,
    ) -> None:
        is_whole = name.startswith(_BRINGS_WEIGHTS)
        if not is_whole and name not in open_clip.list_models():
            known_models = ", ".join(open_clip.list_models())
            raise ModelUnavailable(
                f"open_clip has no model {name!r}; it has hf-hub:org/repo, local-dir:/folder and "
                f"{known_models}"
            )
        if is_whole and weights:
            raise ModelUnavailable(f"open_clip:{name} brings its weights: name no `weights` beside")
        path = None if is_whole else _checkpoint(name, weights)
        given = _preprocessing(name, path, weights)
        self.device: Device = torch_device(device)
        self._batch = CLIP_PICTURES.size(batch, self.device, share)
        self._tokenizer = _tokenizer(name)

        source = None if path is None else _source(path, weights)
        self._load(name, source, given, "cpu", "fp32")
        model = self._model
        digest = _state_sha256(model) if path is None else file_sha256(path)
        told = _told(model.visual.preprocess_cfg)
        # Vectors of pictures that were prepared in another way are of another space. The way of
        # OpenAI's models needs no word: before there was another, all were prepared so.
        plain = told == _told(_OPENAI) or (path is not None and not _is_own(weights))
        self.ref = ModelRef(
            name=f"open_clip:{name}",
            revision=weights or "",
            sha256=digest,
            dim=int(self.encode_texts(["x"]).shape[1]),
            preprocessing="open_clip" if plain else f"open_clip {told}",
            # The weights' hash is the space: another checkpoint of one name is another space.
            space=f"open_clip:{name}:{digest[:16]}" + ("" if plain else f":{_short(told)}"),
        )
        if self.device != "cpu":
            # Its own answers on the CPU are what a GPU, in whatever precision, has to give.
            wanted = self.encode_images([known.picture()]), self.encode_texts([known.SENTENCE])
            self._load(name, source, given, self.device, precision)
            found = self.encode_images([known.picture()]), self.encode_texts([known.SENTENCE])
            for of_gpu, of_cpu in zip(found, wanted, strict=True):
                known.check_same(of_gpu, of_cpu, self.ref.name, self.device)

    def _load(
        self,
        name: str,
        source: str | None,
        given: Mapping[str, Any],
        onto: Device,
        precision: Precision,
    ) -> None:
        try:
            model, _, self._preprocess = open_clip.create_model_and_transforms(
                name,
                pretrained=source,
                device=onto,
                precision=precision,
                weights_only=True,
                **given,
            )
        except (RuntimeError, ValueError, OSError, TypeError, pickle.UnpicklingError) as error:
            raise ModelUnavailable(
                f"checkpoint {source or name} does not fit {name}: {error}"
            ) from error
        self._model, self._onto, self._type = model.eval(), onto, _TYPES[precision]

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
        if self._onto == "cpu":
            pixels = torch.stack([self._preprocess(Image.fromarray(image)) for image in images])
        else:
            pixels = self._prepared(images)
        pixels = pixels.to(self._onto, self._type)
        return _unit(self._model.encode_image(pixels))

    def _prepared(self, images: Sequence[Pixels]) -> torch.Tensor:
        """`(n, 3, side, side)`, resized and normalized where the model is: pixels travel as bytes.

        As open_clip's own transform does it, to a level of brightness. Not run on a GPU yet.
        """
        way = self._model.visual.preprocess_cfg
        if way["resize_mode"] == "longest":
            # Fills what is left over: open_clip's own transform, picture by picture.
            return torch.stack([self._preprocess(Image.fromarray(image)) for image in images])
        side = way["size"][0] if isinstance(way["size"], tuple | list) else way["size"]
        to = [side, side] if way["resize_mode"] == "squash" else [side]
        how = InterpolationMode(way["interpolation"])
        prepared: list[torch.Tensor | None] = [None] * len(images)
        for shape in dict.fromkeys(image.shape for image in images):
            places = [i for i, image in enumerate(images) if image.shape == shape]
            same = torch.from_numpy(np.stack([images[i] for i in places])).to(self._onto)
            sized = functional.resize(same.permute(0, 3, 1, 2), to, how, antialias=True)
            cut = functional.center_crop(sized, [side, side]).float() / 255
            normal = functional.normalize(cut, way["mean"], way["std"])
            for i, pixels in zip(places, normal, strict=True):
                prepared[i] = pixels
        return torch.stack([pixels for pixels in prepared if pixels is not None])

    def _encode_text_batch(self, texts: Sequence[str]) -> torch.Tensor:
        tokens = self._tokenizer(list(texts)).to(self._onto)
        return _unit(self._model.encode_text(tokens))

    def _batched(
        self, items: Sequence[Item], encode: Callable[[Sequence[Item]], torch.Tensor]
    ) -> Vectors:
        size = self._batch
        parts = [encode(items[i : i + size]) for i in range(0, len(items), size)]
        if not parts:
            return np.empty((0, self.ref.dim), np.float32)
        return torch.cat(parts).cpu().numpy()


@lru_cache(maxsize=2)
def load_openclip(
    architecture: str,
    weights: str | None,
    device: str,
    precision: Precision,
    batch: int,
    share: float,
) -> OpenClip:
    """The model, loaded once though it serves two roles."""
    return OpenClip(
        architecture, weights, device=device, precision=precision, batch=batch, share=share
    )


def _unit(features: torch.Tensor) -> torch.Tensor:
    """Scaled to length 1 in float32: halves of floats would be off by more than vectors may be."""
    return normalized(features.float(), dim=-1)


def _is_own(weights: str | None) -> bool:
    """Whether a checkpoint is a file of one's own, and not what a tag stands for."""
    return weights is None or Path(weights).is_file()


def _source(path: Path, weights: str | None) -> str:
    """A path for a checkpoint of one's own; a tag by its name, which brings its preprocessing."""
    return str(path) if weights is None or _is_own(weights) else weights


def _preprocessing(name: str, path: Path | None, weights: str | None) -> dict[str, Any]:
    """How pictures are prepared for a checkpoint of one's own, where open_clip does not know it.

    As the `open_clip_config.json` beside it says, or else as for all tags of its architecture.
    """
    if path is None or not _is_own(weights):
        return {}
    beside = path.with_name("open_clip_config.json")
    try:
        found = json.loads(beside.read_text()).get("preprocess_cfg") if beside.is_file() else None
    except (OSError, ValueError, AttributeError) as error:
        raise ModelUnavailable(f"{beside}: cannot be read: {error}") from error
    if found is None:
        tags = open_clip.list_pretrained_tags_by_model(name)
        ways = [open_clip.get_pretrained_cfg(name, tag) for tag in tags]
        if len({_told(way) for way in ways}) > 1:
            _LOG.warning(
                "open_clip:%s: its checkpoints are prepared for in several ways, and there is no "
                "open_clip_config.json beside %s: pictures are prepared as for OpenAI's",
                name,
                path,
            )
            return {}
        found = ways[0] if ways else {}
    names = {
        "mean": "image_mean",
        "std": "image_std",
        "interpolation": "image_interpolation",
        "resize_mode": "image_resize_mode",
    }
    return {
        argument: tuple(found[key]) if key in ("mean", "std") else found[key]
        for key, argument in names.items()
        if found.get(key) is not None
    }


def _told(way: Mapping[str, Any]) -> str:
    """A way of preparing pictures in words, as it stands in records."""
    mean, std = (",".join(f"{value:g}" for value in way[key]) for key in ("mean", "std"))
    return f"mean {mean} std {std} {way['interpolation']} {way['resize_mode']}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _state_sha256(model: torch.nn.Module) -> str:
    """Of the weights themselves, where nobody says which file they came from."""
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
        # As bytes, for numpy has not every type that tensors have.
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _tokenizer(name: str) -> "Tokenizer":
    try:
        made: Tokenizer = open_clip.get_tokenizer(name)
    except ImportError as error:
        raise ModelUnavailable(
            f"open_clip:{name}: its tokenizer needs the package transformers: run "
            "`pip install 'reelshelf[clip]'`"
        ) from error
    except Exception as error:  # the hub client raises its own, requests' and the system's errors
        raise ModelUnavailable(
            f"open_clip:{name}: its tokenizer is not in the local cache and cannot be downloaded "
            f"({type(error).__name__}): download it where there is a network, or name a folder "
            "with weights, config and tokenizer as local-dir:/folder"
        ) from error
    return made


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
