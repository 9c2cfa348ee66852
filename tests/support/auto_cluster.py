"""A cluster with a head without a GPU and a node that says it has two: who runs where.

Started as a process of its own, since a cluster is one to a process. Prints JSON. What a model
worker is asked is written below the folder that is its argument.

    python -m tests.support.auto_cluster FOLDER DEVICE [crash|blind]

With `crash` the first worker that encodes pictures takes its process down; with `blind` libraries
see no GPU where Ray has one.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from reelshelf.indexer.sources.local import stamp_of
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.models.protocols import ModelSet
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.outcomes import Indexed, VideoJob
from tests.support.clips import GREEN, RED, write_clip
from tests.support.fakes import FakeImages, FakeReader, FakeSpeech, FakeTexts, load_fake_detector

VIDEOS = 12


class Noted(FakeImages):
    """Writes down each call: its device, and how many pictures came."""

    def __init__(self, device: Device, note: Path) -> None:
        self.device = device
        self._note = note

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        bomb = self._note.with_name("bomb")
        if self.device == "cuda" and bomb.is_file():
            bomb.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        with self._note.open("a") as file:
            file.write(f"{self.device} {len(images)}\n")
        return super().encode_images(images)


def load_noted(config: Config) -> ModelSet:
    """Fakes that run on a GPU wherever they were not told to stay on the CPU."""
    device: Device = "cpu" if config.models.device == "cpu" else "cuda"
    note = Path(os.environ["REELSHELF_TEST_NOTES"]) / f"{os.getpid()}.txt"
    note.touch()
    note.with_suffix(".worker").write_text(
        json.dumps({"device": config.models.device, "gpus": ray.get_gpu_ids()})
    )
    return ModelSet(Noted(device, note), FakeTexts(), FakeSpeech(), FakeReader(), None)


def _sees_gpu() -> bool:
    return "REELSHELF_TEST_NO_CUDA" not in os.environ


def main() -> None:
    """Index twelve clips and tell what ran where."""
    folder, device = Path(sys.argv[1]), sys.argv[2]
    os.environ["REELSHELF_TEST_NOTES"] = str(folder)
    crashes = "crash" in sys.argv
    if "blind" in sys.argv:
        os.environ["REELSHELF_TEST_NO_CUDA"] = "1"
    if crashes:
        (folder / "bomb").touch()
    head = {"num_cpus": 2, "num_gpus": 0}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=4, num_gpus=2)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    engine = {"model_cpus": 0.2, "decode_cpus": 0.2, "decode_workers": 2, "decode_memory_gb": 0.5}
    # Small batches where a worker dies, so that others are at hand behind the one that it had.
    batches = {"videos_per_batch": 2 if crashes else 6, "fill_batches_s": 60.0}
    settings = parse_config({"models": {"device": device}, "engine": engine | batches})
    path = write_clip(folder / "a.mp4", [RED, GREEN])
    stamp = stamp_of(path)
    jobs = [
        VideoJob(video_key("shop", str(n)), VideoSource(str(n), str(path)), stamp)
        for n in range(VIDEOS)
    ]
    with RayEngine(
        settings, load_noted, detector=load_fake_detector, sees_gpu=_sees_gpu
    ) as running:
        while running._models.starting:
            running._wait()
        outcomes = list(running.index_videos(jobs))
        devices = running.devices.model_dump()
        gpu_s = sum(spent.gpu_s for spent in running.spent.values())
    calls = [line.split() for note in folder.glob("*.txt") for line in note.open()]
    workers = [json.loads(note.read_text()) for note in folder.glob("*.worker")]
    told = {
        "indexed": sum(isinstance(outcome, Indexed) for outcome in outcomes),
        "devices": devices,
        "gpu_s": gpu_s,
        "workers": sorted([w["device"], len(w["gpus"])] for w in workers),
        "distinct_gpus": len({tuple(w["gpus"]) for w in workers if w["gpus"]}),
        "calls": len(calls),
    }
    print(json.dumps(told))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    # Under the name that workers know: pickles name the module.
    from tests.support import auto_cluster

    auto_cluster.main()
