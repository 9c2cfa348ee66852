"""RapidOCR: the PP-OCRv6 detector and recognizer that its wheel carries, run one after the other.

Detection and recognition are asked for apart, since a caption that stays on screen for ten frames
needs to be found ten times but read once (see indexer/reading).
"""

from collections.abc import Sequence

import numpy as np
from rapidocr import RapidOCR

from reelshelf.models.protocols import TextLine
from reelshelf.models.weights import checked_file, package_dir
from reelshelf.schemas.config import OcrConfig
from reelshelf.schemas.media import Pixels
from reelshelf.schemas.release import ModelRef
from reelshelf.schemas.segments import Box

_DETECTOR = "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"
_RECOGNIZER = "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"


class RapidReader:
    """PP-OCRv6 small, on ONNX Runtime."""

    def __init__(self, config: OcrConfig, *, device: str, threads: int) -> None:
        folder = package_dir("rapidocr", distribution="rapidocr", extra="offline") / "models"
        checked_file(folder / "PP-OCRv6_det_small.onnx", _DETECTOR)
        checked_file(folder / "PP-OCRv6_rec_small.onnx", _RECOGNIZER)
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                # The default enlarges every frame to 736 on its short side: 2.5 times the work.
                "Det.limit_type": "max",
                "Det.limit_side_len": config.detect_side,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "EngineConfig.onnxruntime.use_cuda": device == "cuda",
            }
        )
        self.ref = ModelRef(
            name="rapidocr",
            revision="PP-OCRv6-small",
            sha256=_RECOGNIZER,
            preprocessing=f"detect at {config.detect_side}",
        )

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
