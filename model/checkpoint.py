"""A trained model on disk: one folder with weights, shape, tokenizer and the record of its training.

    model.safetensors   weights, in half precision if saved so
    config.json         the network's shape, the tokenizer's fingerprint, the label set, a hash of the weights
    tokenizer.json      the vocabulary
    run.json            how it was trained and how well it did

A folder is loaded whole or refused: never with another tokenizer, another shape or missing weights.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize

from model.gpt import GPT, GPTConfig
from model.prompt import QUESTION_TYPES, SPECIAL_TOKENS
from model.tokenizer import Tokenizer, TokenizerError

FORMAT = 1
SHIPPED = "support"
_FILES = ("model.safetensors", "config.json", "tokenizer.json", "run.json")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the text says which file is at fault and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model. `labels` are the question types it was trained for, none for a plain language model."""

    model: GPT
    tokenizer: Tokenizer
    labels: tuple[str, ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> GPTConfig:
        return self.model.config


def shipped(name: str = SHIPPED) -> Path:
    """The folder of a checkpoint that comes with the project."""
    return Path(__file__).parent / "checkpoints" / name


def save(
    folder: Path,
    model: GPT,
    tokenizer: Tokenizer,
    run: Mapping[str, Any],
    labels: Sequence[str] = QUESTION_TYPES,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a checkpoint; half precision halves the file and is loaded as single again.

    Each file is replaced whole, the shape last, so that an interruption leaves a folder that is refused
    rather than one that is wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = serialize(
        {name: tensor.detach().to("cpu", dtype) for name, tensor in model.state_dict().items()}
    )
    config = {
        "format": FORMAT,
        "model": asdict(model.config),
        "tokenizer": tokenizer.fingerprint(),
        "labels": list(labels),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    tokenizer.save(folder / "tokenizer.json.new")
    (folder / "model.safetensors.new").write_bytes(weights)
    for name, record in (("run.json", run), ("config.json", config)):
        text = json.dumps(record, indent=1, ensure_ascii=False, default=str) + "\n"
        (folder / f"{name}.new").write_text(text, encoding="utf-8")
    for name in ("tokenizer.json", "model.safetensors", "run.json", "config.json"):
        os.replace(folder / f"{name}.new", folder / name)


def load(folder: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint for inference, weights in single precision. Raises CheckpointError."""
    if missing := [name for name in _FILES if not (folder / name).is_file()]:
        raise CheckpointError(
            f"{folder} is not a complete checkpoint: {', '.join(missing)} is missing. "
            "Give the folder that `kefu train text` wrote, or copy it again."
        )
    config, run = _read_json(folder / "config.json"), _read_json(folder / "run.json")
    if config.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder / 'config.json'} has format {config.get('format')!r}, this version reads {FORMAT}. "
            "Install the version that wrote it, or train again."
        )
    try:
        shape, labels = GPTConfig(**config["model"]), tuple(config["labels"])
        fingerprint, digest = config["tokenizer"], config["weights_sha256"]
        tokenizer = Tokenizer.load(folder / "tokenizer.json")
    except TokenizerError as error:
        raise CheckpointError(str(error)) from None
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / 'config.json'} does not describe a model ({error}). Copy it again."
        ) from None
    if tokenizer.fingerprint() != fingerprint:
        raise CheckpointError(
            f"{folder / 'tokenizer.json'} is not the tokenizer that the model was trained with. "
            "Copy both from the same checkpoint."
        )
    if labels and (labels != QUESTION_TYPES or tokenizer.special_tokens != SPECIAL_TOKENS):
        raise CheckpointError(
            f"{folder} was trained for another set of question types than this version has. "
            "Train it again with `kefu train text`, or install the version that it belongs to."
        )
    return Checkpoint(
        _read_model(folder / "model.safetensors", shape, digest, device), tokenizer, labels, run
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}). Copy it again.") from None
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} is damaged (it holds no object). Copy it again.")
    return record


def _read_model(path: Path, shape: GPTConfig, digest: str, device: torch.device | str) -> GPT:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise CheckpointError(f"{path} is damaged or belongs to another config.json. Copy the folder again.")
    model = GPT(shape)
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in deserialize(data).items()})
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit the shape in config.json ({error}). Copy the folder again."
        ) from None
    return model.to(device).eval().requires_grad_(False)
