"""The run that `benchmarks.power_loss` cuts the power of: one ingest, which notes what it syncs.

    python -m benchmarks.power_worker SHOP LOG

Each line of the log is a file or folder that was synced, in order. The process is killed from
outside, so what stands in the log was on disk by then.
"""

import os
import sys
from pathlib import Path

from tests.support.shops import Shop, small_config


def main() -> None:
    """Run once."""
    root, log = Path(sys.argv[1]), Path(sys.argv[2])
    fsync = os.fsync
    with log.open("w", buffering=1, encoding="utf-8") as lines:

        def noting(number: int) -> None:
            fsync(number)
            lines.write(f"{Path(f'/proc/self/fd/{number}').readlink()}\n")

        setattr(os, "fsync", noting)  # noqa: B010
        engine = {"kind": "local", "videos_per_commit": 1}
        Shop(root).ingest(small_config(engine=engine))


if __name__ == "__main__":
    main()
