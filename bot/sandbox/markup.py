"""Text with entities: Telegram's HTML, the rules for entities, and those that Telegram finds by itself.

Offsets count UTF-16 units, as Telegram does. The wording of refusals follows TDLib, whose parser Telegram runs.
https://core.telegram.org/bots/api#formatting-options
"""

import html
import re
from dataclasses import dataclass
from typing import NoReturn

from bot.sandbox.errors import ApiError, Json, bad_request
from bot.sandbox.facts import Limit
from bot.sandbox.validate import is_link, utf16_units

_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "blockquote": "blockquote",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
_REFERENCE = re.compile(r"&(?:#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|lt|gt|amp|quot);")
_ATTRIBUTE = re.compile(r"""\s*([^\s=>"']+)(?:\s*=\s*("[^"]*"|'[^']*'|[A-Za-z0-9.\-]+))?""")
_FOUND = re.compile(
    r"""(?P<url>https?://[^\s<>"']*[^\s<>"'.,;:!?)\]])
      | (?P<email>(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)
      | (?P<mention>(?<![\w@])@[A-Za-z]\w{3,31}\b)
      | (?P<bot_command>(?<![\w/@<>])/[A-Za-z0-9_]{1,32}(?:@\w{4,32})?\b)
      | (?P<hashtag>(?<![\w\#])\#\w*[^\W\d]\w*)""",
    re.VERBOSE,
)
_HAS_CONTENT = re.compile(
    "[^\x00-\x20\u00a0\u030a\u0333\u033f\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f\u2800\u3000\ufeff\ufffc]"
)
"""What TDLib leaves of a text that is not empty: control characters, zero-width ones and other spaces do not count."""
_ALONE = frozenset({"code", "pre"})
_QUOTES = frozenset({"blockquote", "expandable_blockquote"})
_NEEDED = {
    "text_link": "url",
    "text_mention": "user",
    "custom_emoji": "custom_emoji_id",
    "date_time": "unix_time",
}


def format_text(
    text: str, parse_mode: str | None, entities: list[Json], limit: Limit, *, name: str = "message"
) -> tuple[str, list[Json]]:
    """Return what a reader sees: the text without markup and all its entities. Raises ApiError 400.

    As in Telegram, `parse_mode` wins over `entities`, and white space around the text is cut off.
    """
    if parse_mode and parse_mode.lower() == "html":
        text, entities = parse_html(text)
    elif parse_mode and parse_mode.lower() in ("markdown", "markdownv2"):
        raise bad_request(f"parse_mode {parse_mode} is not simulated by the sandbox; use HTML or entities")
    elif parse_mode and parse_mode.lower() != "none":
        raise bad_request("unsupported parse_mode")
    else:
        check_entities(text, entities)
    text, entities = _trim(text, entities)
    if utf16_units(text) > limit.high:
        raise bad_request("message is too long" if name == "message" else f"message {name} is too long")
    if utf16_units(text) < limit.low or (limit.low and not _HAS_CONTENT.search(text)):
        raise bad_request("message text is empty")
    return text, _in_order(entities + _found(text, entities))


def parse_html(source: str) -> tuple[str, list[Json]]:
    """Return text and entities of Telegram's HTML; raises ApiError 400 "can't parse entities: …"."""
    return _HtmlParser(source).parse()


@dataclass(slots=True)
class _Open:
    tag: str
    offset: int
    attributes: dict[str, str]


