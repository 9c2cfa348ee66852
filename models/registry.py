"""Names to factories: the one place that knows which models there are.

A name may carry a variant after a colon, as in "open_clip:ViT-B-32". Importing this module is
cheap; a factory imports its framework when it is called.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from reelshelf.models import known
from reelshelf.models.batches import share_of
from reelshelf.models.protocols import (
    ImageEncoder,
    ModelSet,
    SpeechRecognizer,
    TextDetector,
    TextEncoder,
    TextReader,
)
from reelshelf.models.runtime import any_driver, check_flavours, not_on_gpu
from reelshelf.models.weights import require
from reelshelf.schemas.config import Config, ModelChoice, on_device
from reelshelf.schemas.errors import ConfigError, ModelUnavailable

if TYPE_CHECKING:
    from reelshelf.models.openclip import OpenClip

_LOG = logging.getLogger(__name__)

Model = TypeVar("Model")
Loaded = TypeVar("Loaded")
Factory = Callable[[ModelChoice, Config], Model]


def _offline_visual(choice: ModelChoice, config: Config) -> ImageEncoder:
    _fixed(choice)
    require("onnxruntime", extra="cpu", what="the offline image encoder")
    from reelshelf.models.offline_visual import OfflineVisual

    models = config.models
    return OfflineVisual(
        device=models.device,
        threads=models.threads,
        batch=models.picture_batch,
        share=share_of(config),
    )


def _openclip(choice: ModelChoice, config: Config) -> "OpenClip":
    from reelshelf.models.openclip import load_openclip

    _unpinned(choice)
    models = config.models
    return load_openclip(
        _variant(choice),
        choice.weights,
        models.device,
        models.precision,
        models.picture_batch,
        share_of(config),
    )


def _minilm(choice: ModelChoice, config: Config) -> TextEncoder:
    _fixed(choice)
    from reelshelf.models.minilm import MiniLM

    models = config.models
    return MiniLM(
        device=models.device,
        threads=models.threads,
        batch=models.text_batch,
        share=share_of(config),
    )


def _minilm_queries(choice: ModelChoice, config: Config) -> TextEncoder:
    _fixed(choice)
    del config
    require("onnx", extra="offline", what="the encoder of queries")
    require("onnxruntime", extra="cpu", what="the encoder of queries")
    from reelshelf.models.minilm_query import MiniLMQueries

    return MiniLMQueries()


def _minilm_and_use_queries(choice: ModelChoice, config: Config) -> TextEncoder:
    from reelshelf.models.summed import SummedEncoders

    return SummedEncoders(_minilm_queries(choice, config), _use(choice, config))


def _use(choice: ModelChoice, config: Config) -> TextEncoder:
    _fixed(choice)
    from reelshelf.models.use import UniversalSentenceEncoder

    return UniversalSentenceEncoder(threads=config.models.threads)


def _minilm_and_use(choice: ModelChoice, config: Config) -> TextEncoder:
    from reelshelf.models.summed import SummedEncoders

    return SummedEncoders(_minilm(choice, config), _use(choice, config))


def _wheel_whisper(choice: ModelChoice, config: Config) -> SpeechRecognizer:
    _fixed(choice)
    from reelshelf.models.whisper import load_wheel_whisper

    return load_wheel_whisper(config)


def _base_whisper(choice: ModelChoice, config: Config) -> SpeechRecognizer:
    _fixed(choice)
    from reelshelf.models.whisper import load_base_whisper

    return load_base_whisper(config)


def _named_whisper(choice: ModelChoice, config: Config) -> SpeechRecognizer:
    from reelshelf.models.whisper import load_named_whisper

    return load_named_whisper(choice, config)


def _rapidocr(choice: ModelChoice, config: Config) -> TextReader:
    _only_weights(choice)
    require("rapidocr", extra="cpu", what="reading on-screen text")
    from reelshelf.models.ocr import load_rapidocr

    return load_rapidocr(choice, config)


def _ppocr(choice: ModelChoice, config: Config) -> TextReader:
    _only_weights(choice)
    require("rapidocr", extra="cpu", what="reading on-screen text")
    from reelshelf.models.ocr import load_ppocr

    return load_ppocr(choice, config)


IMAGE_ENCODERS: Mapping[str, Factory[ImageEncoder]] = {
    "efficientnet-lite0": _offline_visual,
    "hf-hub": _openclip,
    "open_clip": _openclip,
}
TEXT_ENCODERS: Mapping[str, Factory[TextEncoder]] = {
    "hf-hub": _openclip,
    "minilm": _minilm,
    "minilm+use": _minilm_and_use,
    "open_clip": _openclip,
    "use": _use,
}
# Those of single queries, where another computes the same vectors in less time.
QUERY_ENCODERS: Mapping[str, Factory[TextEncoder]] = {
    **TEXT_ENCODERS,
    "minilm": _minilm_queries,
    "minilm+use": _minilm_and_use_queries,
}
SPEECH_RECOGNIZERS: Mapping[str, Factory[SpeechRecognizer]] = {
    "whisper-tiny.en-wheel": _wheel_whisper,
    "whisper-base-wheel": _base_whisper,
    "whisper": _named_whisper,
}
TEXT_READERS: Mapping[str, Factory[TextReader]] = {"ppocr-v6": _ppocr, "rapidocr": _rapidocr}


def load_models(config: Config) -> ModelSet:
    """Load every model of the config, where the config says.

    Each answers a known input. Raises ModelUnavailable or ConfigError, before any video.
    """
    check_flavours()
    image, joint = _where_it_can(_image, config), _where_it_can(_joint_text, config)
    if joint is not None and joint.ref.space != image.ref.space:
        raise ConfigError(
            f"models.joint_text writes into {joint.ref.space!r} but models.image into "
            f"{image.ref.space!r}: name the same model and weights for both"
        )
    asr = _where_it_can(_asr, config)
    ocr = _where_it_can(_ocr, config)
    found = ModelSet(
        image=image, text=_where_it_can(_text, config), asr=asr, ocr=ocr, joint_text=joint
    )
    of_models = {found.image.device, found.text.device, asr.device, ocr.device}
    if len(of_models) > 1:
        _LOG.warning(
            "not all models run on the GPU (%s): models.device = 'cuda' says what is missing",
            found.devices.told,
        )
    return found


def load_image_encoder(config: Config) -> ImageEncoder:
    """Only the image encoder, for a searcher: a release may be made elsewhere, on a GPU."""
    return _where_it_can(_image, _wherever(config))


def load_text_encoder(config: Config) -> TextEncoder:
    """Only the sentence encoder, for texts in numbers: those of a catalog."""
    return _where_it_can(_text, _wherever(config))


def load_query_encoder(config: Config) -> TextEncoder:
    """The sentence encoder for a searcher: one query at a time, and without torch where it can."""
    return _where_it_can(_queries, _wherever(config))


def load_joint_text(config: Config) -> TextEncoder | None:
    """The text tower that shares the image space, where the profile has one; for a searcher."""
    return _where_it_can(_joint_text, _wherever(config))


def _where_it_can(load: Callable[[Config], Loaded], config: Config) -> Loaded:
    """Load a model and have it answer; with "auto" on the CPU where a GPU does not work.

    A driver is there and CUDA's libraries are of another line, or a GPU has no kernel or no memory
    left: that shows in the first call only, and each library has its own errors. With "cuda" they
    say what to install.
    """
    try:
        return load(config)
    except ConfigError:
        raise
    except Exception as error:
        device, what = config.models.device, load.__name__.strip("_")
        told = f"{type(error).__name__}: {error}"
        if device == "cuda" and not isinstance(error, ModelUnavailable):
            raise not_on_gpu(f"the model for {what}", told) from error
        if device != "auto" or not any_driver():
            raise
        found = load(on_device(config, "cpu"))
        _LOG.warning("the model for %s runs on the CPU: %s", what, told)
        return found


def _wherever(config: Config) -> Config:
    """Queries are few: they are encoded on a GPU where there is one, and else on the CPU."""
    return config if config.models.device == "cpu" else on_device(config, "auto")


def _image(config: Config) -> ImageEncoder:
    choice = config.models.image
    encoder = _pick(IMAGE_ENCODERS, choice, "image")(choice, config)
    known.check_pictures(encoder)
    return encoder


def _asr(config: Config) -> SpeechRecognizer:
    choice = config.models.asr
    return _pick(SPEECH_RECOGNIZERS, choice, "asr")(choice, config)


def _ocr(config: Config) -> TextReader:
    reader = load_text_reader(config)
    known.check_reading(reader)
    return reader


def _text(config: Config) -> TextEncoder:
    return _sentences(config.models.text, "text", config)


def _queries(config: Config) -> TextEncoder:
    choice = config.models.text
    encoder = _pick(QUERY_ENCODERS, choice, "text")(choice, config)
    known.check_sentences(encoder)
    return encoder


def _joint_text(config: Config) -> TextEncoder | None:
    choice = config.models.joint_text
    return _sentences(choice, "joint_text", config) if choice else None


def _sentences(choice: ModelChoice, role: str, config: Config) -> TextEncoder:
    encoder = _pick(TEXT_ENCODERS, choice, role)(choice, config)
    known.check_sentences(encoder)
    return encoder


def load_text_reader(config: Config) -> TextReader:
    """Only what reads on-screen text; each of its networks is loaded when it is first asked."""
    choice = config.models.ocr
    return _pick(TEXT_READERS, choice, "ocr")(choice, config)


def load_text_detector(config: Config) -> TextDetector:
    """What finds text on frames, for a process that decodes: on the CPU, where frames are."""
    return load_text_reader(on_device(config, "cpu"))


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


def _only_weights(choice: ModelChoice) -> None:
    """Refuse what a reader would ignore that takes a recognizer by its path."""
    _fixed(choice.model_copy(update={"weights": None}))


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
