"""A plain checkpoint as a model of transformers, so that anybody can serve it elsewhere.

A network with normalised queries and keys has Qwen 3's architecture, one without has Llama's; nothing is converted
but names. The pointer head exists in no architecture of transformers, so a checkpoint that has one is refused.
transformers is imported when something is exported, not before.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from model.gpt import GPT
from model.prompt import EOS, PAD
from model.tokenizer import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


CHAT_TEMPLATE = (
    "{% for message in messages %}{{ 'Answer: ' if message.role == 'assistant' else '' }}{{ message.content }}"
    "{{ '' if loop.last else '\\n\\n' }}{% endfor %}{{ '\\nAnswer:' }}"
)
"""What `model.decoders.transcript` writes, as a template: servers refuse a chat with a model that has none."""


class ExportError(ValueError):
    """A checkpoint that no architecture of transformers can hold; the text says why."""


def to_transformers(model: GPT, tokenizer: Tokenizer | None = None) -> "PreTrainedModel":
    """The same network as a transformers causal language model, in fp32. Raises ExportError for a pointer head."""
    if model.pointer is not None:
        raise ExportError(
            "this checkpoint has a pointer head, which no architecture of transformers has; "
            "train a plain one with `kefu train text --no-pointer`"
        )
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    shape = model.config
    ids: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    if tokenizer is not None and {EOS, PAD} <= set(tokenizer.special_tokens):
        ids |= {"eos_token_id": tokenizer.id_of(EOS), "pad_token_id": tokenizer.id_of(PAD)}
    kinds = (Qwen3Config, Qwen3ForCausalLM) if shape.qk_norm else (LlamaConfig, LlamaForCausalLM)
    config = kinds[0](
        vocab_size=shape.vocab_size,
        hidden_size=shape.width,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_width,
        max_position_embeddings=shape.context,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_base},
        tie_word_embeddings=True,
        attention_bias=False,
        **ids,
    )
    exported = kinds[1](config).eval()
    weights = _weights(model)
    missing, unexpected = exported.load_state_dict(weights, strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    exported.tie_weights()
    return exported.requires_grad_(False)


def export(model: GPT, tokenizer: Tokenizer, folder: Path, dtype: torch.dtype = torch.float32) -> str:
    """Write a folder that transformers, vLLM and others load; returns the architecture's name. Raises ExportError."""
    exported = to_transformers(model, tokenizer).to(dtype)
    folder.mkdir(parents=True, exist_ok=True)
    exported.save_pretrained(folder)
    tokenizer.save(folder / "tokenizer.json")
    words: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.config.context,
        "chat_template": CHAT_TEMPLATE,
    }
    if {EOS, PAD} <= set(tokenizer.special_tokens):
        reply = {"defaults": {"role": "assistant"}, "start_anchor": "\nAnswer:"}
        # Without it transformers' server looks for the marks of Qwen's own chats and sends the prompt back as well.
        reply |= {"fields": {"content": {"close": EOS, "content": "text"}}}
        words |= {"eos_token": EOS, "pad_token": PAD, "response_template": reply}
    (folder / "tokenizer_config.json").write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    return str(exported.config.architectures[0] if exported.config.architectures else type(exported).__name__)


def _weights(model: GPT) -> dict[str, Tensor]:
    """Our weights under transformers' names; fused projections are taken apart."""
    shape, weights = model.config, {"model.embed_tokens.weight": model.embedding.weight}
    weights["model.norm.weight"] = model.norm.weight
    D = shape.head_width
    for number, block in enumerate(model.blocks):
        at = f"model.layers.{number}."
        q, k, v = block.attention.qkv.weight.split((shape.heads * D, shape.kv_heads * D, shape.kv_heads * D))
        gate, up = block.feed_forward.gate_up.weight.chunk(2)
        weights |= {
            f"{at}self_attn.q_proj.weight": q,
            f"{at}self_attn.k_proj.weight": k,
            f"{at}self_attn.v_proj.weight": v,
            f"{at}self_attn.o_proj.weight": block.attention.out.weight,
            f"{at}mlp.gate_proj.weight": gate,
            f"{at}mlp.up_proj.weight": up,
            f"{at}mlp.down_proj.weight": block.feed_forward.down.weight,
            f"{at}input_layernorm.weight": block.attention_norm.weight,
            f"{at}post_attention_layernorm.weight": block.feed_forward_norm.weight,
        }
        if shape.qk_norm:
            weights[f"{at}self_attn.q_norm.weight"] = block.attention.q_norm.weight
            weights[f"{at}self_attn.k_norm.weight"] = block.attention.k_norm.weight
    return {name: tensor.detach().float() for name, tensor in weights.items()}
