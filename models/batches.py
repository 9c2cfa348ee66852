"""How much a model is given at once.

On a CPU little is best, and each model says how much. On a GPU as much as its memory holds: the
config's number, or else one by the memory of the share that a worker has. What an item takes was
reckoned from the sizes of activations and has not been measured on a GPU.
"""

import logging
from dataclasses import dataclass

from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batching:
    """Items at once, by the key that sets it: on a CPU, for each gigabyte of a GPU, and at most."""

    what: str
    on_cpu: int
    per_gigabyte: float
    most: int

    def size(self, given: int, device: Device, share: float) -> int:
        """Items at once on a device; `given` is the config's number, 0 where it has none."""
        if given:
            return given
        if device == "cpu":
            return self.on_cpu
        fits = int(self.per_gigabyte * gpu_gigabytes() * share)
        # A power of two: kernels are made for those.
        size = max(1, min(self.most, 1 << max(0, fits.bit_length() - 1)))
        _LOG.info("%s: %d at once on the GPU", self.what, size)
        return size


# Pictures of one CLIP tower, pictures (of four views) of the offline encoder, texts.
CLIP_PICTURES = Batching("models.picture_batch", on_cpu=8, per_gigabyte=16, most=512)
OFFLINE_PICTURES = Batching("models.picture_batch", on_cpu=1, per_gigabyte=4, most=128)
SENTENCES = Batching("models.text_batch", on_cpu=1, per_gigabyte=32, most=512)
# Windows of half a minute, with five beams each.
WINDOWS = Batching("models.window_batch", on_cpu=1, per_gigabyte=1, most=32)
# Frames to be searched for text, and lines to be read.
SEARCHED = Batching("models.frame_batch", on_cpu=1, per_gigabyte=0.5, most=4)
LINES = Batching("models.line_batch", on_cpu=6, per_gigabyte=4, most=128)


def gpu_gigabytes() -> float:
    """The memory of the GPU that this process uses."""
    import torch

    return float(torch.cuda.get_device_properties(0).total_memory) / 1e9


def share_of(config: Config) -> float:
    """The share of a GPU that a model worker has."""
    return config.engine.model_gpus
