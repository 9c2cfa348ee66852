"""A hundred corrections: how long they take, and what they survive.

    python -m benchmarks.overrides [SHOP_DIR] [--rows N] [--out DIR]

The shop is ingested; then N words on links are imported: half deny the links that score highest,
half assert pairs that nothing speaks for. They are looked for in what is served after the import,
after `reindex --all`, a rollback to the release before them, the next night, in a copy of a video
that comes later, and in a new generation.
"""

import itertools
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import (
    EXAMPLE_SHOP,
    Bar,
    conclude,
    copy_without_answers,
    parse,
    parser_of,
)
from reelshelf.indexer.pipeline.correcting import import_overrides, reapply_overrides
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.pipeline.upkeep import publish, rollback_store
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.jobs.engines import make_engine
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.overrides import Override, Verdict

# Links that people deny and assert are as many as the gate would refuse of any other run.
_SETTINGS = {"gate": {"min_links_kept": 0.0, "max_links_growth": 100.0, "max_link_loss": 1.0}}


def words_on(snapshot: ReleaseSnapshot, count: int) -> list[Override]:
    """Words on as many pairs: half on the surest links, half on pairs without any."""
    shop = snapshot.release.shop_id
    linked = released_links(snapshot)
    surest = sorted(linked, key=lambda item: -item[2].score)
    pairs = [(video, link.sku) for video, _, link in surest]
    denied = pairs[: count // 2]
    known = set(pairs)
    videos = sorted(snapshot.scan("videos", ["video_id"])["video_id"].to_pylist())
    skus = sorted(snapshot.scan("products", ["sku"])["sku"].to_pylist())
    others = [pair for pair in itertools.product(videos, skus) if pair not in known]
    asserted = others[:: max(1, len(others) // (count - len(denied)))][: count - len(denied)]
    return [
        Override(video_key(shop, video), video, verdict, sku, who="a benchmark", why="to measure")
        for verdict, own in ((Verdict.NEVER, denied), (Verdict.ALWAYS, asserted))
        for video, sku in own
    ]


def kept(uri: str, words: list[Override], renamed: dict[str, str] | None = None) -> float:
    """The share of words that hold in what is served, or for copies named otherwise."""
    snapshot = ReleaseSnapshot.open(uri)
    scores = {(video, link.sku): link.score for video, _, link in released_links(snapshot)}
    names = renamed or {word.video_id: word.video_id for word in words}
    own = [word for word in words if word.video_id in names]
    right = [
        ((names[word.video_id], word.sku) not in scores)
        if word.verdict is Verdict.NEVER
        else scores.get((names[word.video_id], word.sku or "")) == 1.0
        for word in own
    ]
    return sum(right) / len(right)


def run(request: IngestRequest, config: Config, reindex: ReindexRequest | None = None) -> None:
    """One run, which may find nothing new."""
    ingest(request, config, make_engine, NoProgress(), reindex).or_raise()


def main() -> int:
    """Import, then do all that must not undo it."""
    parser = parser_of(__doc__)
    parser.add_argument("shop", type=Path, nargs="?", default=EXAMPLE_SHOP, metavar="SHOP_DIR")
    parser.add_argument("--rows", type=int, default=100, metavar="N")
    args = parse(parser)
    config = parse_config(_SETTINGS)
    with tempfile.TemporaryDirectory() as scratch:
        folder, uri = Path(scratch) / "shop", str(Path(scratch) / "store")
        copy_without_answers(args.shop, folder)
        manifest = folder / "videos.jsonl"
        request = IngestRequest(str(folder / "catalog/products.jsonl"), str(manifest), uri)
        run(request, config)
        first = ReleaseSnapshot.open(uri).release.release_id
        words = words_on(ReleaseSnapshot.open(uri), args.rows)
        began = time.monotonic()
        done = import_overrides(uri, config, words)
        figures = {"rows": float(len(words)), "import_s": time.monotonic() - began}
        figures |= {"videos_linked_again": float(done.relinked), "after_import": kept(uri, words)}
        run(request, config, ReindexRequest(everything=True))
        figures["after_reindex"] = kept(uri, words)
        rollback_store(uri, config.storage, first)
        reapply_overrides(uri, config)
        figures["after_rollback"] = kept(uri, words)
        publish(uri, config, NoProgress())
        run(request, config)
        figures["after_the_next_night"] = kept(uri, words)
        rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        named = next(row for row in rows if row["video_id"] == words[0].video_id)
        shutil.copyfile(folder / named["file"], folder / "videos/another.mp4")
        rows.append({"video_id": "another", "file": "videos/another.mp4"})
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        run(request, config)
        figures["for_a_copy"] = kept(uri, words, {words[0].video_id: "another"})
        other = parse_config(_SETTINGS | {"models": {"text": {"name": "minilm"}}})
        run(request, other, ReindexRequest(everything=True))
        figures["generation"] = float(ReleaseSnapshot.open(uri).release.generation)
        figures["in_a_new_generation"] = kept(uri, words)
    places = [name for name in figures if name.startswith(("after", "for_a", "in_a"))]
    asked = [Bar(name.replace("_", " "), figures[name], 1.0, at_least=True) for name in places]
    asked.append(Bar("seconds of the import", figures["import_s"], 60.0, at_least=False))
    return conclude("overrides", figures, asked, args.out)


if __name__ == "__main__":
    sys.exit(main())
