"""An environment with what a package declares and nothing else, made of links to one that is there.

    python .ci/sharing.py SITE_PACKAGES REQUIREMENT

Run by the Python of the environment that is there. What the requirement names, and all that this
needs in turn, is linked into another environment's SITE_PACKAGES, but for the requirement itself:
that is installed by the caller. Nothing is downloaded, copied or compiled, so that what is missing
from the declared requirements is found in a second. Raises PackageNotFoundError where something
that is required is not installed here.
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement


def required(root: Requirement) -> set[str]:
    """The names of all that a requirement needs here, itself among them."""
    seen: set[tuple[str, str]] = set()
    found = set()
    waiting = [root]
    while waiting:
        requirement = waiting.pop()
        found.add(requirement.name)
        for extra in ("", *requirement.extras):
            if (requirement.name, extra) in seen:
                continue
            seen.add((requirement.name, extra))
            for line in distribution(requirement.name).requires or ():
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append(needed)
    return found


def link(name: str, site: Path) -> None:
    """Link what an installed distribution brings."""
    installed = distribution(name)
    for top in {file.parts[0] for file in installed.files or () if file.parts[0] != ".."}:
        place = site / top
        if not place.exists():
            place.symlink_to(Path(str(installed.locate_file(top))))


def main() -> None:
    """Link the requirements of the second argument into the folder of the first."""
    site, requirement = Path(sys.argv[1]), Requirement(sys.argv[2])
    for name in required(requirement) - {requirement.name}:
        link(name, site)


if __name__ == "__main__":
    main()
