"""The real GPU wheels, fetched once."""

import pytest

from tests.support.gpu_wheels import GpuWheels, installed


@pytest.fixture(scope="session")
def gpu_wheels(tmp_path_factory: pytest.TempPathFactory) -> GpuWheels:
    return installed(tmp_path_factory.mktemp("gpu-wheels"))
