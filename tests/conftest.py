"""Fixtures that many tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shops import Shop, make_shop

# Tests never reach for a network; a model that would be downloaded is a failure.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

ROOT = Path(__file__).parent.parent
EXAMPLE_SHOP = ROOT / "examples" / "shop"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return make_shop(tmp_path / "shop")


@pytest.fixture(scope="session")
def bench() -> Path:
    """The benchmark folder that REELSHELF_BENCH names, where there is one."""
    named = os.environ.get("REELSHELF_BENCH")
    if not named or not Path(named).is_dir():
        pytest.skip("REELSHELF_BENCH names no benchmark folder")
    return Path(named)


@pytest.fixture(scope="session")
def ray_node() -> Iterator[None]:
    """One Ray node for all tests that need one."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()
