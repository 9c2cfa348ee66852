"""What is written of the service is what it is."""

import configparser
import re
import tomllib

import yaml
from pydantic import BaseModel

from reelshelf.searcher.settings import SearcherSettings
from tests.support.commands import ROOT

FOLDER = ROOT / "deploy" / "service"


def keys_of(section: BaseModel, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in section:
        own = keys_of(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else set()
        found |= own or {f"{prefix}{name}"}
    return found


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "service.md").read_text()
    table = re.findall(r"^\| (`[a-z_.]+`(?:, `[a-z_.]+`)*) \| (.*?) \|", text, re.MULTILINE)
    documented: dict[str, str] = {}
    for names, defaults in table:
        listed = re.findall(r"`([^`]+)`", names)
        values = re.findall(r"`([^`]+)`", defaults) or ["none"] * len(listed)
        documented |= dict(zip(listed, values, strict=True))
    known = {key for key in keys_of(SearcherSettings()) if not key.startswith("storage.")}
    assert documented.keys() == {*known, "storage"} - {"keys"}
    data = SearcherSettings().model_dump()
    for key, told in documented.items():
        section, _, name = key.rpartition(".")
        value = data[section][name] if section else data[name]
        if told != "none":
            assert str(value).lower() == told.lower(), key
        elif key != "storage":
            assert value in (None, ()), key


def test_the_manifest_has_settings_that_load_and_asks_what_the_service_answers() -> None:
    settings, deployment, _ = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    SearcherSettings.model_validate(tomllib.loads(settings["data"]["searcher.toml"]))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"/etc/reelshelf", "/tmp"}
    entry = (FOLDER / "Dockerfile").read_text()
    assert '"--config", "/etc/reelshelf/searcher.toml"' in entry
    for room in ("schemas", "models", "indexer", "searcher", "jobs"):
        assert f"COPY {room} {room}" in entry


def test_the_unit_starts_the_service_again() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read(FOLDER / "reelshelf-searcher.service")
    assert "reelshelf serve --store" in unit["Service"]["ExecStart"]
    assert unit["Service"]["Restart"] == "always"
