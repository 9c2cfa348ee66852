"""A writing command as a process of its own that stops itself between its check and its commit.

    python -m tests.support.frozen COMMAND SHOP N

runs a command on a shop and sends itself SIGSTOP right after it has asked for the lease for the
N-th time: everything that keeps it from writing has been looked at, and it has not written yet. The
process ends with 0 where the command came through, with 8 where it was told that the lease is lost.
With N = 0 it never stops, and prints how often it asked.
"""

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from reelshelf.indexer.linking.calibration import default_calibration
from reelshelf.indexer.pipeline import products_only, upkeep
from reelshelf.indexer.pipeline.correcting import import_overrides
from reelshelf.indexer.pipeline.erasing import erase
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.releases import list_releases
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli.exits import as_ours
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ExitCode, ReelshelfError
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.overrides import Override, Verdict
from tests.support.commands import ROOT
from tests.support.fakes import FakeTexts
from tests.support.shops import Shop, small_config

# As short as it may be: whoever takes over waits for it.
LEASE_S = 1.0


def config() -> Config:
    """What all runs on these shops are made with."""
    engine = {"kind": "local", "videos_per_commit": 1}
    return small_config(engine=engine, nightly={"lease_s": LEASE_S})


def _reindex(shop: Shop) -> None:
    shop.ingest(config(), reindex=ReindexRequest(everything=True))


def _publish(shop: Shop) -> None:
    upkeep.publish(shop.request.store, config(), NoProgress())


def _prune(shop: Shop) -> None:
    none = dt.timedelta(0)
    # Of the age from which versions go, what is said for a lease of this length.
    age = 5 * dt.timedelta(seconds=LEASE_S)
    upkeep.prune_store(shop.request.store, config(), keep=1, grace=none, older_than=age)


def _restore(shop: Shop) -> None:
    oldest = list_releases(Store.open(shop.request.store))[0]
    upkeep.restore_store(shop.request.store, config(), oldest.release_id)


def _erase(shop: Shop) -> None:
    erase(shop.request.store, config(), videos=["c"])


def _products(shop: Shop) -> None:
    # No weights: the module's own name for what loads them.
    setattr(products_only, "load_text_encoder", lambda _: FakeTexts())  # noqa: B010
    catalog, store = shop.request.catalog, shop.request.store
    products_only.ingest_products(catalog, store, config(), NoProgress()).or_raise()


def _calibrate(shop: Shop) -> None:
    upkeep.keep_calibration(shop.request.store, config(), default_calibration())


def _correct(shop: Shop) -> None:
    word = Override(video_key("shop", "a"), "a", Verdict.NEVER, "SKU-red")
    import_overrides(shop.request.store, config(), [word])


COMMANDS: Mapping[str, Callable[[Shop], object]] = {
    "ingest": lambda shop: shop.ingest(config()),
    "reindex": _reindex,
    "publish": _publish,
    "prune": _prune,
    "calibrate": _calibrate,
    "restore": _restore,
    "erase": _erase,
    "overrides": _correct,
    "products": _products,
}


def start(command: str, shop: Shop, at: int) -> "subprocess.Popen[str]":
    """Start it."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.frozen", command, str(shop.root), str(at)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_stopped(process: "subprocess.Popen[str]") -> bool:
    """Wait until it has stopped itself; False where it came to its end before."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return True
    process.returncode = os.waitstatus_to_exitcode(status)
    return False


def _run(command: str, shop: Shop, at: int) -> int:
    asked, prove = 0, Lease.prove

    def stopping(lease: Lease) -> None:
        nonlocal asked
        prove(lease)
        asked += 1
        if asked == at:
            os.kill(os.getpid(), signal.SIGSTOP)

    setattr(Lease, "prove", stopping)  # noqa: B010
    try:
        COMMANDS[command](shop)
    except ReelshelfError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    except Exception as error:
        ours = as_ours(error)
        if ours is None:
            raise
        print(ours, file=sys.stderr)
        return int(ours.exit_code)
    print(asked)
    return int(ExitCode.DONE)


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1], Shop(Path(sys.argv[2])), int(sys.argv[3])))
