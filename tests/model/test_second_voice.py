"""Tuning any language model of the transformers library, and reading its adapter back. The base here is tiny and random."""

import json
from pathlib import Path
from random import Random

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

pytest.importorskip("transformers", reason="needs the extra tune")
pytest.importorskip("peft", reason="needs the extra tune")

from tokenizers import Tokenizer as BPETokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from model.assistant import is_foreign
from model.cli import app
from model.data.dialogues import DialogueMaker
from model.data.en_topics import EN
from model.data.zh_topics import ZH
from model.second_voice import VoiceError, end_of, load_voice
from model.slots import SLOT, find_values
from model.tune import TuneError, TuneSettings, answer_loss, lesson, questions, tune_voice

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def first_question(seed: int = 3):
    maker, rng = DialogueMaker(EN, slots=False), Random(seed)
    while not (found := questions(maker.with_facts(rng))):
        pass
    return found[0]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("base")
    bpe = BPETokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        ["Customer: Shop: Facts: delivery"],
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    shape = LlamaConfig(
        vocab_size=bpe.get_vocab_size(), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=4096,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(folder)
    return folder


def settings(base: Path, **changes) -> TuneSettings:
    plan = {"base": str(base), "minutes": 0.02, "rank": 2, "dialogues": 1, "longest": 2000, "questions": 1}
    return TuneSettings(**plan | changes)


def test_generated_dialogues_can_have_their_values_in_plain_words() -> None:
    for script in (EN, ZH):
        maker, rng = DialogueMaker(script, slots=False), Random(1)
        texts = [fact.text for _ in range(20) for fact in maker.with_facts(rng).facts]
        assert not SLOT.search("".join(texts))
        assert sum(bool(find_values(text)) for text in texts) > 10


@pytest.mark.parametrize("template", [None, CHAT])
def test_loss_falls_on_the_answer_and_its_end_alone(base: Path, template: str | None) -> None:
    _, tokenizer = load_voice(str(base))
    tokenizer.chat_template = template
    question = first_question()
    made = lesson(question, tokenizer)
    learned = tokenizer.decode([made.ids[place + 1] for place in made.places])
    assert learned == (f"{question.answer}</s>" if template else f" {question.answer}\n\n")
    assert question.source.partition(": ")[2] in tokenizer.decode(made.ids)
    assert end_of(learned, [question.message]).removesuffix("</s>") == question.answer


def test_loss_is_that_of_the_whole_sequence(base: Path) -> None:
    model, tokenizer = load_voice(str(base))
    made = lesson(first_question(), tokenizer)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([made.ids])).logits[0].log_softmax(-1)
        slow = -sum(logits[place, made.ids[place + 1]] for place in made.places) / len(made.places)
        assert answer_loss(model, made).item() == pytest.approx(slow.item(), abs=1e-4)


def test_a_run_leaves_an_adapter_and_goes_on(base: Path, tmp_path: Path) -> None:
    first = tune_voice(None, tmp_path, settings(base), Console(quiet=True))
    again = tune_voice(None, tmp_path, settings(base, merge=True), Console(quiet=True))
    assert again["dialogues"] > first["dialogues"] > 0
    assert again["before"] == first["before"]
    assert json.loads((tmp_path / "run.json").read_text())["steps"] == again["steps"]
    assert {"adapter_model.safetensors", "adapter_config.json", "loss.png"} <= {
        p.name for p in tmp_path.iterdir()
    }
    tuned, tokenizer = load_voice(str(base), tmp_path)
    plain, _ = load_voice(str(base))
    made = lesson(first_question(), tokenizer)
    with torch.no_grad():
        assert answer_loss(tuned, made) < answer_loss(plain, made)
        merged, _ = load_voice(str(tmp_path / "merged"))
        assert answer_loss(merged, made).item() == pytest.approx(answer_loss(tuned, made).item(), rel=0.02)
    assert is_foreign(str(tmp_path / "merged"))
    with pytest.raises(TuneError, match="other settings"):
        tune_voice(None, tmp_path, settings(base, rank=4), Console(quiet=True))


def test_what_cannot_be_loaded_is_said_in_one_line(base: Path, tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="cannot be loaded"):
        load_voice(str(tmp_path))
    with pytest.raises(VoiceError, match="kefu train voice"):
        load_voice(str(base), tmp_path)
    with pytest.raises(VoiceError, match="does not exist"):
        load_voice(str(tmp_path / "none.gguf"))
    command = ["train", "voice", "--base", str(tmp_path), "--out", str(tmp_path / "out"), "--minutes", "1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code != 0
