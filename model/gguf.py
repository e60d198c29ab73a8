"""GGUF files, converted once: what transformers made of one is kept, and later starts read that.

transformers walks a GGUF file's vocabulary entry by entry and unpacks its weights on one core, at every start. The
copy (safetensors and `tokenizer.json`) lies in the user's cache folder under the hash of the file's content, the
precision and transformers' version. It is put there whole or not at all, and one that is damaged is made anew.
"""

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_BEING_MADE = ".making-"
_GIVEN_UP_AFTER = 86_400.0
"""Seconds after which a folder that nobody finished is swept away."""


def kept_in() -> Path:
    """Where converted files are kept unless told otherwise."""
    return Path.home() / ".cache" / "kefu" / "gguf"


def load_gguf(path: Path, dtype: torch.dtype, folder: Path | None = None) -> tuple["PreTrainedModel", Any]:
    """The model in a GGUF file and its tokenizer.

    dtype: the precision of the weights; folder: where converted files are kept (`kept_in` if None).
    Raises FileNotFoundError, and whatever transformers raises for a file that it cannot read.
    """
    import transformers

    folder = folder or kept_in()
    name = f"{_hash(path)[:32]}-{str(dtype).removeprefix('torch.')}-{transformers.__version__}"
    if _is_whole(folder / name):
        return _load(str(folder / name), dtype)
    logger.warning(
        "%s is opened for the first time: converting it takes a minute or more; later starts read the copy in %s",
        path.name,
        folder,
    )
    with _quick_reading():
        model, tokenizer = _load(str(path.parent), dtype, gguf_file=path.name)
    _forget_origin(model)
    try:
        _keep(model, tokenizer, folder, name)
    except OSError as error:
        logger.warning(
            "the converted copy of %s could not be kept (%s); the next start converts it again",
            path.name,
            error,
        )
    return model, tokenizer


def _load(where: str, dtype: torch.dtype, **options: str) -> tuple["PreTrainedModel", Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(where, **options)
    model = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, attn_implementation="sdpa", **options)
    return model, tokenizer


def _forget_origin(model: "PreTrainedModel") -> None:
    """The weights are plain numbers now; transformers still takes them for GGUF's and would not save them."""
    for owner, name in ((model, "hf_quantizer"), (model.config, "quantization_config")):
        if hasattr(owner, name):
            delattr(owner, name)


def _keep(model: "PreTrainedModel", tokenizer: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_BEING_MADE}*"):
        if time.time() - left.stat().st_mtime > _GIVEN_UP_AFTER:
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=_BEING_MADE, dir=folder))
    try:
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        hashes = {file.name: _hash(file) for file in sorted(made.iterdir())}
        (made / _MANIFEST).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
        if (folder / name).exists() and not _is_whole(folder / name):
            (folder / name).rename(made / "damaged")
            shutil.rmtree(made / "damaged")
        try:
            made.rename(folder / name)
        except OSError:
            if not _is_whole(folder / name):  # else another worker was quicker
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Whether every file of a converted copy is what was written."""
    try:
        hashes = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return bool(hashes) and all(_hash(folder / file) == expected for file, expected in hashes.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _quick_reading() -> Iterator[None]:
    """Let transformers read the file's header once and quickly.

    It makes a reader for the configuration, for the tokenizer and for the weights, and gguf's makes several views of a
    memory map for each of the vocabulary's entries: three times 800,000 of them for Gemma.
    """
    import gguf
    import numpy as np

    usual, readers = gguf.GGUFReader, {}

    class Reader(usual):
        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: str | None = None) -> Any:
            kind = np.dtype(dtype).newbyteorder(override_order or self.byte_order)
            return np.frombuffer(self.data, kind, int(count), offset)

    def read(path: Any, mode: str = "r") -> Any:
        if path not in readers:
            readers[path] = Reader(path, mode)
        return readers[path]

    gguf.GGUFReader = read
    try:
        yield
    finally:
        gguf.GGUFReader = usual
