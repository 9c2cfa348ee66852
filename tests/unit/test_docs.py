"""Documentation that must not fall behind the code."""

import json
import re

from pydantic import BaseModel

from reelshelf.schemas.config import parse_config
from tests.commands import ROOT


def settings(section: BaseModel, prefix: str = "") -> dict[str, str]:
    """Every key of the config with its section, and its default as the page writes it."""
    found: dict[str, str] = {}
    for name, value in section:
        if prefix == "models." and name not in ("device", "threads"):
            found[f"{prefix}{name}"] = "by profile"
        elif isinstance(value, BaseModel):
            found |= settings(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = "none" if value is None else f"`{json.dumps(value)}`"
    return found


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    documented: dict[str, str] = {}
    section = ""
    for line in (ROOT / "docs" / "config.md").read_text().splitlines():
        if match := re.match(r"## \[(.+)\]", line):
            section = f"{match[1]}."
        elif line.startswith("## "):
            break
        elif match := re.match(r"\| `(\w+)` \| (.+) \|", line):
            documented[section + match[1]] = match[2]
    assert documented == settings(parse_config({}))


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
