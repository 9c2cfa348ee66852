"""Fixtures that many tests share."""

import atexit
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.commands import ingest
from tests.support.shops import Shop, make_shop

# Tests never reach for a network; a model that would be downloaded is a failure.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# No clocks in assertions: a machine that does something else is no failure.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
# Ray joins a cluster that it finds in its folder: each process of the suite has its own.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["RAY_TMPDIR"] = f"/tmp/ray-tests-{worker}-{os.getpid()}"
    Path(os.environ["RAY_TMPDIR"]).mkdir(exist_ok=True)
    atexit.register(shutil.rmtree, os.environ["RAY_TMPDIR"], ignore_errors=True)


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


@pytest.fixture(scope="session")
def example_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example shop, indexed once by the command line with Ray and the real models.

    Once for all processes of the suite: the first makes it, the others wait. Tests that write into
    it take a copy.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    path = root / "example-store"
    with (root / "example-store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            made = root / "example-store-in-the-making"
            result = ingest(made)
            assert result["published"]
            outcomes = {"submitted": 20, "indexed": 20, "skipped": 0, "failed": 0}
            assert result["outcomes"] == outcomes
            made.rename(path)
    return path
