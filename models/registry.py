"""Names to factories: the one place that knows which models there are.

A name may carry a variant after a colon, as in "open_clip:ViT-B-32". Importing this module is
cheap; a factory imports its framework when it is called.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from reelshelf.models.protocols import (
    ImageEncoder,
    ModelSet,
    SpeechRecognizer,
    TextDetector,
    TextEncoder,
    TextReader,
)
from reelshelf.models.runtime import check_flavours
from reelshelf.models.weights import require
from reelshelf.schemas.config import Config, ModelChoice
from reelshelf.schemas.errors import ConfigError

Model = TypeVar("Model")
Factory = Callable[[ModelChoice, Config], Model]


def _offline_visual(choice: ModelChoice, config: Config) -> ImageEncoder:
    _fixed(choice)
    require("onnxruntime", extra="cpu", what="the offline image encoder")
    from reelshelf.models.offline_visual import OfflineVisual

    return OfflineVisual(device=config.models.device, threads=config.models.threads)


def _openclip_image(choice: ModelChoice, config: Config) -> ImageEncoder:
    from reelshelf.models.openclip import load_openclip

    _unpinned(choice)
    return load_openclip(_variant(choice), choice.weights, config.models.device)


def _openclip_text(choice: ModelChoice, config: Config) -> TextEncoder:
    from reelshelf.models.openclip import load_openclip

    _unpinned(choice)
    return load_openclip(_variant(choice), choice.weights, config.models.device)


def _minilm(choice: ModelChoice, config: Config) -> TextEncoder:
    _fixed(choice)
    from reelshelf.models.minilm import MiniLM

    return MiniLM(device=config.models.device, threads=config.models.threads)


def _wheel_whisper(choice: ModelChoice, config: Config) -> SpeechRecognizer:
    _fixed(choice)
    from reelshelf.models.whisper import load_wheel_whisper

    models = config.models
    return load_wheel_whisper(config.asr, device=models.device, threads=models.threads)


def _named_whisper(choice: ModelChoice, config: Config) -> SpeechRecognizer:
    from reelshelf.models.whisper import load_named_whisper

    return load_named_whisper(
        choice.weights,
        choice.revision,
        config.asr,
        device=config.models.device,
        threads=config.models.threads,
    )


def _rapidocr(choice: ModelChoice, config: Config) -> TextReader:
    _fixed(choice)
    require("rapidocr", extra="cpu", what="reading on-screen text")
    from reelshelf.models.ocr import load_rapidocr

    models = config.models
    return load_rapidocr(config.ocr, device=models.device, threads=models.threads)


def _ppocr(choice: ModelChoice, config: Config) -> TextReader:
    _fixed(choice)
    require("rapidocr", extra="cpu", what="reading on-screen text")
    from reelshelf.models.ocr import load_ppocr

    models = config.models
    return load_ppocr(config.ocr, device=models.device, threads=models.threads)


IMAGE_ENCODERS: Mapping[str, Factory[ImageEncoder]] = {
    "efficientnet-lite0": _offline_visual,
    "hf-hub": _openclip_image,
    "open_clip": _openclip_image,
}
TEXT_ENCODERS: Mapping[str, Factory[TextEncoder]] = {
    "hf-hub": _openclip_text,
    "minilm": _minilm,
    "open_clip": _openclip_text,
}
SPEECH_RECOGNIZERS: Mapping[str, Factory[SpeechRecognizer]] = {
    "whisper-tiny.en-wheel": _wheel_whisper,
    "whisper": _named_whisper,
}
TEXT_READERS: Mapping[str, Factory[TextReader]] = {"ppocr-v6": _ppocr, "rapidocr": _rapidocr}


def load_models(config: Config) -> ModelSet:
    """Load every model of the config. Raises ModelUnavailable or ConfigError, before any video."""
    check_flavours()
    models = config.models
    image = load_image_encoder(config)
    joint = load_joint_text(config)
    if joint is not None and joint.ref.space != image.ref.space:
        raise ConfigError(
            f"models.joint_text writes into {joint.ref.space!r} but models.image into "
            f"{image.ref.space!r}: name the same model and weights for both"
        )
    return ModelSet(
        image=image,
        text=load_text_encoder(config),
        asr=_pick(SPEECH_RECOGNIZERS, models.asr, "asr")(models.asr, config),
        ocr=load_text_reader(config),
        joint_text=joint,
    )


def load_image_encoder(config: Config) -> ImageEncoder:
    """Only the image encoder, for a searcher."""
    choice = config.models.image
    return _pick(IMAGE_ENCODERS, choice, "image")(choice, config)


def load_text_encoder(config: Config) -> TextEncoder:
    """Only the sentence encoder, for a searcher."""
    choice = config.models.text
    return _pick(TEXT_ENCODERS, choice, "text")(choice, config)


def load_text_reader(config: Config) -> TextReader:
    """Only what reads on-screen text; each of its networks is loaded when it is first asked."""
    choice = config.models.ocr
    return _pick(TEXT_READERS, choice, "ocr")(choice, config)


def load_text_detector(config: Config) -> TextDetector:
    """What finds text on frames, for a process that decodes: on the CPU, where frames are."""
    models = config.models.model_copy(update={"device": "cpu"})
    return load_text_reader(config.model_copy(update={"models": models}))


def load_joint_text(config: Config) -> TextEncoder | None:
    """The text tower that shares the image space, where the profile has one."""
    choice = config.models.joint_text
    return _pick(TEXT_ENCODERS, choice, "joint_text")(choice, config) if choice else None


def _pick(table: Mapping[str, Factory[Model]], choice: ModelChoice, role: str) -> Factory[Model]:
    family = choice.name.partition(":")[0]
    if family not in table:
        raise ConfigError(
            f"models.{role}.name: got {choice.name!r}; allowed are {', '.join(sorted(table))}"
        )
    return table[family]


def _fixed(choice: ModelChoice) -> None:
    """Refuse settings that a model with weights of its own would ignore."""
    if choice.weights or choice.revision or ":" in choice.name:
        raise ConfigError(
            f"models: {choice.name!r} brings its weights; it takes no variant, weights or revision"
        )


def _unpinned(choice: ModelChoice) -> None:
    if choice.revision:
        raise ConfigError(
            f"models: {choice.name!r} takes no revision: its tags are pinned by open_clip, and the "
            "release records the SHA-256 of the weights"
        )


def _variant(choice: ModelChoice) -> str:
    family, _, variant = choice.name.partition(":")
    if family == "hf-hub" and variant:
        return choice.name
    if not variant:
        raise ConfigError(f"models: {choice.name!r} needs a variant, such as open_clip:ViT-B-32")
    return variant
