"""What the Bot API's documentation says about each method and type, read from `facts.json`.

A fact is one line there: `String! | 1-64 bytes` is a required string of 1 to 64 bytes. Knows no values and judges
nothing; `validate` does.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, cast

Unit = Literal["characters", "bytes", "value", "items", "parsed"]
"""What a limit counts; `parsed` are characters that are left after entities were parsed."""


@dataclass(frozen=True, slots=True)
class Type:
    """Either an array of `items` or any one of `members` (names of types)."""

    members: tuple[str, ...] = ()
    items: "Type | None" = None

    def __str__(self) -> str:
        return f"Array of {self.items}" if self.items else " or ".join(self.members)


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds, both included."""

    low: int
    high: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a method or one field of a type."""

    type: Type
    required: bool
    limit: Limit | None = None
    choices: frozenset[str] = frozenset()


Fields = Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Facts:
    """The whole table."""

    version: str
    methods: Mapping[str, Fields]
    types: Mapping[str, Fields]
    unions: Mapping[str, tuple[str, ...]]
    update_types: tuple[str, ...]
    spelling: Mapping[str, str]

    def method(self, name: str) -> str | None:
        """The method's own spelling; Telegram reads names without regard to case."""
        return self.spelling.get(name.lower())

    def limit(self, method: str, parameter: str) -> Limit:
        """The documented limit of a parameter that has one."""
        limit = self.methods[method][parameter].limit
        assert limit is not None, f"{method}.{parameter} has no limit"
        return limit


@cache
def load_facts() -> Facts:
    """Read the table once."""
    text = resources.files("bot.sandbox").joinpath("facts.json").read_text(encoding="utf-8")
    table = json.loads(text)
    methods = {name: _fields(fields) for name, fields in table["methods"].items()}
    return Facts(
        version=table["api"],
        methods=methods,
        types={name: _fields(fields) for name, fields in table["types"].items()},
        unions={name: tuple(members) for name, members in table["unions"].items()},
        update_types=tuple(table["update_types"]),
        spelling={name.lower(): name for name in methods},
    )


def _fields(written: Mapping[str, str]) -> dict[str, Field]:
    return {name: _field(fact) for name, fact in written.items()}


def _field(fact: str) -> Field:
    type_name, *limits = fact.split(" | ")
    limit, choices = None, frozenset[str]()
    for part in limits:
        if part.startswith("one of "):
            choices = frozenset(part.removeprefix("one of ").split(","))
        else:
            low, high, unit = re.split("[- ]", part)
            limit = Limit(int(low), int(high), cast(Unit, unit))
    return Field(parse_type(type_name.removesuffix("!")), type_name.endswith("!"), limit, choices)


def parse_type(name: str) -> Type:
    """`Array of Integer` or `Integer or String`, as the documentation writes types."""
    if name.startswith("Array of "):
        return Type(items=parse_type(name.removeprefix("Array of ")))
    return Type(members=tuple(re.split(", | and | or ", name)))
