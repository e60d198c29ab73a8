"""How well a model answers: greedy generation from the prompt alone, judged on the last question of each dialogue.

The question type is held to the label set and the key to the keys given, as when customers are served; nothing of
the right answer is shown. It knows no shop and no files.
"""

import contextlib
import copy
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from model.checkpoint import Checkpoint
from model.data.batches import encode
from model.data.corpus import Corpus
from model.data.dialogues import Dialogue, DialogueMaker
from model.data.en_topics import EN
from model.data.zh_topics import ZH
from model.gpt import GPT, Cache
from model.int8 import in_precision
from model.prompt import (
    EOS,
    KEY_TOKENS,
    NONE,
    SLOT_TOKENS,
    SPECIAL_TOKENS,
    TYPE_TOKENS,
    render_answer,
    render_prompt,
)
from model.slots import SLOT
from model.tokenizer import Tokenizer

_ROWS = 16


@dataclass(frozen=True)
class Reply:
    """What the model wrote after one question, beside what was right."""

    dialogue: Dialogue
    type: str
    key: str
    text: str

    @property
    def is_type_right(self) -> bool:
        return self.type == f"<t:{self.dialogue.exchanges[-1].question_type}>"

    @property
    def is_key_right(self) -> bool:
        return self.key == self.right_key

    @property
    def right_key(self) -> str:
        index = self.dialogue.exchanges[-1].key
        return NONE if index is None else KEY_TOKENS[self.dialogue.keys[index]]

    @property
    def is_exact(self) -> bool:
        """The whole answer, not a part of it: a substring would hide overruns."""
        return self.text.strip() == self.dialogue.exchanges[-1].answer.strip()

    @property
    def has_values(self) -> bool:
        """All values of the right answer and no other."""
        return set(SLOT.findall(self.text)) == set(SLOT.findall(self.dialogue.exchanges[-1].answer))


@torch.no_grad()
def generate(
    model: GPT, tokenizer: Tokenizer, dialogues: Sequence[Dialogue], longest: int = 110
) -> list[Reply]:
    """Greedy replies to the last question of each dialogue, in the order given."""
    was_training = model.training
    model.eval()
    cache = Cache(model.config, min(_ROWS, max(1, len(dialogues))), model.device)
    prompts = [tokenizer.encode(_prompt(dialogue)) for dialogue in dialogues]
    order = sorted(range(len(dialogues)), key=lambda i: len(prompts[i]))
    replies: dict[int, Reply] = {}
    for start in range(0, len(order), _ROWS):
        chosen = order[start : start + _ROWS]
        outputs = _decode(
            model, tokenizer, cache, [prompts[i] for i in chosen], [dialogues[i] for i in chosen], longest
        )
        for i, ids in zip(chosen, outputs, strict=True):
            type, key = tokenizer.decode(ids[:1]), tokenizer.decode(ids[1:2])
            replies[i] = Reply(dialogues[i], type, key, tokenizer.decode(ids[2:]))
    model.train(was_training)
    return [replies[i] for i in range(len(dialogues))]


def score(replies: Sequence[Reply]) -> dict[str, float]:
    """Shares over all replies; `exact` and `values` over those whose answer comes from a fact."""
    if not replies:
        return {}
    answered = [reply for reply in replies if reply.right_key != NONE] or list(replies)
    unanswerable = [reply for reply in replies if reply.right_key == NONE]
    return {
        "questions": len(replies),
        "type": _share(reply.is_type_right for reply in replies),
        "key": _share(reply.is_key_right for reply in replies),
        "exact": _share(reply.is_exact for reply in answered),
        "values": _share(reply.has_values for reply in answered),
        "refusal_recall": _share(reply.key == NONE for reply in unanswerable),
    }


def confusions(replies: Sequence[Reply], most: int = 12) -> list[tuple[str, str, int]]:
    """The commonest wrong question types: right, given, how often."""
    count: dict[tuple[str, str], int] = defaultdict(int)
    for reply in replies:
        if not reply.is_type_right:
            count[reply.dialogue.exchanges[-1].question_type, reply.type[3:-1]] += 1
    worst = sorted(count.items(), key=lambda item: -item[1])[:most]
    return [(right, given, number) for (right, given), number in worst]


