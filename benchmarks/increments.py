"""What a night costs that changes little, in hashes and model calls, against a full one.

Short videos and fake models: what is counted is what the models are asked, not how long they take.
Opened files are counted by Python's audit hook, below the source only.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.indexer.pipeline.planning import plan_only
from tests.support.shops import Shop, list_nth, make_many, product_row, small_config, write_nth

_opened: list[str] = []


def watch(folder: Path) -> None:
    """Note every video and picture below `folder` that this process opens from now on."""
    home = str(folder)

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "open" and isinstance(args[0], str | os.PathLike):
            name = os.fspath(args[0])
            if isinstance(name, str) and name.startswith(home) and "/store/" not in name:
                _opened.append(name)

    sys.addaudithook(hook)


@contextmanager
def opened(kinds: tuple[str, ...] = (".mp4", ".png")) -> Iterator[list[str]]:
    """The videos and pictures that this block opens."""
    _opened.clear()
    found: list[str] = []
    yield found
    found += [name for name in _opened if name.endswith(kinds)]


def model_calls(result: IngestResult) -> int:
    """Everything that models were asked: sound counts by the second."""
    calls = dict(result.calls)
    calls.pop("files_hashed", None)
    heard = calls.pop("audio_ms_heard", 0)
    return sum(calls.values()) + heard // 1000


def measure(shop: Shop, videos: int) -> dict[str, float]:
    """A full night, and nights on which little has changed."""
    root = shop.root
    figures: dict[str, float] = {"videos": videos}
    full = model_calls(shop.ingest())
    figures["full_calls"] = full
    watch(root)

    with opened() as files:
        counts = plan_only(shop.request, small_config()).counts
    figures["unchanged_files_opened_by_plan"] = len(files)
    figures["unchanged_planned"] = 0 if counts.nothing_to_do else sum(asdict(counts).values())
    with opened() as files:
        figures["unchanged_calls"] = model_calls(shop.ingest())
    figures["unchanged_files_opened_by_run"] = len(files)

    for i in range(10):
        path = root / "videos" / f"v{i}.mp4"
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 10**9))
    touched = shop.ingest()
    figures["touched_hashes_each"] = touched.calls["files_hashed"] / 10
    figures["touched_calls"] = model_calls(touched)

    changed = max(1, videos // 100)
    for i in range(changed):
        write_nth(shop, i, i + 1)
    figures["changed_videos"] = changed
    figures["changed_calls"] = model_calls(shop.ingest())
    figures["changed_share_of_calls"] = figures["changed_calls"] / full

    video = root / "videos" / f"v{videos - 1}.mp4"
    before = video.stat()
    video.write_bytes(bytes(reversed(video.read_bytes())))
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
    same = video.stat().st_size == before.st_size and video.stat().st_mtime_ns == before.st_mtime_ns
    seen = plan_only(shop.request, small_config()).counts.videos_changed
    figures["swapped_under_same_size_and_mtime_seen"] = float(same and seen == 1)
    write_nth(shop, videos - 1)
    shop.ingest()

    verified = shop.ingest(verify=True)
    figures["verified_hashes"] = verified.calls["files_hashed"]
    figures["verified_calls"] = model_calls(verified)

    shop.set_products([product_row(n) | {"price": 3} for n in ("red", "green", "blue")])
    figures["price_calls"] = model_calls(shop.ingest())
    renamed = product_row("blue") | {"title": "Azure Jug", "price": 3}
    shop.set_products([product_row(n) | {"price": 3} for n in ("red", "green")] + [renamed])
    figures["title_calls"] = model_calls(shop.ingest())

    list_nth(shop, range(1, videos))
    shop.set_products([product_row("red") | {"price": 3}, renamed])
    quality = shop.ingest().newest.quality
    figures["delisted_still_there"] = quality.videos - (videos - 1) + quality.products - 2
    return figures


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    args = parse(parser, videos=Count(200, 200))
    with tempfile.TemporaryDirectory() as name:
        figures = measure(make_many(Path(name) / "shop", args.videos), args.videos)
    asked = [
        Bar(
            "calls with 1 % changed, share", figures["changed_share_of_calls"], 0.02, at_least=False
        ),
        Bar("files opened to plan", figures["unchanged_files_opened_by_plan"], 0, at_least=False),
        Bar("calls, nothing changed", figures["unchanged_calls"], 0, at_least=False),
        Bar("hashes of a touched file", figures["touched_hashes_each"], 1, at_least=False),
        Bar("calls, files touched", figures["touched_calls"], 0, at_least=False),
        Bar(
            "swap seen by ctime",
            figures["swapped_under_same_size_and_mtime_seen"],
            1,
            at_least=True,
        ),
        Bar("verify: hashes", figures["verified_hashes"], args.videos + 3, at_least=True),
        Bar("verify: calls", figures["verified_calls"], 0, at_least=False),
        Bar("delisted, still there", figures["delisted_still_there"], 0, at_least=False),
    ]
    return conclude("increments", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
