"""Losing machines in the middle of runs, a sick worker, and an object store that fails at times.

Three Ray nodes on this machine, each with processes of its own. In each run one is killed while
videos are on their way; the rows must be those of a run that nobody disturbed. Then a shop is
indexed by workers of which one fails on everything. Last, the shop is read from a bucket and
written into one, on loopback, through an endpoint that refuses or cuts every so many requests, and
through one that ignores conditions, which must be refused before anything is written.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.same_rows import differing_rows
from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.outcomes import Outcome, VideoJob
from tests.support.fakes import load_fakes, load_one_sick
from tests.support.object_store import BUCKET, ENVIRONMENT, client, object_store, upload
from tests.support.shops import Shop, make_many


class Watched(RayEngine):
    """Calls `after` once so many outcomes are there."""

    def __init__(self, config: Config, count: int, after: Callable[[], None]) -> None:
        super().__init__(config, load_fakes)
        self._count, self._after = count, after

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """The same outcomes."""
        for number, outcome in enumerate(super().index_videos(jobs), 1):
            if number == self._count:
                self._after()
            yield outcome


def config(**storage: str) -> Config:
    """Workers on every node."""
    # What is lost with a node is no attempt of a video, however often that happens.
    engine = {"model_workers": 3, "decode_workers": 3, "videos_per_batch": 2, "attempts": 1}
    engine |= {"decode_memory_gb": 1}
    # The gate would decode again, and what is counted here are the videos of the run.
    gate = {"min_recall": 0.0, "recheck": 0}
    return parse_config({"engine": engine, "gate": gate, "storage": storage})


def run(
    request: IngestRequest, settings: Config, count: int, after: Callable[[], None]
) -> IngestResult:
    """One run on the cluster that is connected."""
    return ingest(request, settings, lambda c: Watched(c, count, after), NoProgress()).or_raise()


def into(shop: Shop, store: Path) -> IngestRequest:
    """The shop's request with another store."""
    return IngestRequest(shop.request.catalog, shop.request.videos, str(store))


