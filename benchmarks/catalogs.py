"""Check a catalog of many rows in a stream: time and memory, by rows.

    python -m benchmarks.catalogs [--rows N] [--out DIR] [--full]

Rows are generated into a CSV with variants, prices of several locales, HTML in descriptions, one
row in a thousand that is refused, and one in ten thousand whose SKU stands twice. Each size is
checked by a process of its own.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Bar, Count, conclude, parse, parser_of

_MOST_MB = 1000
_PRICES = ("19.90 EUR", "1.299,00 EUR", "$1,299.00", "Rp 150.000", "49,90")
_CHILD = """
import json, resource, sys, time
from reelshelf.indexer.pipeline.checking import check_source
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.schemas.config import load_config
begun = time.process_time()
found = check_source(sys.argv[1], None, load_config(), NoProgress(), rows_only=True)
print(json.dumps({
    "cpu_s": time.process_time() - begun,
    "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "usable": found.accepted["product"], "refused": found.refused["product"],
}))
"""


def write(path: Path, rows: int) -> int:
    """Write a catalog; how many of its rows are to be refused."""
    bad = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("sku,title,brand,category,description,price,item_group_id\n")
        for number in range(rows):
            sku, price = f"S-{number}", _PRICES[number % len(_PRICES)]
            if number % 1000 == 999:
                price, bad = "1.299", bad + 1
            elif number % 10_000 == 5000:
                sku, bad = f"S-{number - 2}", bad + 1
            file.write(
                f'{sku},Copper Kettle {number},Acme,Home|Kitchen,"<p>Holds {number % 9} litres, '
                f'of copper</p>","{price}",G-{number // 8}\n'
            )
    return bad


def main() -> int:
    """Check each size and tell what it took."""
    args = parse(parser_of(__doc__), rows=Count(1_000_000, 10_000_000))
    sizes = [size for size in (10_000, 100_000, 1_000_000, 10_000_000) if size < args.rows]
    figures: dict[str, float] = {}
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for rows in [*sizes, args.rows]:
            path = Path(folder) / "catalog.csv"
            bad = write(path, rows)
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, str(path)], check=True, capture_output=True
            )
            found = json.loads(done.stdout)
            print(
                f"{rows:>10,} rows: {found['cpu_s'] / rows * 1e6:5.1f} us of CPU a row, "
                f"{found['mb']:.0f} MB, {found['usable']:,} usable, {found['refused']:,} refused",
                flush=True,
            )
            wrong += abs(found["refused"] - bad) + abs(found["usable"] - (rows - bad))
            figures[f"{rows:,} rows: us of CPU a row"] = found["cpu_s"] / rows * 1e6
            figures[f"{rows:,} rows: MB"] = found["mb"]
    bars = [
        Bar("rows counted wrong", wrong, 0, at_least=False),
        Bar("memory of the largest, MB", found["mb"], _MOST_MB, at_least=False),
    ]
    return conclude("catalogs", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    raise SystemExit(main())
