"""Index the example shop, show what came out, and answer five queries: what `make demo` runs.

Everything is done by the command `reelshelf`, as a user would type it.
"""

import argparse
import shlex
import sys
from pathlib import Path

from reelshelf.jobs.cli import main as reelshelf

SHOP = Path(__file__).parent / "shop"
TEXTS = ("red apple", "a shoe with a high heel", "something to carry on day trips")
SPOKEN = "I really like the retro television"


def run(*words: str) -> None:
    """Show a command and run it; end the demo where it fails."""
    print(f"\n$ reelshelf {shlex.join(words)}", flush=True)
    code = reelshelf(list(words))
    if code:
        sys.exit(code)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--store", default="out/demo")
    store = parser.parse_args().store
    picture = sorted((SHOP / "query_images").glob("*.webp"))[0]
    run(
        "ingest",
        *("--catalog", str(SHOP / "catalog" / "products.jsonl")),
        *("--videos", str(SHOP / "videos.jsonl")),
        *("--store", store),
    )
    run("posters", "--store", store, "--out", str(Path(store).parent / "posters"))
    run("links", "--store", store)
    for text in TEXTS:
        run("search", "--store", store, text, "-k", "3")
    run("search", "--store", store, "--image", str(picture), "-k", "3")
    run("search", "--store", store, SPOKEN, "-k", "3")
    run(
        "report",
        *("--store", store),
        *("--judged", str(SHOP / "queries.jsonl")),
        *("--labels", str(SHOP / "labels.jsonl")),
        *("--query-log", str(SHOP / "query_log.jsonl")),
        *("--out", str(Path(store).parent / "report")),
    )


if __name__ == "__main__":
    main()