def lose_nodes(shop: Shop, scratch: Path, videos: int, runs: int) -> tuple[dict[str, float], Path]:
    """In each run kill a node's raylet, with all its workers, after a third of the videos."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    cluster.wait_for_nodes()
    began = time.monotonic()
    whole = run(into(shop, scratch / "whole"), config(), -1, lambda: None)
    quiet = time.monotonic() - began

    fewest, failed, differing, lost, slowest = videos, 0, 0, 0, 0.0
    for number in range(runs):

        def kill() -> None:
            cluster.remove_node(nodes.pop(0), allow_graceful=False)

        began = time.monotonic()
        store = scratch / f"hurt-{number}"
        hurt = run(into(shop, store), config(), videos // 3, kill)
        slowest = max(slowest, time.monotonic() - began)
        lost += _alive_after_a_while() == len(nodes) + 1
        fewest, failed = min(fewest, hurt.tally.indexed), failed + hurt.tally.failed
        stores = (Store.open(str(scratch / "whole")), Store.open(str(store)))
        differing += sum(differing_rows(*stores).values())
        nodes.append(cluster.add_node(num_cpus=2))
        cluster.wait_for_nodes()
    ray.shutdown()
    cluster.shutdown()
    return {
        "videos": float(videos),
        "runs_in_which_a_node_was_lost": float(lost),
        "indexed_undisturbed": float(whole.tally.indexed),
        "fewest_indexed_with_a_node_lost": float(fewest),
        "failed_with_a_node_lost": float(failed),
        "rows_that_differ": float(differing),
        "slowest_over_undisturbed": slowest / quiet,
    }, scratch / "whole"


def _alive_after_a_while() -> int:
    """Living nodes, once Ray has noticed that one is dead; it asks them every few seconds."""
    alive = 3
    for _ in range(120):
        alive = sum(bool(node["Alive"]) for node in ray.nodes())
        if alive < 3:
            break
        time.sleep(0.5)
    return alive


def with_a_sick_worker(root: Path, videos: int) -> dict[str, float]:
    """Index with two workers, of which the first that loads fails on everything."""
    shop = make_many(root, videos)
    engine = {"model_workers": 2, "model_cpus": 0.5, "decode_workers": 2, "decode_cpus": 0.5}
    settings = parse_config({"engine": engine, "storage": {"spool_dir": str(root)}})
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    result = ingest(
        shop.request, settings, lambda c: RayEngine(c, load_one_sick), NoProgress()
    ).or_raise()
    ray.shutdown()
    return {
        "sick_worker_videos": float(videos),
        "sick_worker_indexed": float(result.tally.indexed),
    }


def _refused(request: IngestRequest, settings: Config) -> bool:
    """Whether a store that ignores conditions is refused."""
    try:
        run(request, settings, -1, lambda: None)
    except StoreError:
        return True
    return False


def from_a_bucket(shop: Shop, near: Path, every: int) -> dict[str, float]:
    """Source and store in a bucket, with every n-th request refused or cut."""
    os.environ |= ENVIRONMENT
    with object_store() as proxy:
        upload(proxy, shop.root, "src")
        proxy.every = every
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        settings = config(endpoint=proxy.endpoint, region="us-east-1")
        root = f"s3://{BUCKET}/src"
        request = IngestRequest(
            f"{root}/catalog/products.jsonl", f"{root}/videos.jsonl", f"s3://{BUCKET}/store"
        )
        result = run(request, settings, -1, lambda: None)
        ray.shutdown()
        proxy.every = 0
        far = Store.open(request.store, settings.storage)
        differing = differing_rows(far, Store.open(str(near)))
        proxy.ignores = ("if-none-match",)
        fresh = IngestRequest(request.catalog, request.videos, f"s3://{BUCKET}/other")
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        refused = _refused(fresh, settings)
        ray.shutdown()
        listed = client(proxy).list_objects_v2(Bucket=BUCKET, Prefix="other/")
    return {
        "s3_without_conditions_refused": float(refused),
        "s3_objects_written_before": float(listed["KeyCount"]),
        "s3_requests": float(proxy.asked),
        "s3_requests_failed": float(proxy.failed),
        "s3_indexed": float(result.tally.indexed),
        "s3_rows_that_differ": float(sum(differing.values())),
    }


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--node-only", action="store_true", help="leave out the bucket")
    parser.add_argument("--every", type=int, default=25, help="which request to S3 fails (25th)")
    args = parse(parser, videos=Count(12, 36), losses=Count(1, 10), sick=Count(20, 60))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        shop = make_many(scratch / "shop", args.videos)
        figures, near = lose_nodes(shop, scratch, args.videos, args.losses)
        lost = figures["runs_in_which_a_node_was_lost"]
        fewest = figures["fewest_indexed_with_a_node_lost"]
        asked = [
            Bar("runs in which a node was lost", lost, args.losses, at_least=True),
            Bar("indexed at least, a node lost", fewest, args.videos, at_least=True),
            Bar("rows that differ", figures["rows_that_differ"], 0, at_least=False),
        ]
        if not args.node_only:
            figures |= with_a_sick_worker(scratch / "sick", args.sick)
            figures |= from_a_bucket(shop, near, args.every)
            lost = figures["sick_worker_videos"] - figures["sick_worker_indexed"]
            written = figures["s3_objects_written_before"]
            refused = figures["s3_without_conditions_refused"]
            asked += [
                Bar("videos lost to a sick worker", lost, 0, at_least=False),
                Bar("S3 without conditions: refused", refused, 1, at_least=True),
                Bar("S3 without conditions: objects", written, 0, at_least=False),
                Bar("S3 requests that failed", figures["s3_requests_failed"], 3, at_least=True),
                Bar("S3: indexed", figures["s3_indexed"], args.videos, at_least=True),
                Bar("S3: rows that differ", figures["s3_rows_that_differ"], 0, at_least=False),
            ]
    return conclude("cluster", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
