"""Records of other versions: read tolerantly, by today's names."""

import json
import logging
from collections.abc import Iterator

import pytest
from lancedb.util import value_to_sql
from pydantic import BaseModel

from reelshelf.indexer.pipeline.settings import config_for
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.runs import all_runs, run_records
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
from reelshelf.schemas.config import given_config, parse_config, stored_config
from reelshelf.schemas.logs import KeptRecords
from reelshelf.schemas.release import Release
from reelshelf.schemas.run import Ending
from reelshelf.schemas.upgrades import RENAMED_KEYS, rename_keys
from tests.support.shops import Shop, small_config


def old_form(key: str, value: object) -> dict[str, object]:
    """A config that sets one key by its old name."""
    section, _, name = key.partition(".")
    return {section: {name: value}} if name else {section: value}


@pytest.fixture
def warnings() -> Iterator[KeptRecords]:
    """What is logged by reading a config."""
    logger, kept = logging.getLogger("reelshelf.schemas.config"), KeptRecords()
    logger.addHandler(kept)
    yield kept
    logger.removeHandler(kept)


@pytest.mark.parametrize(("old", "new"), RENAMED_KEYS.items())
def test_a_renamed_key_loads_with_one_warning(old: str, new: str, warnings: KeptRecords) -> None:
    value: object = parse_config({})
    for part in new.split("."):
        value = getattr(value, part)
    plain = value.model_dump() if isinstance(value, BaseModel) else value
    config = parse_config(old_form(old, plain))
    found: object = config
    for part in new.split("."):
        found = getattr(found, part)
    assert found == value
    (line,) = warnings.take()
    assert f"{old} is now {new}" in line.message


def test_renaming_changes_no_value_and_keeps_what_it_was_given() -> None:
    given = {"speech": {"language": "de"}, "search": {"spread": 0.5}}
    found, renamed = rename_keys(given)
    assert found == {"asr": {"language": "de"}, "search": {"diversity_penalty": 0.5}}
    assert len(renamed) == 2
    assert given == {"speech": {"language": "de"}, "search": {"spread": 0.5}}


def test_a_stored_config_is_read_whatever_it_holds() -> None:
    data = json.loads(parse_config({"media": {"sample_ms": 700}}).model_dump_json())
    data["media"]["gone"] = 1
    data["media"]["max_frames"] = "many"
    data["whole_section"] = {"gone": True}
    data["engine"] = 7
    data["models"]["reader"] = data["models"].pop("ocr")
    data["models"]["asr"] = {"nome": "whisper"}
    data["profile"] = "gone"
    config = stored_config(json.dumps(data), where="run 1")
    assert config.media.sample_ms == 700
    assert config.media.max_frames == parse_config({}).media.max_frames
    assert config.models == parse_config({}).models


def test_an_unknown_field_ends_no_listing_no_publish_and_no_search(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ingest()
    uri = shop.request.store
    store = Store.open(uri)
    row = store.scan("releases", None).to_pylist()[0]
    record = json.loads(row["record"])
    record |= {"of_tomorrow": 1}
    record["quality"]["health"]["of_tomorrow"] = {"x": 1}
    record["calibration"]["weights"]["of_tomorrow"] = 1.0
    config = json.loads(record["config"]) | {"of_tomorrow": {"x": 1}}
    record["config"] = json.dumps(config)
    store.writable("releases").update({"record": value_to_sql(json.dumps(record))})
    store.writable("runs").update({"config": value_to_sql(json.dumps(config))})
    assert main(["releases", "--store", uri]) == 0
    assert main(["links", "--store", uri]) == 0
    assert main(["publish", "--store", uri]) == 0
    assert require_served(store).release_id
    capsys.readouterr()


def test_a_status_of_tomorrow_is_read(shop: Shop) -> None:
    shop.ingest()
    store = Store.open(shop.request.store)
    store.writable("runs").update({"status": "'postponed'"})
    (record,) = run_records(store)
    assert record.ending is Ending.UNKNOWN
    assert len(all_runs(store)) == 1


def test_a_release_of_before_has_todays_names(shop: Shop) -> None:
    made = shop.ingest().newest
    data = json.loads(made.model_dump_json())
    data["models"]["speech"] = data["models"].pop("asr")
    data["models"]["reader"] = data["models"].pop("ocr")
    data["background_id"] = data.pop("visual_stats_id")
    data["quality"]["health"]["centres"] = data["quality"]["health"].pop("centers")
    data["calibration"]["weights"]["likeness"] = data["calibration"]["weights"].pop(
        "visual_similarity"
    )
    del data["quality"]["recall_error"]
    read = Release.read(json.dumps(data))
    assert read.model_copy(update={"quality": made.quality}) == made
    assert read.quality.health == made.quality.health


def test_settings_of_another_version_end_no_run(shop: Shop) -> None:
    shop.ingest(small_config(media={"sample_ms": 700}))
    store = Store.open(shop.request.store)
    kept = store.generations()[0].settings
    assert kept is not None
    kept["media"] |= {"of_tomorrow": 1}
    kept["search"]["spread"] = kept["search"].pop("diversity_penalty")
    store.change_generation(1, settings=json.dumps(kept | {"of_tomorrow": {}}))
    config = config_for(given_config({"engine": {"kind": "local"}}), shop.request.store)
    assert config.media.sample_ms == 700
    assert shop.ingest(config).calls == {}
