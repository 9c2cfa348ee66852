"""Documentation that must not fall behind the code."""

import re

from pydantic import BaseModel

from schemas.config import Config
from tests.commands import ROOT


def settings(section: type[BaseModel], prefix: str = "") -> set[str]:
    """Every key of the config with its section."""
    found: set[str] = set()
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and prefix != "models.":
            found |= settings(inner, f"{prefix}{name}.")
        else:
            found.add(f"{prefix}{name}")
    return found


def test_every_setting_is_documented_and_no_other() -> None:
    documented: set[str] = set()
    section = ""
    for line in (ROOT / "docs" / "config.md").read_text().splitlines():
        if match := re.match(r"## \[(.+)\]", line):
            section = f"{match[1]}."
        elif line.startswith("## "):
            break
        elif match := re.match(r"\| `(\w+)` \|", line):
            documented.add(section + match[1])
    assert documented == settings(Config)


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
