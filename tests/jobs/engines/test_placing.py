"""Where model workers go, on clusters that are written down here."""

import pytest

from reelshelf.jobs.engines.ray.placing import Node, Place, model_places
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.errors import ModelUnavailable

HEAD = Node("head", cpus=4, gpus=0)
GPUS = Node("gpus", cpus=16, gpus=2)


def config(device: str = "auto", **engine: object) -> Config:
    return parse_config({"models": {"device": device}, "engine": engine})


def test_auto_has_a_worker_for_each_share_of_a_gpu_and_for_each_core_elsewhere() -> None:
    places = model_places([HEAD, GPUS], config(model_gpus=0.5))
    assert places == [Place(0.5)] * 4 + [Place(0.0, "head")] * 4


def test_a_share_lies_on_one_gpu() -> None:
    places = model_places([GPUS], config(model_gpus=0.75))
    assert places == [Place(0.75)] * 2
    third = model_places([GPUS], config(model_gpus=1 / 3))
    assert len(third) == 6


def test_without_gpus_ray_chooses_among_all_cores() -> None:
    two = [HEAD, Node("other", cpus=2, gpus=0)]
    assert model_places(two, config()) == [Place()] * 6
    assert model_places([Node("small", cpus=0, gpus=0)], config()) == [Place()]


def test_cpu_leaves_gpus_alone() -> None:
    assert model_places([HEAD, GPUS], config("cpu")) == [Place()] * 20


def test_cuda_needs_no_gpu_on_the_head_and_uses_no_core() -> None:
    assert model_places([HEAD, GPUS], config("cuda")) == [Place(1.0)] * 2


def test_cuda_without_a_gpu_is_an_error_before_any_video() -> None:
    with pytest.raises(ModelUnavailable, match="Ray knows of no GPU on any node"):
        model_places([HEAD], config("cuda"))


@pytest.mark.parametrize("workers", [1, 3, 9])
def test_the_setting_says_how_many_there_are_and_gpus_come_first(workers: int) -> None:
    places = model_places([HEAD, GPUS], config(model_workers=workers))
    assert len(places) == workers
    assert [place.gpu_share for place in places[:2]] == [1.0, 1.0][:workers]
