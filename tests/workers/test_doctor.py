"""What the worker's part of `kefu doctor` says of a model and a shop, with torch and without."""

import shutil
from pathlib import Path

import pytest

from workers import doctor
from workers.settings import Settings

MODEL = Path(__file__).parents[2] / "model"
SHIPPED = MODEL / "checkpoints" / "support"


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own installation."""
    monkeypatch.setattr(doctor, "_is_installed", lambda package: package != "torch")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the shipped checkpoint."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "checkpoint"))


def test_every_broken_row_is_named_up_to_ten(tmp_path: Path) -> None:
    shutil.copy(MODEL / "demo_shop" / "shop.json", tmp_path)
    (tmp_path / "faq.jsonl").write_text("{}\n" * 12)
    found = list(doctor.check_shop(settings(shop=tmp_path)))
    assert [finding.state for finding in found] == ["bad"] * 11
    assert found[0].text.startswith("faq.jsonl, line 1:") and found[-1].text == "2 more such rows."


def test_the_demo_shop_is_said_to_be_one() -> None:
    (finding,) = doctor.check_shop(settings())
    assert finding.state == "note" and "demo" in finding.text and "KEFU_SHOP" in finding.remedy


@pytest.mark.usefixtures("no_torch")
def test_without_torch_the_files_are_looked_at_and_that_is_said(checkpoint: Path) -> None:
    for model in ("builtin", str(checkpoint)):
        (finding,) = doctor.check_model(settings(model=model))
        assert finding.state == "good" and "was not loaded" in finding.text
    (gpu,) = doctor.check_gpu(settings())
    assert gpu.state == "note"


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_without_torch_a_missing_file_is_noticed(checkpoint: Path, file: str) -> None:
    (checkpoint / file).unlink()
    (finding,) = doctor.check_model(settings(model=str(checkpoint)))
    assert finding.state == "bad" and "Copy the folder" in finding.remedy


@pytest.mark.usefixtures("no_torch")
def test_without_torch_a_damaged_file_is_noticed(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    (finding,) = doctor.check_model(settings(model=str(checkpoint)))
    assert finding.state == "bad"


def test_without_the_model_package_it_says_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_is_installed", lambda package: False)
    found = [*doctor.check_shop(settings()), *doctor.check_model(settings())]
    assert [finding.state for finding in found] == ["note", "note"]
    assert all("where the workers run" in finding.remedy for finding in found)


def test_a_model_is_loaded_as_a_worker_loads_it(checkpoint: Path) -> None:
    pytest.importorskip("torch")
    (finding,) = doctor.check_model(settings(model=str(checkpoint), shop=checkpoint / "no shop"))
    assert (finding.part, finding.state) == ("model", "good")
    (checkpoint / "model.safetensors").write_bytes(b"")
    (finding,) = doctor.check_model(settings(model=str(checkpoint)))
    assert finding.state == "bad" and "KEFU_MODEL" in finding.text


def test_the_echo_is_no_model_for_a_shop() -> None:
    (finding,) = doctor.check_model(settings(model="echo"))
    assert finding.state == "note"
