"""The command line, as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EXAMPLE_SHOP = ROOT / "examples" / "shop"


def reelshelf(*words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "reelshelf.jobs.cli", *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ingest(store: Path, *words: str) -> dict[str, object]:
    result = reelshelf(
        "ingest",
        *("--catalog", str(EXAMPLE_SHOP / "catalog" / "products.jsonl")),
        *("--videos", str(EXAMPLE_SHOP / "videos.jsonl")),
        *("--store", str(store)),
        *words,
    )
    assert isinstance(result, dict)
    return result
