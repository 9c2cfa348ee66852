"""Curation on the command line: `rules check`, and `search` with rules, likeness and reasons."""

import json
from pathlib import Path

import pytest

from reelshelf.jobs.cli import main
from reelshelf.schemas.errors import ExitCode

pytestmark = pytest.mark.integration

RULES = """
[[pin]]
name = "apple week"
query = "apple"
skus = ["SH-2382", "GONE"]

[[hide]]
skus = "FO-9840"

[[synonyms]]
words = "footgear"
means = "shoes"

[[redirect]]
query = "gift card"
match = "contains"
to = "/gift-cards"
before = 2020-01-01
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "rules.toml"
    path.write_text(RULES, encoding="utf-8")
    return str(path)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What a command prints, and what it says beside."""
    capsys.readouterr()
    assert main(list(words)) == ExitCode.DONE
    out, err = capsys.readouterr()
    return out, err


def test_a_file_is_held_against_what_is_served(
    example_store: Path, rules: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ("--store", str(example_store))
    found = json.loads(said(capsys, "rules", "check", rules, *store, "--json")[0])
    assert found["rules"] == 4
    assert {remark["rule"] for remark in found["remarks"]} == {"pin 1 (apple week)", "redirect 1"}
    out = said(capsys, "rules", "check", rules, *store)[0]
    assert "pin 1 (apple week): no product 'GONE'" in out
    assert "redirect 1: held only before 2020-01-01" in out
    Path(rules).write_text("[[pin]]\nquery = 'x'\n", encoding="utf-8")
    assert main(["rules", "check", rules, *store]) == ExitCode.USAGE
    assert "pin 1: name what is shown" in capsys.readouterr().err


def test_search_shows_and_explains_what_rules_do(
    example_store: Path, rules: str, capsys: pytest.CaptureFixture[str]
) -> None:
    of = ("--store", str(example_store), "--rules", rules)
    out, err = said(capsys, "search", "apple", "--rows", "mixed", *of, "--json")
    found = json.loads(out)
    assert found["row"][0] == {"kind": "product", "id": "SH-2382"}
    assert {"kind": "product", "id": "FO-9840"} not in found["row"]
    assert found["rules"] == ["pin 1 (apple week)", "hide 1"]
    assert "no product 'GONE'" in err
    assert "SH-2382" in said(capsys, "search", "apple", "--rows", "mixed", *of)[0]
    why = ("search", "apple", "--rows", "products", "--why", "product:FO-9840")
    assert "- a rule hides it" in said(capsys, *why, *of)[0]
    told = json.loads(said(capsys, *why, *of[:2], "--json")[0])
    assert told["position"] is not None
    assert "Category: Shoes" in said(capsys, "analyze", "footgear", *of)[0]
    alike = json.loads(said(capsys, "search", "--like", "video:clip-02", *of[:2], "--json")[0])
    assert "clip-02" not in [hit["video_id"] for hit in alike["hits"]]
    assert main(["search", "apple", "--like", "video:clip-02", *of]) == ExitCode.USAGE
    assert "it stands alone" in capsys.readouterr().err
