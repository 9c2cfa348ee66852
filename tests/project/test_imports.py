"""What importing each room loads, in a fresh process."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration
HEAVY = ("torch", "faiss", "ray", "altair", "cv2", "scipy", "jellyfish", "av", "decord")
LINKERS = ("reelshelf.indexer.linking", "reelshelf.indexer.media", "reelshelf.indexer.extract")
# What each room may load of these; what is not listed loads none.
MAY_LOAD = {
    "schemas": (),
    "models": (),
    "indexer.text": (),
    "indexer.sources": (),
    "indexer.store": (),
    "indexer.search": (),
    "indexer.media": ("cv2", "av"),
    "indexer.extract": ("cv2", "av"),
    "indexer.linking": ("scipy", "jellyfish"),
    "indexer.index": ("scipy", "jellyfish"),
    "indexer.quality": ("scipy", "jellyfish"),
    "indexer.pipeline": ("cv2", "av", "scipy", "jellyfish"),
    "indexer.report": ("altair", "cv2", "av", "scipy", "jellyfish"),
    "jobs": (),
    "jobs.cli": (),
}


def loaded(module: str) -> set[str]:
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("room", MAY_LOAD)
def test_a_room_loads_no_more_than_it_is_for(room: str) -> None:
    modules = loaded(f"reelshelf.{room}")
    assert {name for name in HEAVY if name in modules} <= set(MAY_LOAD[room])


@pytest.mark.slow
@pytest.mark.parametrize("room", ["indexer.store", "indexer.search"])
def test_a_searchers_rooms_load_no_linker_and_no_decoder(room: str) -> None:
    modules = loaded(f"reelshelf.{room}")
    assert not [name for name in modules if name.startswith(LINKERS)]


def test_help_loads_nothing_but_argparse_and_our_own() -> None:
    modules = loaded("reelshelf.jobs.cli")
    heavy = ("numpy", "pyarrow", "pydantic", "rich", "lancedb", "lance", *HEAVY)
    assert [name for name in heavy if name in modules] == []


def test_a_worker_loads_no_database() -> None:
    modules = loaded("reelshelf.jobs.engines.ray.workers")
    assert {"lance", "lancedb", "scipy", "faiss", "altair"} & modules == set()


@pytest.mark.slow
def test_a_query_is_encoded_without_torch() -> None:
    code = (
        "import sys, json; from reelshelf.models.registry import load_query_encoder; "
        "from reelshelf.schemas.config import load_config; "
        "load_query_encoder(load_config()).encode_texts(['a red apple']); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in json.loads(done.stdout)
