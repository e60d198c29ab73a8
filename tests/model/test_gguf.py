"""A GGUF file is converted once: later starts read the copy, and nothing wrong with the copy is ever served."""

import shutil
from pathlib import Path

import pytest
import torch

from model.gguf import load_gguf

gguf = pytest.importorskip("gguf", reason='GGUF files are not readable: pip install "kefu[gguf]"')
pytest.importorskip("transformers", reason="the extra `worker` is not installed")

WIDTH, HEADS, HIDDEN, LAYERS = 32, 4, 64, 2


def write(path: Path, seed: int = 0) -> Path:
    """A small Llama of random weights with a vocabulary of single bytes and one pair."""
    import numpy as np
    from tokenizers.pre_tokenizers import ByteLevel

    random_ = np.random.default_rng(seed)
    words = [*sorted(ByteLevel.alphabet()), "ab", "<s>", "</s>"]
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in (
        (writer.add_context_length, 128), (writer.add_embedding_length, WIDTH), (writer.add_block_count, LAYERS),
        (writer.add_feed_forward_length, HIDDEN), (writer.add_head_count, HEADS), (writer.add_head_count_kv, HEADS),
        (writer.add_layer_norm_rms_eps, 1e-6), (writer.add_vocab_size, len(words)), (writer.add_tokenizer_model, "gpt2"),
        (writer.add_token_list, words), (writer.add_token_types, [1] * (len(words) - 2) + [3, 3]),
        (writer.add_token_merges, ["a b"]), (writer.add_bos_token_id, 257), (writer.add_eos_token_id, 258),
    ):  # fmt: skip
        add(value)
    shapes = {"token_embd": (len(words), WIDTH), "output_norm": (WIDTH,)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.{name}": (WIDTH, WIDTH) for name in ("attn_q", "attn_k", "attn_v", "attn_output")
        }
        shapes |= {f"blk.{layer}.{name}": (HIDDEN, WIDTH) for name in ("ffn_gate", "ffn_up")}
        shapes |= {f"blk.{layer}.ffn_down": (WIDTH, HIDDEN)}
        shapes |= {f"blk.{layer}.{name}": (WIDTH,) for name in ("attn_norm", "ffn_norm")}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random_.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def logits(path: Path, folder: Path) -> torch.Tensor:
    """What the model in a file makes of a text, through its own tokenizer."""
    model, tokenizer = load_gguf(path, torch.float32, folder)
    with torch.inference_mode():
        return model(torch.tensor([tokenizer("Hello, 12.50 EUR? 你好")["input_ids"]])).logits


def copies(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_the_second_start_reads_the_copy_and_it_is_the_same_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, folder = write(tmp_path / "small.gguf"), tmp_path / "kept"
    first = logits(path, folder)
    assert "first time" in caplog.text
    caplog.clear()
    (copy,) = copies(folder)
    before = copy.stat().st_mtime_ns
    assert torch.equal(logits(path, folder), first)
    assert not caplog.text and copy.stat().st_mtime_ns == before and copies(folder) == [copy]


def test_the_quick_way_of_reading_reads_what_the_usual_one_does(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = write(tmp_path / "small.gguf")
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=path.name, dtype=torch.float32, attn_implementation="sdpa"
    )
    ids = AutoTokenizer.from_pretrained(tmp_path, gguf_file=path.name)("Hello, 12.50 EUR? 你好")["input_ids"]
    with torch.inference_mode():
        assert torch.equal(logits(path, tmp_path / "kept"), theirs(torch.tensor([ids])).logits)


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_damaged_copy_is_made_anew(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    path, folder = write(tmp_path / "small.gguf"), tmp_path / "kept"
    first = logits(path, folder)
    (copy,) = copies(folder)
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    match harm:
        case "flip":
            data[-5] ^= 64
            weights.write_bytes(data)
        case "cut":
            weights.write_bytes(data[:-100])
        case "remove":
            (copy / "tokenizer.json").unlink()
    caplog.clear()
    assert torch.equal(logits(path, folder), first)
    assert "first time" in caplog.text and copies(folder) == [copy]
    caplog.clear()
    assert torch.equal(logits(path, folder), first) and not caplog.text


def test_another_file_of_the_same_name_is_another_model(tmp_path: Path) -> None:
    path, folder = write(tmp_path / "small.gguf"), tmp_path / "kept"
    first = logits(path, folder)
    write(path, seed=1)
    assert not torch.equal(logits(path, folder), first)
    assert len(copies(folder)) == 2


def test_where_nothing_can_be_kept_the_model_is_served_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, folder = write(tmp_path / "small.gguf"), tmp_path / "kept"
    first = logits(path, folder)
    shutil.rmtree(folder)
    folder.write_text("a file where the folder should be")
    assert torch.equal(logits(path, folder), first)
    assert "could not be kept" in caplog.text
