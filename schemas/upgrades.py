"""Stored records of older versions, as this version names what is in them.

Records (releases, runs, the configs and models in them) outlive the code that wrote them: a store
keeps them for years, and searchers read those of newer writers too. So they are read tolerantly:
names that have changed are mapped here, once, and what is not known is left out. A config that a
person wrote is read strictly, by `reelshelf.schemas.config.read_config`, and takes renamed keys
from here.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from reelshelf.schemas.calibration import Signal

# A JSON object before it is a record. It never leaves the functions that read records.
Json: TypeAlias = dict[str, Any]

# Config keys by their old names. A name without a dot is a whole section.
RENAMED_KEYS: Mapping[str, str] = {
    "speech": "asr",
    "reading": "ocr",
    "models.speech": "models.asr",
    "models.reader": "models.ocr",
    "linking.background_segments": "linking.visual_stats_segments",
    "search.words": "search.lexical",
    "search.meaning": "search.semantic",
    "search.frame": "search.visual",
    "search.spread": "search.diversity_penalty",
    "gate.min_centre": "gate.min_center",
    "engine.runs_until_given_up": "engine.quarantine_after_runs",
}

_SIGNALS = {
    "likeness": "visual_similarity",
    "likeness_lead": "visual_margin",
    "print": "packaging_text",
    "caption": "ocr_title",
    "caption_price": "ocr_price",
    "spoken": "asr_title",
    "sound": "asr_phonetic",
    "meaning": "asr_semantic",
}
_STAGES = {"frames": "visual"}
_ROLES = {"speech": "asr", "reader": "ocr"}
_HEALTH = {"centres": "centers"}


def rename_keys(data: Json) -> tuple[Json, list[tuple[str, str]]]:
    """A config with today's keys, and which keys were renamed. `data` stays as it is.

    Where a key is given by its old and its new name the new one stays, and the old one is left
    where it was, for the reader to refuse or to ignore.
    """
    found: Json = {k: dict(v) if isinstance(v, dict) else v for k, v in data.items()}
    renamed: list[tuple[str, str]] = []
    for old, new in RENAMED_KEYS.items():
        *parents, name = old.split(".")
        place: Any = found
        for parent in parents:
            place = place.get(parent)
            if not isinstance(place, dict):
                break
        else:
            target = new.rpartition(".")[2]
            if name in place and target not in place:
                place[target] = place.pop(name)
                renamed.append((old, new))
    return found, renamed


def config_record(text: str) -> Json:
    """A stored config by today's keys. It may hold keys that are not known here.

    One that does not say how words are cut is of a store whose rows were made before there was a
    choice.
    """
    return {"text": {"analyzer": "simple"}} | rename_keys(_object(text))[0]


def models_record(text: str) -> Json:
    """Stored model references by today's roles."""
    return _models(_object(text))


def release_record(text: str) -> Json:
    """The record of a release by today's names."""
    data = _object(text)
    data["models"] = _models(data.get("models") or {})
    data["calibration"] = _calibration(data.get("calibration") or {})
    if "background_id" in data:
        data["visual_stats_id"] = data.pop("background_id")
    quality = data.get("quality") or {}
    if isinstance(quality.get("health"), dict):
        quality["health"] = _renamed(quality["health"], _HEALTH)
    return data


def calibration_record(text: str) -> Json:
    """A stored calibration by today's signals."""
    return _calibration(_object(text))


def calls_record(data: Mapping[str, Any]) -> Json:
    """Stored counts of model calls, by today's names."""
    return _renamed(data, {"lines_recognised": "lines_recognized"})


def stage_names(data: Mapping[str, Any]) -> Json:
    """Figures by stage, by today's names of stages."""
    return _renamed(data, _STAGES)


def _models(data: Json) -> Json:
    return _renamed(data, _ROLES)


def _calibration(data: Json) -> Json:
    weights = _renamed(data.get("weights") or {}, _SIGNALS)
    return data | {"weights": {name: w for name, w in weights.items() if name in set(Signal)}}


def _renamed(data: Mapping[str, Any], names: Mapping[str, str]) -> Json:
    return {names.get(name, name): value for name, value in data.items()}


def _object(text: str) -> Json:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"a record must be a JSON object, got {type(data).__name__}")
    return data
