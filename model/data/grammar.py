"""A tiny pattern language in which phrasings are written: one line stands for dozens of sentences.

    (how long|how many days) does delivery take[ to (reach me|arrive)]

`(a|b)` is one of several, `[a]` is there or not, `@name` is a pattern of the grammar's named lists. `{name}` is a
placeholder for a value and passes through untouched. It knows nothing of shops and languages.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

_TOKEN = re.compile(r"[()\[\]|]|@[a-z_]+|[^()\[\]|@]+|@")
_SPACE_BEFORE_MARK = re.compile(r"\s+([,.;:!?])")


@dataclass(frozen=True, slots=True)
class _Choice:
    """One of several sequences; a sequence is a tuple of literals, list names and further choices."""

    branches: tuple[tuple["str | _Name | _Choice", ...], ...]


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


class Grammar:
    """Expands patterns with the given named lists, each of which is a pattern itself."""

    def __init__(self, lists: Mapping[str, str] | None = None) -> None:
        self._lists = {name: parse(pattern) for name, pattern in (lists or {}).items()}

    def sample(self, pattern: str, rng: Random) -> str:
        """One expansion, each choice drawn evenly."""
        return _tidy(self._draw(parse(pattern), rng))

    def expand(self, pattern: str) -> Iterator[str]:
        """All expansions, in order; the same sentence may come twice."""
        return map(_tidy, self._every(parse(pattern)))

    def count(self, pattern: str) -> int:
        """How many expansions there are."""
        return self._count(parse(pattern))

    def regex(self, pattern: str) -> re.Pattern[str]:
        """What matches the expansions of a pattern, whatever their spaces and capitals."""
        return re.compile(self._regex(parse(pattern)), re.IGNORECASE)

    def _regex(self, choice: _Choice) -> str:
        branches = (
            "".join(
                _literal(part) if isinstance(part, str) else self._regex(self._resolve(part))
                for part in branch
            )
            for branch in choice.branches
        )
        return f"(?:{'|'.join(branches)})"

    def _draw(self, choice: _Choice, rng: Random) -> str:
        return "".join(
            part if isinstance(part, str) else self._draw(self._resolve(part), rng)
            for part in rng.choice(choice.branches)
        )

    def _every(self, choice: _Choice) -> Iterator[str]:
        for branch in choice.branches:
            yield from self._every_in_sequence(branch)

    def _every_in_sequence(self, parts: tuple["str | _Name | _Choice", ...]) -> Iterator[str]:
        if not parts:
            yield ""
            return
        first, *rest = parts
        heads = (first,) if isinstance(first, str) else self._every(self._resolve(first))
        for head in heads:
            for tail in self._every_in_sequence(tuple(rest)):
                yield head + tail

    def _count(self, choice: _Choice) -> int:
        total = 0
        for branch in choice.branches:
            product = 1
            for part in branch:
                product *= 1 if isinstance(part, str) else self._count(self._resolve(part))
            total += product
        return total

    def _resolve(self, part: "_Name | _Choice") -> _Choice:
        if isinstance(part, _Choice):
            return part
        if part.name not in self._lists:
            raise ValueError(f"The pattern names @{part.name}, but there is no such list.")
        return self._lists[part.name]


@cache
def parse(pattern: str) -> _Choice:
    """The pattern as a tree. Raises ValueError when brackets do not match."""
    tokens = _TOKEN.findall(pattern)[::-1]
    choice = _parse_choice(tokens, pattern)
    if tokens:
        raise ValueError(f"Unexpected {tokens[-1]!r} in the pattern {pattern!r}.")
    return choice


def _parse_choice(tokens: list[str], pattern: str) -> _Choice:
    branches: list[list[str | _Name | _Choice]] = [[]]
    while tokens and tokens[-1] not in ")]":
        token = tokens.pop()
        if token == "|":
            branches.append([])
        elif token in "([":
            inner = _parse_choice(tokens, pattern)
            closing = ")" if token == "(" else "]"
            if not tokens or tokens.pop() != closing:
                raise ValueError(f"A {token!r} is not closed in the pattern {pattern!r}.")
            branches[-1].append(inner if token == "(" else _Choice((*inner.branches, ())))
        elif token[0] == "@" and len(token) > 1:
            branches[-1].append(_Name(token[1:]))
        else:
            branches[-1].append(token)
    return _Choice(tuple(tuple(branch) for branch in branches))


def _literal(text: str) -> str:
    return re.sub(r"(?:\\ )+", r"\\s*", re.escape(text))


def _tidy(text: str) -> str:
    return _SPACE_BEFORE_MARK.sub(r"\1", " ".join(text.split()))
