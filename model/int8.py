"""8-bit linear layers for the CPU, wrapped here alone: torch's quantised tensors are on their way out (torch issue
184982), and what replaces them replaces this file.

Weights are rounded to 8 bits per output row, inputs to 8 bits per call (dynamic quantisation). Two kernels hold the
weights: FBGEMM's for a few rows, oneDNN's from some rows on; each was the faster there on AVX-512 with VNNI.
"""

import copy
import time
import warnings

import torch
from torch import Tensor, nn

from model.gpt import GPT

MANY_ROWS = 48
"""Rows of input from which on oneDNN's kernel is the faster one."""

WORTH_TRYING = 8_000_000
"""Parameters from which on 8 bits can pay; below, rounding the inputs costs what the weights save."""

_LEAST_GAIN = 1.1


class Int8Linear(nn.Module):
    """A linear layer (out, in) without a gradient, in 8 bits."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        engines = torch.backends.quantized.supported_engines
        self._few = _pack(weight, bias, "fbgemm" if "fbgemm" in engines else "onednn")
        self._many = _pack(weight, bias, "onednn") if "onednn" in engines else self._few

    def forward(self, x: Tensor) -> Tensor:
        rows = x.numel() // x.shape[-1]
        packed = self._few if rows < MANY_ROWS else self._many
        return torch.ops.quantized.linear_dynamic(x, packed, True)


def quantised(model: GPT) -> GPT:
    """A copy of a network whose large projections are in 8 bits; embedding, norms and pointer stay as they are."""
    copied = copy.deepcopy(model)
    for block in copied.blocks:
        for layer, name in (
            (block.attention, "qkv"),
            (block.attention, "out"),
            (block.feed_forward, "gate_up"),
            (block.feed_forward, "down"),
        ):
            setattr(layer, name, Int8Linear(getattr(layer, name).weight))
    copied.int8_words = Int8Linear(copied.embedding.weight)
    return copied


def quantise_linears(module: nn.Module) -> None:
    """Put every linear layer inside a module into 8 bits, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child.weight, child.bias))
        else:
            quantise_linears(child)


def in_precision(model: GPT, precision: str = "auto", rows: int = 8) -> GPT:
    """The network as it is to run: "fp32", "bf16", "int8" (CPU only), or "auto": bf16 on a GPU, on a CPU the faster.

    rows: how many requests run together when it is measured. Raises ValueError for what the device cannot do.
    """
    on_cpu = model.device.type == "cpu"
    if precision == "auto":
        if not on_cpu:
            return model.to(torch.bfloat16)
        if sum(parameter.numel() for parameter in model.parameters()) < WORTH_TRYING or not _is_supported():
            return model
        faster = quantised(model)
        return faster if _step_seconds(faster, rows) * _LEAST_GAIN < _step_seconds(model, rows) else model
    if precision == "int8":
        if not on_cpu or not _is_supported():
            raise ValueError("int8 needs a CPU with FBGEMM or oneDNN; take fp32 or bf16")
        return quantised(model)
    if precision not in ("fp32", "bf16"):
        raise ValueError(f"there is no precision {precision!r}; take auto, fp32, bf16 or int8")
    return model.to(torch.bfloat16) if precision == "bf16" else model


def name_of(model: GPT) -> str:
    """The precision that a network runs in."""
    if model.int8_words is not None:
        return "int8"
    return {torch.float32: "fp32", torch.bfloat16: "bf16"}[model.embedding.weight.dtype]


def _is_supported() -> bool:
    return bool({"fbgemm", "onednn"} & set(torch.backends.quantized.supported_engines))


def _pack(weight: Tensor, bias: Tensor | None, engine: str) -> torch.ScriptObject:
    scales = weight.detach().abs().amax(dim=1).clamp_min(1e-8).double() / 127
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
            rounded = torch.quantize_per_channel(
                weight.detach().float(), scales, torch.zeros(len(scales), dtype=torch.long), 0, torch.qint8
            )
            return torch.ops.quantized.linear_prepack(rounded, bias)
    finally:
        torch.backends.quantized.engine = before


@torch.inference_mode()
def _step_seconds(model: GPT, rows: int, steps: int = 10) -> float:
    """The quickest of some decoding steps, which other programs disturbed least."""
    cache, length = model.make_cache(rows), min(64, model.context - steps)
    ids, times = torch.zeros(rows, 1, dtype=torch.long, device=model.device), []
    for step in range(steps):
        begun = time.perf_counter()
        model.extend(ids, [length + step] * rows, cache)
        times.append(time.perf_counter() - begun)
    return min(times)
