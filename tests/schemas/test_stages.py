"""What depends on what: fingerprints, and what a changed setting redoes."""

from typing import Any

import pytest
from pydantic import BaseModel

from reelshelf.schemas.config import Config, kept_settings, leaf_keys, parse_config
from reelshelf.schemas.run import Stage, StageFingerprint, after, changed_stages
from reelshelf.schemas.stages import (
    FIRST_VERSIONS,
    LIMITS,
    STAGES,
    StageSpec,
    failure_fingerprint,
    picture_fingerprints,
    redone_by,
    settings_of,
    stage_fingerprints,
    with_dependants,
)
from tests.support.fakes import load_fakes

CONFIG = parse_config({})
REFS = load_fakes(CONFIG).refs
ALL = tuple(stage.name for stage in STAGES if stage.name != Stage.DECODE)


def other(key: str) -> Config:
    """The default config with another value of one key."""
    section, _, name = key.rpartition(".")
    holder: Any = getattr(CONFIG, section) if section else CONFIG
    value = getattr(holder, name)
    field = type(holder).model_fields[name]
    candidates: list[Any] = [
        not value if isinstance(value, bool) else None,
        value + 1 if isinstance(value, int) and not isinstance(value, bool) else None,
        value / 2 if isinstance(value, float) and value else None,
        value + 1.0 if isinstance(value, float) else None,
        0.5 if value == 0.0 else None,
        7,
        "decord", "google", "simple", "skip",
        "flat", "fragments", "local", "cpu", "s3://b/p", "http://host", "x",
        {"x": "linked"},
        ["s3://b/p"],
    ]  # fmt: skip
    assert field is not None
    for candidate in candidates:
        if candidate is None or candidate == value:
            continue
        try:
            return parse_config({section: {name: candidate}} if section else {name: candidate})
        except Exception:  # noqa: BLE001 - not a value of this key
            continue
    raise AssertionError(f"no other value for {key}")


KEYS = [k for k in leaf_keys() if k != "profile" and not k.startswith("models.")]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_redoes_what_the_table_says_and_nothing_else(key: str) -> None:
    changed = other(key)
    made, was = stage_fingerprints(changed, REFS), stage_fingerprints(CONFIG, REFS)
    said = redone_by(key)
    stages = set(ALL) if said == ("all stages",) else set(said) & set(ALL)
    assert changed_stages(was, made) == stages
    pictures = picture_fingerprints(REFS, changed) != picture_fingerprints(REFS, CONFIG)
    assert pictures == ("pictures" in said)
    failures = failure_fingerprint(made, changed) != failure_fingerprint(was, CONFIG)
    assert failures == (bool(stages) or "failed videos" in said)


@pytest.mark.parametrize("key", LIMITS)
def test_a_limit_is_in_no_fingerprint_of_a_stage(key: str) -> None:
    assert stage_fingerprints(other(key), REFS) == stage_fingerprints(CONFIG, REFS)


@pytest.mark.parametrize(
    ("role", "stages"),
    [("image", {"visual"}), ("asr", {"asr", "text"}), ("ocr", {"ocr", "text"}), ("text", {"text"})],
)
def test_another_model_redoes_its_stage_and_what_reads_it(role: str, stages: set[str]) -> None:
    ref = getattr(REFS, role).model_copy(update={"revision": "2"})
    made = stage_fingerprints(CONFIG, REFS.model_copy(update={role: ref}))
    assert changed_stages(stage_fingerprints(CONFIG, REFS), made) == stages


def test_an_older_version_of_the_code_stays_valid_until_asked() -> None:
    now = stage_fingerprints(CONFIG, REFS)
    newer = dict(now) | {"ocr": StageFingerprint(now["ocr"].value, now["ocr"].version + 1)}
    assert changed_stages(now, newer) == frozenset()
    assert changed_stages(now, newer, outdated=True) == {"ocr"}
    done = after(now, newer, with_dependants({"ocr"}))
    assert done["ocr"].version == newer["ocr"].version
    assert done["visual"] == now["visual"]


def test_a_new_modality_is_one_row_of_the_table() -> None:
    """Fingerprints, changes and dependants follow, and rows without it are due for it alone."""
    music = StageSpec("music", needs=(Stage.DECODE,), settings=("asr.language",), model="asr")
    mood = StageSpec("mood", needs=("music",))
    table = (*STAGES, music, mood)
    was, wanted = stage_fingerprints(CONFIG, REFS), stage_fingerprints(CONFIG, REFS, table)
    assert {name: wanted[name] for name in was} == was
    assert changed_stages(was, wanted) == {"music", "mood"}
    assert with_dependants({"music"}, table) == {"music", "mood"}
    assert after(was, wanted, {"music", "mood"}) == wanted
    recut = stage_fingerprints(other("media.sample_ms"), REFS, table)
    assert changed_stages(wanted, recut) == {*ALL, "music", "mood"}
    german = parse_config({"asr": {"language": "de"}})
    changed = changed_stages(wanted, stage_fingerprints(german, REFS, table))
    assert changed == {"asr", "text", "music", "mood"}
    assert redone_by("asr.language", table) == ("asr", "text", "music", "mood")


def test_every_stage_has_the_version_of_before_there_was_a_column_for_it() -> None:
    assert FIRST_VERSIONS.keys() >= {stage.name for stage in STAGES}


def test_a_store_keeps_settings_and_no_resources() -> None:
    kept = kept_settings(parse_config({"models": {"device": "cpu", "threads": 2}}))
    assert "device" not in kept["models"]
    assert "threads" not in kept["models"]
    assert "gate" not in kept
    assert "engine" not in kept
    assert kept["media"] == CONFIG.media.model_dump(mode="json")


def test_settings_are_named_in_full() -> None:
    named = settings_of(CONFIG, ["media.sample_ms", "ocr.same_text"])
    assert named == {"media.sample_ms": 2000, "ocr.same_text": 0.9}
    assert isinstance(CONFIG, BaseModel)
