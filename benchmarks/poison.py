"""Broken and hostile files and rows: each must get an outcome of the right kind, and stop nobody.

First every bad file and row of a benchmark folder, with a decoder that hangs, one that crashes and
one that takes all memory among them; the scorer says whether each was rightly indexed or rejected.
Then the speed of clean videos with and without poison between them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import ray

from benchmarks.harness import Bar, Count, bench_folder, conclude, parse, parser_of
from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.models.registry import load_models
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.outcomes import Failed, VideoJob
from tests.support.fakes import decode_or_misbehave

ROOT = Path(__file__).parent.parent
_MISBEHAVING = {
    "hang.mp4": FailureKind.DEADLINE,
    "crash.mp4": FailureKind.CRASHED,
    "greedy.mp4": FailureKind.OUT_OF_MEMORY,
}
# Nothing in them can be decoded, so that what they cost is the cost of refusing them.
_REFUSED = (
    *("zero", "text_renamed", "html_error_page", "moov_missing", "png_as", "jpg_as"),
    *("zero_frames", "playlist_ssrf", "concat_lfi", "audio_only"),
)


def config(deadline_s: float) -> Config:
    """The defaults, with limits that a benchmark can wait for."""
    return parse_config(
        {
            "engine": {
                "decode_deadline_s": deadline_s,
                "slow_after_s": 5.0,
                "decode_memory_gb": 1.5,
            },
            "gate": {"max_failure_rate": 0.9, "min_recall": 0.0},
        }
    )


def prepare(bad: Path, target: Path, clean: Path) -> list[str]:
    """A copy that may be written to, with special and misbehaving files. What was left out."""
    shutil.copytree(bad, target, copy_function=shutil.copyfile)
    for folder in (target, *(p for p in target.rglob("*") if p.is_dir())):
        folder.chmod(0o755)
    script = target.parent / "setup_special.sh"
    shutil.copyfile(bad / "setup_special.sh", script)
    subprocess.run(["bash", str(script), str(target / "special")], check=True)
    for name in _MISBEHAVING:
        shutil.copyfile(clean, target / name)
    if os.geteuid() != 0:
        return []
    # For root no file is unreadable.
    (target / "special" / "unreadable.mp4").unlink()
    return ["special/unreadable.mp4"]


def statuses(result: IngestResult, store: Store) -> dict[str, str]:
    """Each input by its path, as the scorer wants it."""
    found = {item.video_id: "rejected" for item in result.failed}
    found |= {item.video_id: "rejected" for item in result.skipped}
    found |= {row.item_id or "": "rejected" for row in result.rejected if row.line == 0}
    stored = store.scan("videos", ["video_id"])["video_id"].to_pylist()
    found |= dict.fromkeys(stored, "indexed")
    bad_lines = {row.line for row in result.rejected if row.source == "products.jsonl"}
    for line in range(1, 1000):
        refused = "rejected" if line in bad_lines else "indexed"
        found[f"catalog/products.jsonl#L{line}"] = refused
    return found


def every_bad_file(bad: Path, scorer: Path, out: Path, scratch: Path) -> dict[str, float]:
    """Index everything that is bad, and ask the scorer."""
    clean = next((ROOT / "examples" / "shop" / "videos").glob("*.mp4"))
    folder = scratch / "bad"
    left_out = prepare(bad, folder, clean)
    request = IngestRequest(
        str(folder / "catalog" / "products.jsonl"), str(folder), str(scratch / "store")
    )

    def engine(settings: Config) -> RayEngine:
        return RayEngine(settings, load_models, decode_or_misbehave)

    result = ingest(request, config(60.0), engine, NoProgress())
    store = Store.open(request.store)
    status = out / "status.jsonl"
    rows = [{"path": p, "status": s} for p, s in statuses(result, store).items()]
    status.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, str(scorer), "--json", "--bad", str(bad / "bad.jsonl")]
    done = subprocess.run(
        [*command, "--status", str(status)], capture_output=True, text=True, check=True
    )
    scored = json.loads(done.stdout)["bad"]
    print(f"wrong: {scored['wrong']}; unanswered: {scored['unanswered']}; left out: {left_out}")
    kinds = {item.video_id: item.kind for item in result.failed}
    print("failed by kind:", dict(Counter(kind.value for kind in kinds.values())))
    print("published:", result.published, result.message or "")
    return {
        "bad_answers": float(scored["strict_n"]),
        "bad_wrong": float(len(scored["wrong"])),
        "bad_unanswered": float(len(scored["unanswered"])),
        "bad_lenient_other": float(scored["lenient_other_answer"]),
        "misbehaving_rightly_told": float(
            sum(kinds.get(name) is kind for name, kind in _MISBEHAVING.items())
        ),
        "published": float(result.published),
    }


def broken_clips(scratch: Path) -> Path:
    """Stand-ins for the folder of bad files: clips of the example shop, cut off or emptied."""
    folder = scratch / "broken" / "videos"
    folder.mkdir(parents=True)
    clip = next((ROOT / "examples" / "shop" / "videos").glob("*.mp4")).read_bytes()
    for number, name in enumerate(_REFUSED):
        (folder / f"{name}.mp4").write_bytes(clip[: 100 * number])
    return folder.parent


def jobs_of(clean: int, poison: list[Path]) -> list[VideoJob]:
    """Clean videos of the example shop, with poison evenly between them."""
    videos = sorted((ROOT / "examples" / "shop" / "videos").glob("*.mp4"))
    jobs = []
    for i in range(clean):
        path = videos[i % len(videos)]
        jobs.append(_job(f"clean-{i}", path))
        due = (i + 1) * len(poison) // clean - i * len(poison) // clean
        placed = i * len(poison) // clean
        jobs += [_job(f"{bad.stem}-{n}", bad) for n, bad in enumerate(poison[placed:][:due], i)]
    return jobs


def _job(name: str, path: Path) -> VideoJob:
    return VideoJob(video_key("shop", name), VideoSource(name, str(path)), stamp_of(path))


def seconds_for_clean(jobs: list[VideoJob]) -> tuple[float, int]:
    """Time until the last clean video is done, and how many inputs had an outcome."""
    with RayEngine(config(30.0), load_models, decode_or_misbehave) as engine:
        began, last, outcomes = time.monotonic(), 0.0, 0
        for outcome in engine.index_videos(jobs):
            outcomes += 1
            if not isinstance(outcome, Failed):
                last = time.monotonic() - began
    return last, outcomes


def speed(bad: Path, clean: int, scratch: Path) -> dict[str, float]:
    """Clean videos alone, then among poison, then alone again; one Ray node for all three."""
    source = next((ROOT / "examples" / "shop" / "videos").glob("*.mp4"))
    poison = [path for path in sorted((bad / "videos").iterdir()) if path.stem in _REFUSED]
    for name in _MISBEHAVING:
        poison.insert(len(poison) // 2, shutil.copyfile(source, scratch / name))
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    alone, poisoned = jobs_of(clean, []), jobs_of(clean, poison)
    seconds_for_clean(jobs_of(4, []))  # nothing is cold afterwards
    first, _ = seconds_for_clean(alone)
    among, outcomes = seconds_for_clean(poisoned)
    second, _ = seconds_for_clean(alone)
    ray.shutdown()
    return {
        "clean_videos": float(clean),
        "poison": float(len(poison)),
        "clean_alone_s": (first + second) / 2,
        "clean_among_poison_s": among,
        "speed_kept": (first + second) / 2 / among,
        "without_outcome": float(len(poisoned) - outcomes),
    }


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("bad", type=Path, nargs="?", default=bench_folder("bad"), metavar="BAD_DIR")
    parser.add_argument("--score", type=Path, metavar="SCORE_PY")
    args = parse(parser, clean=Count(24, 120))
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if args.bad is not None:
            scorer = args.score or args.bad.resolve().parent / "score.py"
            figures = every_bad_file(args.bad, scorer, args.out or scratch, scratch / "bad")
        figures |= speed(args.bad or broken_clips(scratch), args.clean, scratch)
    asked = [
        Bar("inputs without outcome", figures["without_outcome"], 0, at_least=False),
        Bar("speed of clean videos kept", figures["speed_kept"], 0.9, at_least=True),
    ]
    if args.bad is not None:
        asked += [
            Bar("wrong answers", figures["bad_wrong"], 0, at_least=False),
            Bar(
                "misbehaving decoders rightly told",
                figures["misbehaving_rightly_told"],
                3,
                at_least=True,
            ),
            Bar("run completes and publishes", figures["published"], 1, at_least=True),
        ]
    return conclude("poison", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
