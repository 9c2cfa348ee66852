"""Documentation that must not fall behind the code."""

import argparse
import json
import re
import shlex
from pathlib import Path

import pytest
from pydantic import BaseModel

from reelshelf.jobs.cli import build_parser
from reelshelf.schemas.config import MODEL_RESOURCES, Config, leaf_keys, parse_config
from reelshelf.schemas.errors import ExitCode
from reelshelf.schemas.stages import redone_by
from reelshelf.schemas.upgrades import RENAMED_KEYS
from reelshelf.searcher import SearcherSettings
from tests.support.commands import ROOT

COMMANDS: dict[str, argparse.ArgumentParser] = next(
    action.choices
    for action in build_parser()._actions
    if isinstance(action, argparse._SubParsersAction)
)


def settings(section: BaseModel, prefix: str = "") -> dict[str, str]:
    """Every key of the config with its section, and its default as the page writes it."""
    found: dict[str, str] = {}
    for name, value in section:
        if prefix == "models." and name not in MODEL_RESOURCES:
            found[f"{prefix}{name}"] = "by profile"
        elif isinstance(value, BaseModel):
            found |= settings(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = "none" if value is None else f"`{json.dumps(value)}`"
    return found


def service_keys() -> set[str]:
    """Every key of the settings of `reelshelf serve`, which docs/service.md has."""
    return {
        f"{name}.{key}"
        for name, section in SearcherSettings()
        if isinstance(section, BaseModel)
        for key in type(section).model_fields
    }


def test_every_setting_is_documented_with_its_default_and_what_it_redoes() -> None:
    documented: dict[str, str] = {}
    redone: dict[str, str] = {}
    section = ""
    for line in (ROOT / "docs" / "config.md").read_text().splitlines():
        if match := re.match(r"## \[(.+)\]", line):
            section = f"{match[1]}."
        elif line.startswith("## Renamed keys"):
            break
        elif match := re.match(r"\| `(\w+)` \| (.+) \| (.*) \|", line):
            documented[section + match[1]] = match[2]
            redone[section + match[1]] = match[3].strip()
    assert documented == settings(parse_config({}))
    assert redone == {key: ", ".join(redone_by(key)) for key in documented}


def test_every_renamed_key_is_documented() -> None:
    text = (ROOT / "docs" / "config.md").read_text()
    listed = re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|$", text, re.MULTILINE)
    assert dict(listed) == dict(RENAMED_KEYS)


def test_the_exit_codes_of_operations_are_those_of_the_program() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    table = re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)
    assert table == [(str(code.value), code.meaning) for code in ExitCode]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_of(page: Path) -> list[list[str]]:
    """The words of every `reelshelf ...` line of a page's code blocks, without comments."""
    found = []
    text = re.sub(r"\\\n\s+", " ", page.read_text())
    for line in re.findall(r"^    +(?:ray job submit -- )?(reelshelf .+)$", text, re.MULTILINE):
        found.append(shlex.split(line.partition(" #")[0]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_understood(page: Path) -> None:
    for words in commands_of(page):
        given = [re.sub(r"[\[\]]", "", word) for word in words[1:] if word != "..."]
        parser = build_parser()
        if "..." in words or given[:1] == ["--help"]:
            assert given[0] in ("--help", *COMMANDS)
            continue
        parser.parse_args(given)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_key_and_option_named_on_a_page_is_there(page: Path) -> None:
    text = page.read_text()
    if page.name == "config.md":
        text = text[: text.index("## Renamed keys")]
    sections = {name for name in Config.model_fields if "." in "".join(leaf_keys())}
    for key in re.findall(r"`([a-z]+\.[a-z_]+)`", text):
        section = key.partition(".")[0]
        if section in sections and section not in ("report", "models", "release", "index"):
            assert key in {*leaf_keys(), *service_keys()}, key
    options = {option for parser in COMMANDS.values() for option in parser._option_string_actions}
    benchmarks = {
        *("--full", "--out", "--score", "--twice", "--second", "--videos", "--store"),
        *("--judged", "--queries", "--vectors", "--folds"),
    }
    for option in re.findall(r"`(--[a-z-]+)", text):
        assert option in options | benchmarks | {"--all"}, option


def test_every_benchmark_that_is_named_is_there() -> None:
    for page in PAGES:
        for name in re.findall(r"python -m benchmarks\.(\w+)", page.read_text()):
            places = (
                ROOT / "benchmarks" / f"{name}.py",
                ROOT / "benchmarks" / name / "__main__.py",
            )
            assert any(place.is_file() for place in places), name


def test_every_decision_record_has_its_parts() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert records
    for record in records:
        text = record.read_text()
        assert all(part in text for part in ("## Context", "## Decision", "## Consequences")), (
            record
        )


def test_the_cluster_file_names_what_ray_requires() -> None:
    import yaml

    cluster = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
    assert cluster["head_node_type"] in cluster["available_node_types"]
