"""The public surface of each package, and documentation that is run."""

import ast
import functools
import importlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import ROOT

WITH_IMPORTS = ("indexer", "jobs", "models", "searcher", "examples")
ROOMS = sorted(path.parent.name for path in (ROOT / "indexer").glob("*/__init__.py"))


def sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *(f"{room}/*.py" for room in WITH_IMPORTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return [ROOT / name for name in listed if (ROOT / name).exists()]


@functools.cache
def crossing() -> list[tuple[str, str, str]]:
    """(importing file, room, name) of every import of a room of indexer from outside of it."""
    found = []
    for path in sources():
        own = path.relative_to(ROOT).parts[1] if path.is_relative_to(ROOT / "indexer") else ""
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "reelshelf.indexer."
            ):
                room = str(node.module).split(".")[2]
                if room != own:
                    name = str(path.relative_to(ROOT))
                    found += [(name, room, alias.name) for alias in node.names]
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_what_others_use_of_a_room_is_what_its_init_names(room: str) -> None:
    public = set(importlib.import_module(f"reelshelf.indexer.{room}").__all__)
    used = {name for _, target, name in crossing() if target == room}
    assert used - public == set()


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_that_a_room_offers_is_there(room: str) -> None:
    module = importlib.import_module(f"reelshelf.indexer.{room}")
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert module.__doc__


def test_tests_and_benchmarks_take_nothing_from_a_test_module() -> None:
    listed = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    taken = [
        (path.name, node.module)
        for path in listed
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and ".test_" in (node.module or "")
    ]
    assert taken == []


@pytest.mark.integration
def test_the_code_of_the_searchers_page_runs(
    example_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "searcher.md").read_text()
    blocks = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {"STORE": str(example_store)}
    for block in blocks:
        exec(compile(block, "docs/searcher.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "clip-" in printed
