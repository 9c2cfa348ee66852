"""`python -m reelshelf.jobs.cli`."""

import sys

from reelshelf.jobs.cli import main

if __name__ == "__main__":
    sys.exit(main())