class _HtmlParser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.text: list[str] = []
        self.length = 0
        self.open: list[_Open] = []
        self.entities: list[Json] = []

    def parse(self) -> tuple[str, list[Json]]:
        while self.position < len(self.source):
            if self.source[self.position] == "<":
                if self.source.startswith("</", self.position):
                    self.end_tag()
                else:
                    self.start_tag()
            else:
                self.plain()
        if self.open:
            _refuse(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        return "".join(self.text), _in_order(self.entities)

    def plain(self) -> None:
        end = self.source.find("<", self.position)
        end = len(self.source) if end < 0 else end
        text = _unescape(self.source[self.position : end])
        self.text.append(text)
        self.length += utf16_units(text)
        self.position = end

    def start_tag(self) -> None:
        start = self.position
        name_match = re.compile(r"[^\s>]*").match(self.source, start + 1)
        assert name_match is not None
        name = name_match[0].lower()
        position = name_match.end()
        if position >= len(self.source):
            _refuse(f"Unclosed start tag at byte offset {self.byte(start)}")
        if name not in _TAGS:
            _refuse(f'Unsupported start tag "{name}" at byte offset {self.byte(start)}')
        attributes: dict[str, str] = {}
        while found := _ATTRIBUTE.match(self.source, position):
            attributes[found[1].lower()] = _unescape((found[2] or "").strip("\"'"))
            position = found.end()
        close = re.compile(r"\s*>").match(self.source, position)
        if not close:
            _refuse(f"Unclosed start tag at byte offset {self.byte(start)}")
        if name == "span" and attributes.get("class") != "tg-spoiler":
            _refuse(f'Tag "span" must have class "tg-spoiler" at byte offset {self.byte(start)}')
        self.open.append(_Open(name, self.length, attributes))
        self.position = close.end()

    def end_tag(self) -> None:
        start = self.position
        if not self.open:
            _refuse(f"Unexpected end tag at byte offset {self.byte(start)}")
        end = self.source.find(">", start)
        if end < 0:
            _refuse(f"Unclosed end tag at byte offset {self.byte(start)}")
        name = self.source[start + 2 : end].strip().lower()
        tag = self.open.pop()
        if name and name != tag.tag:
            _refuse(
                f"Unmatched end tag at byte offset {self.byte(start)}, "
                f'expected "</{tag.tag}>", found "</{name}>"'
            )
        self.position = end + 1
        if self.length > tag.offset:
            self.add(tag)

    def add(self, tag: _Open) -> None:
        entity: Json = {"type": _TAGS[tag.tag], "offset": tag.offset, "length": self.length - tag.offset}
        match tag.tag:
            case "a":
                text = "".join(self.text).encode("utf-16-le")[2 * tag.offset :].decode("utf-16-le")
                entity["url"] = tag.attributes.get("href") or text
                if not is_link(entity["url"]):
                    return
            case "blockquote" if "expandable" in tag.attributes:
                entity["type"] = "expandable_blockquote"
            case "code":
                language = tag.attributes.get("class", "")
                if language.startswith("language-"):
                    entity["language"] = language.removeprefix("language-")
            case "pre":
                inner = self.entities[-1] if self.entities else {}
                if inner.get("type") == "code" and inner["offset"] == tag.offset:
                    self.entities.pop()
                    if "language" in inner:
                        entity["language"] = inner["language"]
            case "tg-emoji":
                entity["custom_emoji_id"] = tag.attributes.get("emoji-id", "")
            case "tg-time":
                if not tag.attributes.get("unix", "").isdigit():
                    _refuse('Tag "tg-time" must have a Unix time in its attribute "unix"')
                entity["unix_time"] = int(tag.attributes["unix"])
        if not (self.open and self.open[-1].tag == "pre"):
            if tag.tag == "code":
                entity.pop("language", None)
        self.entities.append(entity)

    def byte(self, position: int) -> int:
        return len(self.source[:position].encode())


def check_entities(text: str, entities: list[Json]) -> None:
    """Raise ApiError 400 for entities outside the text, inside a character, or nested as Telegram forbids."""
    end_of_text = utf16_units(text)
    borders = _borders(text)
    for entity in entities:
        start, length = entity["offset"], entity["length"]
        if start < 0 or length <= 0:
            _refuse(f"entity at UTF-16 offset {start} has length {length}")
        if start + length > end_of_text:
            _refuse(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text at UTF-16 offset {end_of_text}"
            )
        if start not in borders or start + length not in borders:
            _refuse(f"entity at UTF-16 offset {start} begins or ends in a middle of a UTF-16 symbol")
        needed = _NEEDED.get(entity["type"])
        if needed and needed not in entity:
            _refuse(f'{entity["type"]} entity at UTF-16 offset {start} needs the field "{needed}"')
        if entity["type"] == "text_link" and not is_link(entity["url"]):
            _refuse(f"text_link entity at UTF-16 offset {start} has a wrong URL")
    _check_nesting(entities)


def _check_nesting(entities: list[Json]) -> None:
    around: list[Json] = []
    for entity in _in_order(entities):
        while around and _end(around[-1]) <= entity["offset"]:
            around.pop()
        for outer in around:
            if _end(entity) > _end(outer):
                _refuse(
                    f"entities at UTF-16 offsets {outer['offset']} and {entity['offset']} overlap partially"
                )
            if outer["type"] in _ALONE or (entity["type"] in _ALONE and outer["type"] not in _QUOTES):
                _refuse(f"{outer['type']} and {entity['type']} can't be nested")
            if outer["type"] in _QUOTES and entity["type"] in _QUOTES:
                _refuse("block quotations can't be nested")
        around.append(entity)


def find_entities(text: str) -> list[Json]:
    """What Telegram marks by itself: links, addresses, mentions, commands and hashtags."""
    offset, units, found = 0, 0, []
    for match in _FOUND.finditer(text):
        units += utf16_units(text[offset : match.start()])
        length = utf16_units(match[0])
        found.append({"type": match.lastgroup, "offset": units, "length": length})
        units += length
        offset = match.end()
    return found


def _found(text: str, entities: list[Json]) -> list[Json]:
    taken = [
        (entity["offset"], _end(entity))
        for entity in entities
        if entity["type"] in _ALONE
        or entity["type"] in ("text_link", "text_mention", "custom_emoji", "date_time")
        or entity["type"] in _FOUND.groupindex
    ]
    return [
        entity
        for entity in find_entities(text)
        if all(_end(entity) <= start or entity["offset"] >= end for start, end in taken)
    ]


def _trim(text: str, entities: list[Json]) -> tuple[str, list[Json]]:
    stripped = text.strip()
    if stripped == text:
        return text, entities
    cut, length = utf16_units(text[: len(text) - len(text.lstrip())]), utf16_units(stripped)
    kept = []
    for entity in entities:
        start, end = max(entity["offset"] - cut, 0), min(_end(entity) - cut, length)
        if start < end:
            kept.append({**entity, "offset": start, "length": end - start})
    return stripped, kept


def _borders(text: str) -> set[int]:
    borders, offset = {0}, 0
    for character in text:
        offset += 1 + (character > "\uffff")
        borders.add(offset)
    return borders


def _in_order(entities: list[Json]) -> list[Json]:
    return sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))


def _end(entity: Json) -> int:
    return int(entity["offset"] + entity["length"])


def _unescape(text: str) -> str:
    return _REFERENCE.sub(lambda reference: html.unescape(reference[0]), text) if "&" in text else text


def _refuse(reason: str) -> NoReturn:
    raise _parse_error(reason)


def _parse_error(reason: str) -> ApiError:
    return bad_request(f"can't parse entities: {reason}")
