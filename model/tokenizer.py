"""Byte-level BPE: text to token ids and back, without loss for any Unicode text.

Digits and Chinese, Japanese and Korean characters stand alone, so that a value or a word is cut the same way
wherever it stands. The special tokens of a prompt format have the first ids; text that is not to contain them
must not spell them out.
"""

import codecs
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as BPETokenizer

_ALONE = r"\p{N}|\p{Han}|\p{Hiragana}|\p{Katakana}|\p{Hangul}"


class TokenizerError(ValueError):
    """A tokenizer file that cannot be used; the text says what to do."""


class Tokenizer:
    """A trained byte-level BPE vocabulary."""

    def __init__(self, tokenizer: BPETokenizer) -> None:
        self._tokenizer = tokenizer
        self.vocab_size: int = tokenizer.get_vocab_size()
        self._tokens = [tokenizer.id_to_token(id) for id in range(self.vocab_size)]
        added = tokenizer.get_added_tokens_decoder()
        self.special_tokens = tuple(added[id].content for id in sorted(added))
        byte_of = _byte_of_character()
        self._bytes = [
            token.encode() if id in added else bytes(byte_of[character] for character in token)
            for id, token in enumerate(self._tokens)
        ]

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str]) -> "Tokenizer":
        """Learn a vocabulary of at most `vocab_size` tokens; the special tokens get the ids from 0 on."""
        tokenizer = BPETokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_ALONE), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(special_tokens),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a `tokenizer.json`. Raises TokenizerError."""
        try:
            return cls(BPETokenizer.from_str(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise TokenizerError(f"{path} is missing; copy it from where the checkpoint was made") from None
        except Exception as error:  # the library raises bare Exception for every fault of a file
            raise TokenizerError(f"{path} is damaged ({error}); copy it again") from None

    def save(self, path: Path) -> None:
        path.write_text(self._tokenizer.to_str(), encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """Token ids of a text in which special tokens are recognised. A lone surrogate becomes '?'."""
        return self._tokenizer.encode(text.encode("utf-8", "replace").decode()).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts at once, in parallel where the machine allows it."""
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(clean)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; special tokens appear as they are written, broken UTF-8 as U+FFFD."""
        return b"".join(self._bytes[id] for id in ids).decode("utf-8", "replace")

    def id_of(self, token: str) -> int:
        """The id of a token as it is written in the vocabulary. Raises KeyError if there is none."""
        if (id := self._tokenizer.token_to_id(token)) is None:
            raise KeyError(token)
        return id

    def fingerprint(self) -> str:
        """A short hash of the vocabulary in the order of its ids, which tells two tokenizers apart."""
        return hashlib.sha256(json.dumps(self._tokens).encode()).hexdigest()[:16]

    def stream(self) -> "StreamDecoder":
        """A decoder for one text that arrives token by token."""
        return StreamDecoder(self._bytes)


class StreamDecoder:
    """Turns ids into text as they come and holds back the bytes of a character that is not complete."""

    def __init__(self, bytes_of: Sequence[bytes]) -> None:
        self._bytes_of = bytes_of
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        """The text that has become complete with this token; often one word, sometimes nothing."""
        return self._decoder.decode(self._bytes_of[id])

    def finish(self) -> str:
        """What was still held back, as U+FFFD."""
        return self._decoder.decode(b"", final=True)


def _byte_of_character() -> dict[str, int]:
    """Byte-level BPE writes bytes as characters: printable Latin-1 as itself, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + i): byte for i, byte in enumerate(others)}
