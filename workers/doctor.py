"""The worker's part of `kefu doctor`: the shop's data, the model and the GPU of this machine.

A program of its own (`python -m workers.doctor`), since the bot and its commands load neither model nor torch. Reads
the settings as a worker does and prints one Finding a line, as JSON. Without torch a model's files are looked at only.
"""

import asyncio
import hashlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from workers.contracts import Finding
from workers.settings import Settings, SettingsError, load_settings

_ROWS_NAMED = 10
_ELSEWHERE = "Run kefu doctor where the workers run, too."
_INSTALL = "Install what workers need: pip install 'kefu[worker]'."


def main(parts: Sequence[str] = ()) -> None:
    """Print what was found, each as soon as it is known; all, or of these parts only."""
    settings = load_settings()
    checks: dict[str, Callable[[Settings], Iterator[Finding]]] = {
        "shop": check_shop,
        "model": check_model,
        "gpu": check_gpu,
    }
    for part in parts or checks:
        for finding in checks[part](settings):
            print(finding.model_dump_json(), flush=True)


def check_shop(settings: Settings) -> Iterator[Finding]:
    """Whether every row of the shop's data can be used; each that cannot is named."""
    if not _is_installed("model"):
        yield Finding(
            part="shop", state="note", text="this installation has no model package.", remedy=_ELSEWHERE
        )
        return
    from model.shop import Shop, ShopError

    try:
        shop = Shop.load(settings.shop)
    except ShopError as error:
        for problem in error.problems[:_ROWS_NAMED]:
            yield Finding(part="shop", state="bad", text=problem)
        if (more := len(error.problems) - _ROWS_NAMED) > 0:
            yield Finding(part="shop", state="bad", text=f"{more} more such rows.")
        return
    what = f"{shop.name('en')}: {len(shop.products)} products, {len(shop.passages)} passages."
    if settings.shop is None:
        remedy = "Set KEFU_SHOP to the folder with your shop's data."
        yield Finding(part="shop", state="note", text=f"the demo shop, {what}", remedy=remedy)
    else:
        yield Finding(part="shop", state="good", text=what)


def check_model(settings: Settings) -> Iterator[Finding]:
    """Whether the model that answers can be loaded, or at least its files are whole."""
    if settings.model == "echo":
        remedy = "Set KEFU_MODEL to builtin, unless this is a test."
        text = "echo: customers get back what they write."
        yield Finding(part="model", state="note", text=text, remedy=remedy)
    elif not _is_installed("model"):
        yield Finding(
            part="model", state="note", text="this installation has no model package.", remedy=_ELSEWHERE
        )
    elif _is_installed("torch"):
        yield _load(settings)
    else:
        yield _look_at_files(settings.model)


def check_gpu(settings: Settings) -> Iterator[Finding]:
    """Which device answers."""
    if not _is_installed("torch"):
        has_card = shutil.which("nvidia-smi") is not None
        text = (
            "an NVIDIA card, but no torch to use it."
            if has_card
            else "not looked for: torch is not installed here."
        )
        yield Finding(part="gpu", state="note", text=text, remedy=_INSTALL if has_card else _ELSEWHERE)
        return
    import torch

    if torch.cuda.is_available():
        name, memory = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory
        unused = settings.device == "cpu"
        yield Finding(
            part="gpu",
            state="note" if unused else "good",
            text=f"{name}, {memory / 2**30:.0f} GiB" + (", not used: KEFU_DEVICE is cpu." if unused else "."),
        )
    elif settings.device == "cuda":
        remedy = "Set KEFU_DEVICE to auto, or install the card's driver and a torch with CUDA."
        yield Finding(
            part="gpu", state="bad", text="KEFU_DEVICE is cuda, but torch finds no card.", remedy=remedy
        )
    elif shutil.which("nvidia-smi"):
        remedy = "Look at nvidia-smi; if it sees the card, install a torch with CUDA."
        yield Finding(part="gpu", state="note", text="torch does not see an NVIDIA card.", remedy=remedy)
    else:
        yield Finding(part="gpu", state="good", text="none; the model runs on the CPU.")


def _load(settings: Settings) -> Finding:
    """Load it as a worker does; beside the demo shop, since broken rows are another finding."""
    from workers.main import load_assistant

    try:
        assistant = load_assistant(settings.model_copy(update={"shop": None}))
        asyncio.run(assistant.close())
    except SettingsError as error:
        return Finding(part="model", state="bad", text=str(error))
    except Exception as error:  # whatever a library raises: the worker would end on it
        lines = str(error).splitlines() or [""]
        text = f"{settings.model} does not load: {type(error).__name__}: {lines[0][:200]}"
        return Finding(
            part="model", state="bad", text=text, remedy="Set KEFU_MODEL and KEFU_DEVICE to what is here."
        )
    return Finding(part="model", state="good", text=f"{settings.model} loads.")


def _look_at_files(model: str) -> Finding:
    """Whether a checkpoint's files are there and its weights are those that its shape was written with."""
    if model == "passages":
        return Finding(part="model", state="good", text="passages: no model is needed.", remedy=_INSTALL)
    folder = Path(str(files("model") / "checkpoints" / "support")) if model == "builtin" else Path(model)
    if model != "builtin" and not folder.is_dir():
        text = f"{model} is no folder here, and without torch it cannot be looked up."
        return Finding(part="model", state="note", text=text, remedy=_ELSEWHERE)
    try:
        wanted = json.loads((folder / "config.json").read_text(encoding="utf-8"))["weights_sha256"]
        found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    except (OSError, ValueError, LookupError, TypeError):
        found = wanted = ""
    if not found or found != wanted or not (folder / "tokenizer.json").is_file():
        text = f"{folder} is not a complete checkpoint, or is damaged."
        return Finding(part="model", state="bad", text=text, remedy="Copy the folder again.")
    text = f"{model}: its files are there and whole; torch is not installed here, so it was not loaded."
    return Finding(part="model", state="good", text=text, remedy=_ELSEWHERE)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


if __name__ == "__main__":
    main(sys.argv[1:])
