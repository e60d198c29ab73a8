"""Checks every call against the facts: unknown, missing and ill-typed parameters, lengths, nested objects.

Telegram ignores parameters it does not know; here they are refused, because in a bot they are mistakes. Parameters
come as text (forms) or as JSON; what is returned has the documented types. Knows nothing of chats or messages.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from urllib.parse import urlsplit

from bot.sandbox.errors import ApiError, Json, bad_request
from bot.sandbox.facts import Facts, Field, Fields, Type, parse_type

_EMPTY = {"text": "message text is empty", "chat_id": "chat_id is empty", "message_id": "message_id is empty"}
"""How Telegram names a missing parameter, where it does so in its own way."""

_CODES = {
    "callback_data": "BUTTON_DATA_INVALID",
    "command": "BOT_COMMAND_INVALID",
    "description": "BOT_COMMAND_DESCRIPTION_INVALID",
    "commands": "BOT_COMMANDS_TOO_MUCH",
}
_BUTTON_ACTIONS = frozenset({"text", "style", "icon_custom_emoji_id"})
_BUTTONS, _BUTTONS_PER_ROW = 100, 8
_LARGEST_INTEGER = 2**63 - 1


def utf16_units(text: str) -> int:
    """The length of a text as Telegram counts it."""
    return len(text) + sum(character > "\uffff" for character in text)


def check_call(facts: Facts, method: str, given: Mapping[str, object], files: Collection[str] = ()) -> Json:
    """Return the parameters with their documented types, or raise ApiError 400.

    given: the parameters as they came; None counts as absent.
    files: names of the uploaded parts; a parameter refers to one as `attach://name`.
    """
    fields = facts.methods[method]
    params: Json = {}
    for name, value in given.items():
        if name not in fields:
            raise bad_request(f'unknown parameter "{name}" of {method}')
        if value is not None:
            params[name] = _Checker(facts, files).parameter(fields[name], value, name)
    for name, field in fields.items():
        if field.required and name not in params and name not in files:
            raise bad_request(_EMPTY.get(name, f'parameter "{name}" of {method} is required'))
    return params


class _Checker:
    def __init__(self, facts: Facts, files: Collection[str]) -> None:
        self.facts = facts
        self.files = files

    def parameter(self, field: Field, value: object, path: str) -> object:
        """A top-level parameter: numbers, truth values and objects may come as text."""
        try:
            if isinstance(value, str) and not _takes_text(field.type):
                value = _from_text(field.type, value, path)
            return self.field(field, value, path)
        except RecursionError:
            raise bad_request(f"{path} is nested too deeply") from None

    def field(self, field: Field, value: object, path: str) -> object:
        value = self.value(field.type, value, path)
        if field.choices and value not in field.choices:
            raise bad_request(f"{path} must be one of {', '.join(sorted(field.choices))}")
        if field.limit and field.limit.unit != "parsed":
            size = _size(field.limit.unit, value)
            if not field.limit.low <= size <= field.limit.high:
                code = _CODES.get(path.rpartition(".")[2])
                said = f"{path} is {size:g} {field.limit.unit}, {field.limit.low}-{field.limit.high} allowed"
                raise bad_request(f"{code}: {said}" if code else said)
        return value

    def value(self, type: Type, value: object, path: str) -> object:
        if type.items:
            if not isinstance(value, list):
                raise _ill_typed(path, type)
            return [self.value(type.items, item, f"{path}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, str):
            return self.text(type, value, path)
        if isinstance(value, Mapping):
            return self.mapping(type, value, path)
        if isinstance(value, list):
            arrays = [member for member in type.members if member.startswith("Array of ")]
            if arrays:
                return self.value(parse_type(arrays[0]), value, path)
        elif any(_is_plain(member, value) for member in type.members):
            return value
        raise _ill_typed(path, type)

    def text(self, type: Type, value: str, path: str) -> object:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise bad_request("strings must be encoded in UTF-8") from None
        if "Integer" in type.members and re.fullmatch(r"-?[0-9]{1,18}", value):
            return int(value)
        if "InputFile" in type.members and value.startswith("attach://"):
            if value.removeprefix("attach://") not in self.files:
                raise bad_request(f"{path} names a file that was not uploaded")
            return value
        if "String" not in type.members:
            raise _ill_typed(path, type)
        return value

    def mapping(self, type: Type, value: Mapping[object, object], path: str) -> object:
        """Checks against each type that it may be, and reports what the likeliest has against it."""
        candidates = [
            name
            for member in type.members
            for name in self.facts.unions.get(member, (member,))
            if name in self.facts.types and name != "InputFile"
        ]
        if not candidates:
            raise _ill_typed(path, type)
        return self.record(min(candidates, key=partial(_mismatch, self.facts, value)), value, path)

    def record(self, name: str, value: Mapping[object, object], path: str) -> Json:
        fields = self.facts.types[name]
        checked: Json = {}
        for key, item in value.items():
            if not isinstance(key, str) or key not in fields:
                raise bad_request(f'unknown field "{key}" in {path} ({name})')
            if item is not None:
                checked[key] = self.field(fields[key], item, f"{path}.{key}")
        for key, field in fields.items():
            if field.required and key not in checked:
                raise bad_request(f'field "{key}" of {path} ({name}) is required')
        if rule := _RULES.get(name):
            rule(checked, path)
        return checked


def _takes_text(type: Type) -> bool:
    return "String" in type.members or "InputFile" in type.members


def _from_text(type: Type, text: str, path: str) -> object:
    if type.members == ("Boolean",) or type.members == ("True",):
        if text.lower() in ("true", "1"):
            return True
        if text.lower() in ("false", "0"):
            return False
        raise _ill_typed(path, type)
    if type.members == ("Integer",):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise bad_request(f"can't parse {path} JSON object") from None


def _is_plain(member: str, value: object) -> bool:
    if member in ("Boolean", "True"):
        return isinstance(value, bool) and (value or member == "Boolean")
    if member == "Integer":
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INTEGER
    return member == "Float" and isinstance(value, int | float) and not isinstance(value, bool)


def _mismatch(facts: Facts, value: Mapping[object, object], name: str) -> tuple[int, int]:
    """How far an object is from a type: its kind first, then fields too many and too few."""
    fields: Fields = facts.types[name]
    kinds = sum(
        key in value and field.choices.isdisjoint([str(value[key])])
        for key, field in fields.items()
        if field.choices
    )
    missing = sum(field.required and key not in value for key, field in fields.items())
    return kinds, missing + sum(key not in fields for key in value)


def _size(unit: str, value: object) -> float:
    if isinstance(value, str):
        return len(value.encode()) if unit == "bytes" else utf16_units(value)
    if isinstance(value, list):
        return len(value)
    assert isinstance(value, int | float)
    return value


def _ill_typed(path: str, type: Type) -> ApiError:
    return bad_request(f"{path} must be of type {type}")


def _check_command(command: Json, path: str) -> None:
    if not re.fullmatch(r"[a-z0-9_]+", command["command"]):
        raise bad_request(f"BOT_COMMAND_INVALID: {path}.command may have a-z, 0-9 and _ only")


def _check_button(button: Json, path: str) -> None:
    if not button["text"].strip():
        raise bad_request(f"can't parse inline keyboard button: {path}.text is empty")
    if len(actions := button.keys() - _BUTTON_ACTIONS) != 1:
        raise bad_request(
            "can't parse inline keyboard button: "
            f"{path} needs exactly one action, has {', '.join(sorted(actions)) or 'none'}"
        )
    if "url" in button and not is_link(button["url"]):
        raise bad_request(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")


def _check_keyboard(markup: Json, path: str) -> None:
    rows = markup["inline_keyboard"]
    if any(len(row) > _BUTTONS_PER_ROW for row in rows) or sum(map(len, rows)) > _BUTTONS:
        raise bad_request(f"reply markup is too long: {_BUTTONS_PER_ROW} buttons in a row, {_BUTTONS} in all")


def is_link(url: str) -> bool:
    """Whether Telegram accepts the address in a button or a text link."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme in ("tg", "ton"):
        return bool(host)
    return parts.scheme in ("http", "https") and "." in host.strip(".") and not re.search(r"\s", url)


_RULES: dict[str, Callable[[Json, str], None]] = {
    "BotCommand": _check_command,
    "InlineKeyboardButton": _check_button,
    "InlineKeyboardMarkup": _check_keyboard,
}
"""What the documentation asks for in sentences."""
