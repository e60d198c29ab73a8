"""Makes `facts.json`, the table that every call to the sandbox is checked against.

    python -m bot.sandbox.make_facts bot-api-10.3.json

The source is the schema that aiogram's source distribution carries (`.butcher/schema/schema.json`, MIT). Types and
requirements are fields there; lengths, ranges and choices stand in its prose and are parsed out of it. Knows nothing
of the server: only what the documentation says.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FACTS = Path(__file__).with_name("facts.json")

_LENGTH = re.compile(r"(\d+)-(\d+) (characters|bytes)( after entit(?:y|ies) parsing)?")
_MOST_BYTES = re.compile(r"can't exceed (\d+) bytes")
_RANGE = re.compile(r"(?:Values between |[;,] |[Mm]ust be between )(\d+)(?:-| and )(\d+)(?!\d*,? or 0x)\b")
_ITEMS = re.compile(
    r"(?:list of|include) (\d+)-(\d+)\b|(?:[Aa]t most|up to) (\d+) (?:\w+ )?(?:items|identifiers|can)"
)
_ONE_CHOICE = re.compile(r"(?:must be|always) '?(\w+)'?\.?$")
_CHOICES = re.compile(r"(?:Must be one of|Currently, can be|can be either) '")
_ACTIONS = re.compile(r"\b([a-z]+(?:_[a-z]+)*)(?= (?:for|or) )")


def make_facts(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the compact table: methods, the types that their parameters can contain, and the unions of those."""
    methods = {name: _fields(method["params"]) for name, method in schema["methods"].items()}
    types: dict[str, dict[str, str]] = {}
    unions: dict[str, list[str]] = {}
    pending = sorted({name for fields in methods.values() for name in _mentioned(fields, schema["types"])})
    while pending:
        name = pending.pop()
        if name in types or name in unions:
            continue
        described = schema["types"][name]
        members = re.findall(r"\n - (\w+)", described["description"])
        if members and not described["fields"]:
            if "String for plain text" in described["description"]:
                members += ["String", f"Array of {name}"]
            unions[name] = members
            pending += [member for member in members if member in schema["types"]]
        else:
            types[name] = _fields(described["fields"])
            pending += _mentioned(types[name], schema["types"])
    return {
        "api": schema["api"]["version"],
        "source": schema["source"],
        "update_types": [name for name in schema["types"]["Update"]["fields"] if name != "update_id"],
        "methods": methods,
        "types": dict(sorted(types.items())),
        "unions": dict(sorted(unions.items())),
    }


def _fields(described: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: " | ".join(
            [
                field["type"] + ("!" if field["required"] else ""),
                *_limits(field["type"], field["description"]),
            ]
        )
        for name, field in described.items()
    }


def _limits(type_name: str, prose: str) -> Iterator[str]:
    if type_name == "String":
        if length := _LENGTH.search(prose):
            low, high, unit, parsed = length.groups()
            yield f"{low}-{high} {'parsed' if parsed else unit}"
        elif most := _MOST_BYTES.search(prose):
            yield f"0-{most[1]} bytes"
        if one := _ONE_CHOICE.search(prose):
            yield f"one of {one[1]}"
        elif choices := _CHOICES.search(prose):
            yield "one of " + ",".join(dict.fromkeys(re.findall(r"'(\w+)'", prose[choices.start() :])))
        elif "Choose one, depending on" in prose:
            yield "one of " + ",".join(_ACTIONS.findall(prose.split(":", 1)[1]))
    elif type_name in ("Integer", "Float"):
        if len(ranges := _RANGE.findall(prose)) == 1:
            yield "{}-{} value".format(*ranges[0])
    elif type_name.startswith("Array of") and (items := _ITEMS.search(prose)):
        low, high, most_items = items.groups()
        yield f"{low or 0}-{high or most_items} items"


def _mentioned(fields: Mapping[str, str], types: Mapping[str, Any]) -> list[str]:
    return [name for fact in fields.values() for name in re.findall(r"\b[A-Z]\w+", fact) if name in types]


def main() -> None:
    """Read the schema named on the command line and write the table beside this file."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bot.sandbox.make_facts SCHEMA.json")
    schema = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    facts = make_facts(schema)
    FACTS.write_text(_one_line_each(facts), encoding="utf-8")
    print(f"{FACTS.name}: {len(facts['methods'])} methods, {len(facts['types'])} types")


def _one_line_each(facts: Mapping[str, Any]) -> str:
    """JSON with one line for each method and type, so that a newer schema gives a readable difference."""
    blocks = []
    for key, value in facts.items():
        if isinstance(value, dict):
            lines = ",\n".join(
                f"  {json.dumps(name)}: {json.dumps(fields)}" for name, fields in value.items()
            )
            blocks.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
        else:
            blocks.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


if __name__ == "__main__":
    main()
