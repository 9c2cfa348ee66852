"""Where model workers go: one for each share of a GPU, and on nodes without one, one for each core.

Each worker is told its device. Left to itself, a worker that was given no GPU would still see all
of its node's, and all of them would run on the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ray

from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ModelUnavailable


@dataclass(frozen=True, slots=True)
class Node:
    """What one node of a cluster has."""

    node_id: str
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model worker runs: on a share of a GPU, or on a node without one.

    `node_id` is None where Ray is to choose, as it does among GPUs.
    """

    gpu_share: float = 0.0
    node_id: str | None = None


def living_nodes() -> list[Node]:
    """The nodes that Ray has now."""
    found = [(node["NodeID"], node["Resources"]) for node in ray.nodes() if node["Alive"]]
    return [Node(name, has.get("CPU", 0.0), has.get("GPU", 0.0)) for name, has in found]


def model_places(nodes: Sequence[Node], config: Config) -> list[Place]:
    """A place for each model worker, those on GPUs first.

    With `models.device` "cpu" there are none on GPUs, with "cuda" only those, and with "auto" both.
    `engine.model_workers`, where it is set, is how many there are in all. Raises ModelUnavailable
    where a GPU is asked for and Ray has none.
    """
    engine, device = config.engine, config.models.device
    share = engine.model_gpus
    # A share lies on one GPU: of three quarters one fits.
    on_gpus = 0 if device == "cpu" else sum(int(n.gpus) * int(1 / share + 1e-9) for n in nodes)
    if device == "cuda" and not on_gpus:
        raise ModelUnavailable(
            "models.device is 'cuda' but Ray knows of no GPU on any node: look at `ray status`, "
            'start Ray where `nvidia-smi` shows GPUs, or set models.device to "auto"'
        )
    without = [n for n in nodes if not on_gpus or (n.gpus < 1 and device == "auto")]
    cores = [n.node_id for n in without for _ in range(int(n.cpus))]
    # Alone, Ray chooses as it always did: nodes may come and go.
    on_cores = [Place(0.0, name if on_gpus else None) for name in cores]
    if not on_gpus and not on_cores:
        on_cores = [Place()]
    places = [*[Place(share)] * on_gpus, *on_cores]
    wanted = engine.model_workers
    if wanted > len(places):
        places += [places[-1]] * (wanted - len(places))
    return places[: wanted or len(places)]