@torch.inference_mode()
def precisions(checkpoint: Checkpoint, dialogues: int = 200, seed: int = 1) -> dict[str, Any]:
    """Perplexity of a checkpoint in fp32, bf16 and (on a CPU that can) int8, and its change against fp32.

    Over what the model writes (type, key, answer) in made-up dialogues whose wordings training set aside.
    """
    rng, corpus = random.Random(seed), Corpus()
    makers = [DialogueMaker(script, corpus, held_out=True) for script in (EN, ZH)]
    rows = [encode(makers[i % 2].make(rng), checkpoint.tokenizer) for i in range(dialogues)]
    rows = [row for row in rows if len(row.ids) <= checkpoint.config.context]
    made: dict[str, GPT] = {}
    for precision in ("fp32", "bf16", "int8"):
        with contextlib.suppress(ValueError):  # a device that cannot is left out
            made[precision] = in_precision(copy.deepcopy(checkpoint.model), precision)
    figures: dict[str, dict[str, float]] = {}
    for name, model in made.items():
        loss, count = 0.0, 0
        for row in rows:
            ids = torch.tensor([row.ids], device=model.device)
            targets = torch.tensor(row.weights[1:], device=model.device) > 0
            log_probs = model(ids[:, :-1], targets[None])
            loss -= log_probs.gather(1, ids[0, 1:][targets][:, None]).sum().item()
            count += int(targets.sum())
        perplexity = math.exp(loss / count)
        change = perplexity / figures["fp32"]["perplexity"] - 1 if figures else 0.0
        figures[name] = {"perplexity": perplexity, "change": change, "tokens": count}
    return {"dialogues": len(rows), "precisions": figures}


def _share(claims: object) -> float:
    truths = [bool(claim) for claim in claims]  # type: ignore[attr-defined]
    return round(sum(truths) / len(truths), 4) if truths else 0.0


def _prompt(dialogue: Dialogue) -> str:
    *history, last = dialogue.exchanges
    return render_prompt(dialogue.language, dialogue.facts, dialogue.keys, history, last.question)


def _decode(
    model: GPT,
    tokenizer: Tokenizer,
    cache: Cache,
    prompts: Sequence[list[int]],
    dialogues: Sequence[Dialogue],
    longest: int,
) -> list[list[int]]:
    device = model.device
    end = tokenizer.id_of(EOS)
    allowed = [_masks(tokenizer, dialogue, device) for dialogue in dialogues]
    first = [
        model.extend(torch.tensor([prompt], device=device), [0], cache, first_row=row)
        for row, prompt in enumerate(prompts)
    ]
    log_probs = torch.cat(first)  # (B, vocab)
    lengths = [len(prompt) for prompt in prompts]
    outputs: list[list[int]] = [[] for _ in prompts]
    for step in range(min(longest, model.config.context - max(lengths))):
        masks = torch.stack([masks[min(step, 2)] for masks in allowed])
        tokens = (log_probs + masks).argmax(-1)
        for row, token in enumerate(tokens.tolist()):
            if end not in outputs[row]:
                outputs[row].append(token)
        if all(end in output for output in outputs):
            break
        new = model.extend(tokens[:, None], lengths, cache)
        assert new is not None
        log_probs = new
        lengths = [length + 1 for length in lengths]
    return [output[: output.index(end)] if end in output else output for output in outputs]


def _masks(
    tokenizer: Tokenizer, dialogue: Dialogue, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What may come first (a type), second (a key) and then (words, the facts' slots and the end)."""

    def only(tokens: Sequence[str]) -> torch.Tensor:
        mask = torch.full((tokenizer.vocab_size,), float("-inf"), device=device)
        mask[[tokenizer.id_of(token) for token in tokens]] = 0.0
        return mask

    shown = " ".join(f"{fact.title} {fact.text}" for fact in dialogue.facts)
    present = {f"<v{number}>" for number in SLOT.findall(shown)}
    banned = [
        token for token in SPECIAL_TOKENS if token != EOS and not (token in SLOT_TOKENS and token in present)
    ]
    words = torch.zeros(tokenizer.vocab_size, device=device)
    words[[tokenizer.id_of(token) for token in banned]] = float("-inf")
    return only(TYPE_TOKENS), only([NONE, *(KEY_TOKENS[key] for key in dialogue.keys)]), words


def transcript(reply: Reply) -> str:
    """One reply beside the right answer, for reading."""
    last = reply.dialogue.exchanges[-1]
    right = render_answer(last, reply.dialogue.keys).removesuffix(EOS)
    mark = "✓" if reply.is_exact and reply.is_type_right else "✗"
    return f"{mark} {last.question!r}\n    model {reply.type}{reply.key}{reply.text}\n    right {right}"
