"""Files for running it elsewhere: as far as they can be checked without running it there."""

import configparser
import json
import re
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml

from reelshelf.schemas.config import parse_config
from tests.support.commands import ROOT

DEPLOY = ROOT / "deploy"


def test_the_cluster_file_fits_rays_own_schema() -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    cluster = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
    jsonschema.validate(cluster, schema)
    assert cluster["head_node_type"] in cluster["available_node_types"]
    machines = [t["node_config"]["InstanceType"] for t in cluster["available_node_types"].values()]
    # AWS names machines with GPUs g and p; decoding needs machines without.
    assert any(name[0] in "gp" for name in machines)
    assert any(name[0] in "cm" for name in machines)


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("kuberay/*.yaml")), ids=lambda p: p.name)
def test_every_manifest_is_yaml_with_kind_and_name(path: Path) -> None:
    for item in yaml.safe_load_all(path.read_text()):
        assert item["apiVersion"]
        assert item["kind"]
        assert item["metadata"]


def test_schedulers_know_that_nothing_to_do_is_no_failure() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read(DEPLOY / "systemd" / "reelshelf-nightly.service")
    assert unit["Service"]["SuccessExitStatus"] == "7"
    assert "reelshelf nightly --config" in unit["Service"]["ExecStart"]
    # Whatever the night ended with, and without a say in it.
    assert unit["Service"]["ExecStopPost"].startswith("-")
    assert "reelshelf report --config" in unit["Service"]["ExecStopPost"]
    timer = (DEPLOY / "systemd" / "reelshelf-nightly.timer").read_text()
    assert "Persistent=true" in timer
    cron = (DEPLOY / "cron" / "reelshelf").read_text()
    assert re.search(r"code=\$\?; \S+ report .*; case \$code in 0\|7\)", cron)
    for name in ("rayjob-cronjob.yaml", "raycronjob.yaml"):
        assert "-eq 7" in (DEPLOY / "kuberay" / name).read_text()


def test_the_config_of_the_manifests_is_one_that_loads() -> None:
    import tomllib

    for item in yaml.safe_load_all((DEPLOY / "kuberay" / "shop-config.yaml").read_text()):
        config = parse_config(tomllib.loads(item["data"]["shop.toml"]))
        assert config.nightly.store
