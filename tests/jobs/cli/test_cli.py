import json
import re
import subprocess
import sys

import pytest
from rich.console import Console

from reelshelf.indexer.search.results import Answer, SearchHit, SoldProduct
from reelshelf.jobs.cli import build_parser, main, search
from tests.support.shops import Shop

HEAVY = ("torch", "ray", "lancedb", "pyarrow", "rich", "numpy", "pydantic")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom reelshelf.jobs.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "exit codes:" in done.stdout
    assert done.stderr.strip() == "[]"


COMMANDS = (
    *(
        "ingest",
        "nightly",
        "search",
        "analyze",
        "links",
        "explain",
        "calibrate",
        "report",
        "reindex",
    ),
    *("releases", "publish", "rollback", "prune", "verify", "upgrade"),
    *("overrides import", "overrides export", "overrides list", "overrides remove"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        build_parser().parse_args([*command.split(), "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "--store" in text or command == "nightly"
    assert {"--config", "--verbose", "--log-format", "--log-file"} <= set(
        re.findall(r"--[a-z-]+", text)
    )


def test_a_missing_store_has_its_exit_code_and_a_message(
    tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["releases", "--store", str(tmp_path / "typo")]) == 6
    assert not (tmp_path / "typo").exists()
    assert main(["releases", "--store", str(tmp_path)]) == 6
    assert "holds no reelshelf store" in capsys.readouterr().err


def test_a_wrong_config_has_its_exit_code(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "shop.toml"
    config.write_text("[media]\nfps = 3\n")
    words = ["--catalog", "c.jsonl", "--videos", "v", "--store", "s", "--config", str(config)]
    assert main(["ingest", *words]) == 2
    assert "media.fps: unknown key" in capsys.readouterr().err


def test_search_wants_words_or_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--store", "s"]) == 2
    assert "give TEXT, --image FILE, or both" in capsys.readouterr().err


def test_links_and_releases_print_json_for_programs(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ingest()
    store = shop.request.store
    assert main(["links", "--store", store, "--video", "b", "--json"]) == 0
    (link,) = json.loads(capsys.readouterr().out)
    assert (link["video_id"], link["sku"]) == ("b", "SKU-blue")
    assert link["evidence"][0]["modality"] == "visual"
    assert main(["releases", "--store", store, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_a_strangers_text_is_shown_as_it_is() -> None:
    evil = "[red]x[/red]\x1b[31m\u202etxt"
    sold = (SoldProduct("S", evil, 0.9),)
    hit = SearchHit(evil, (evil,), 1.0, 0, 1000, sold, (), (), evil)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    search._show_answer("[/]", Answer((hit,)), console)
    text = console.export_text()
    assert "[red]x[/red][31mtxt" in text
    assert "\x1b" not in text
