from pathlib import Path

import pytest

from reelshelf.schemas.config import PROFILES, Profile, load_config, parse_config
from reelshelf.schemas.errors import ConfigError


def test_a_file_replaces_single_settings_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text('shop_id = "lamps"\n[media]\nsample_ms = 500\n[gate]\nmax_failure_rate = 0\n')
    config = load_config(path)
    assert (config.shop_id, config.media.sample_ms) == ("lamps", 500)
    assert config.gate.max_failure_rate == 0.0
    assert config.models == PROFILES[Profile.OFFLINE]


def test_an_unknown_key_is_named_with_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match=r"media\.sampel_ms: unknown key; .*sample_ms"):
        parse_config({"media": {"sampel_ms": 500}})


def test_an_unknown_key_of_a_model_is_named() -> None:
    with pytest.raises(ConfigError, match=r"models\.image\.wieghts: unknown key; .*weights"):
        parse_config({"models": {"image": {"name": "open_clip:ViT-B-32", "wieghts": "x"}}})


def test_all_wrong_values_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({"media": {"sample_ms": -1}, "gate": {"max_failure_rate": 2.0}})
    text = str(error.value)
    assert "media.sample_ms: got -1" in text
    assert "gate.max_failure_rate: got 2.0" in text


def test_numbers_in_quotes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"media\.max_frames: got '9'"):
        parse_config({"media": {"max_frames": "9"}})


def test_an_unknown_profile_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="got 'clipp'; allowed are offline, clip"):
        load_config(profile="clipp")


def test_one_model_of_a_profile_can_be_replaced() -> None:
    config = parse_config({"models": {"asr": {"name": "whisper", "weights": "small"}}})
    assert config.models.asr.weights == "small"
    assert config.models.image == PROFILES[Profile.OFFLINE].image


@pytest.mark.parametrize("text", ["media = [", "\xff"])
def test_what_is_no_toml_is_refused_with_the_file_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shop.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"shop\.toml: not valid TOML"):
        load_config(path)


def test_a_stored_config_reads_back_the_same() -> None:
    config = load_config(profile="clip")
    assert parse_config(config.model_dump(mode="json")) == config


def test_a_config_with_a_byte_order_mark_reads(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text('shop_id = "lamps"\n', encoding="utf-8-sig")
    assert load_config(path).shop_id == "lamps"
