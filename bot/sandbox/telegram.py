"""Telegram as the sandbox plays it: one bot, its users and chats, and what people can do in them.

What the bot may do is in `methods`. Everything here is plain state with an injected clock; it knows no HTTP. Each
chat keeps its last 2,000 messages and each callback query lives 15 seconds, as long as Telegram's apps wait.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from bot.sandbox.errors import Json
from bot.sandbox.markup import find_entities
from bot.sandbox.transcript import Transcript
from bot.sandbox.updates import Updates
from bot.sandbox.validate import utf16_units

MESSAGES_PER_CHAT = 2000
MAX_TEXT = 4096
DRAFT_SECONDS = 30.0
ACTION_SECONDS = 5.0
QUERY_SECONDS = 15.0
MAX_FILES = 10_000

REACTIONS = frozenset(
    "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 "
    "😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡".split()
)

Media = Literal["sticker", "voice", "photo"]


class Impossible(Exception):
    """Something that nobody could do in Telegram; the text says why."""


@dataclass(slots=True)
class User:
    """A person. `started`: has written to the bot at least once, so that the bot may write back."""

    id: int
    name: str
    language_code: str = "en"
    is_admin: bool = False
    started: bool = False
    blocked: bool = False


DEMO_USERS = (
    User(1, "Mia", "en"),
    User(2, "陈伟", "zh"),
    User(3, "Amir", "en"),
    User(9, "Shop admin", "en", is_admin=True, started=True),
)


@dataclass(slots=True)
class Draft:
    """A growing message that the bot shows and Telegram does not keep."""

    text: str
    can_stop: bool
    keep_on_stop: bool
    expires_at: float


@dataclass(slots=True)
class Chat:
    """A private chat with the user of the same id, or a group with a negative id."""

    id: int
    title: str = ""
    members: set[int] = field(default_factory=set)
    messages: OrderedDict[int, Json] = field(default_factory=OrderedDict)
    reactions: dict[int, dict[int, str]] = field(default_factory=dict)
    drafts: dict[int, Draft] = field(default_factory=dict)
    stopped_draft: int = 0

    @property
    def is_group(self) -> bool:
        return self.id < 0


@dataclass(slots=True)
class Query:
    """A pressed button that waits for the bot's answer."""

    chat_id: int
    expires_at: float


class Telegram:
    """The whole state. Methods named after what a person does return what the control API answers."""

    def __init__(self, token: str, users: Iterable[User], clock: Callable[[], float]) -> None:
        self.token = token
        self.clock = clock
        self.id = int(token.partition(":")[0])
        self.username = "kefu_sandbox_bot"
        self.users = {user.id: replace(user) for user in users}
        self.chats = {user.id: Chat(user.id) for user in self.users.values()}
        self.transcript = Transcript(clock)
        self.updates = Updates(clock)
        self.commands: dict[tuple[str, str], list[Json]] = {}
        self.profile: dict[tuple[str, str], str] = {("name", ""): "kefu"}
        self.queries: OrderedDict[str, Query] = OrderedDict()
        self.files: OrderedDict[str, Json] = OrderedDict()
        self._drafting: dict[int, Chat] = {}
        self._last_message_id = 0

    # People

    def add_user(self, user: User) -> User:
        """Create a person, or rename one who exists."""
        if known := self.users.get(user.id):
            known.name, known.language_code = user.name, user.language_code
            known.is_admin, known.started = user.is_admin, known.started or user.started
            return known
        self.users[user.id] = user
        self.chats[user.id] = Chat(user.id)
        return user

    def add_group(self, chat_id: int, title: str, members: Iterable[int]) -> Chat:
        """Create a group with the bot in it."""
        if chat_id >= 0:
            raise Impossible("a group has a negative id")
        chat = self.chats.setdefault(chat_id, Chat(chat_id))
        chat.title, chat.members = title, {self.person(member).id for member in members}
        return chat

    def person(self, user_id: int) -> User:
        """The user with this id."""
        if user_id not in self.users:
            raise Impossible(f"there is no user {user_id}; create one with POST /control/users")
        return self.users[user_id]

    def place(self, user: User, chat_id: int | None) -> Chat:
        """The chat that a user acts in: their own, or a group they are in."""
        if chat_id is None or chat_id == user.id:
            return self.chats[user.id]
        chat = self.chats.get(chat_id)
        if chat is None or user.id not in chat.members:
            raise Impossible(f"user {user.id} is not in chat {chat_id}")
        return chat

    def write(
        self, user: User, chat: Chat, text: str, *, reply_to: int | None = None
    ) -> list[tuple[int, int | None]]:
        """Send a text; returns (message_id, update_id) of each message that the app makes of it."""
        parts = split_text(text.strip())
        if not parts:
            raise Impossible("Telegram's apps send no empty message")
        return [self._send(user, chat, {"text": part}, find_entities(part), reply_to) for part in parts]

    def send_media(self, user: User, chat: Chat, kind: Media, caption: str = "") -> tuple[int, int | None]:
        """Send a sticker, a voice note or a photo."""
        if utf16_units(caption) > 1024:
            raise Impossible("Telegram's apps send no caption over 1024 characters")
        content: Json = {kind: self._media(kind)}
        if caption and kind != "sticker":
            content["caption"] = caption
        return self._send(user, chat, content, find_entities(caption), None)

    def edit(self, user: User, chat: Chat, message_id: int, text: str) -> int | None:
        """Change the text of an own message; returns the update's id."""
        message = self.message(chat, message_id)
        if message["from"]["id"] != user.id or "text" not in message:
            raise Impossible("people can edit their own text messages only")
        if not text.strip() or utf16_units(text.strip()) > MAX_TEXT:
            raise Impossible("an edited message has 1 to 4096 characters")
        message["text"], message["edit_date"] = text.strip(), int(self.clock())
        _set_entities(message, "entities", find_entities(message["text"]))
        self.transcript.write(
            chat.id,
            "edit",
            "user",
            user_id=user.id,
            message_id=message_id,
            text=message["text"],
            entities=message.get("entities", []),
            buttons=[],
        )
        return self._notify(chat, "edited_message", dict(message))

    def press(self, user: User, chat: Chat, message_id: int, data: str) -> str:
        """Press an inline button; returns the callback query's id."""
        message = self.message(chat, message_id)
        rows = message.get("reply_markup", {}).get("inline_keyboard", [])
        if not any(button.get("callback_data") == data for row in rows for button in row):
            raise Impossible(f"message {message_id} has no button with this data")
        self._require_unblocked(user)
        query_id = str(secrets.randbits(62))
        self.queries[query_id] = Query(chat.id, self.clock() + QUERY_SECONDS)
        self.transcript.write(
            chat.id,
            "callback",
            "user",
            user_id=user.id,
            message_id=message_id,
            data=data,
            callback_query_id=query_id,
        )
        query = {
            "id": query_id,
            "from": self.user_object(user),
            "message": dict(message),
            "chat_instance": str(abs(chat.id) + self.id),
            "data": data,
        }
        self.updates.add("callback_query", query)
        return query_id

    def react(self, user: User, chat: Chat, message_id: int, emoji: str | None) -> int | None:
        """Put a reaction on a message, or take it away."""
        self.message(chat, message_id)
        if emoji is not None and emoji not in REACTIONS:
            raise Impossible(f"{emoji} is not one of Telegram's reactions")
        old = self.set_reaction(chat, message_id, user.id, emoji)
        self.transcript.write(
            chat.id, "reaction", "user", user_id=user.id, message_id=message_id, emoji=emoji
        )
        change = {
            "chat": self.chat_object(chat),
            "message_id": message_id,
            "user": self.user_object(user),
            "date": int(self.clock()),
            "old_reaction": _reaction_objects(old),
            "new_reaction": _reaction_objects(emoji),
        }
        return self.updates.add("message_reaction", change)

    def stop(self, user: User, draft_id: int) -> int | None:
        """Press Stop under a draft; returns the update's id."""
        self.expire()
        chat = self.chats[user.id]
        draft = chat.drafts.get(draft_id)
        if draft is None or not draft.can_stop:
            raise Impossible(f"there is no draft {draft_id} with a Stop button")
        draft.can_stop, chat.stopped_draft = False, draft_id
        if not draft.keep_on_stop:
            self.end_drafts(chat, "stopped", draft_id)
        return self.updates.add(
            "stopped_message_generation", {"chat": self.chat_object(chat), "draft_id": draft_id}
        )

    def block(self, user: User, blocked: bool) -> None:
        """Block the bot, or start it again."""
        if user.blocked == blocked:
            return
        user.blocked = blocked
        bot = self.bot_object()
        member, kicked = {"status": "member", "user": bot}, {"status": "kicked", "user": bot, "until_date": 0}
        self.updates.add(
            "my_chat_member",
            {
                "chat": self.chat_object(self.chats[user.id]),
                "from": self.user_object(user),
                "date": int(self.clock()),
                "old_chat_member": member if blocked else kicked,
                "new_chat_member": kicked if blocked else member,
            },
        )

    def menu(self, user: User) -> list[Json]:
        """The commands that a user sees in the chat with the bot."""
        language = user.language_code.partition("-")[0]
        for scope in (f"chat:{user.id}", "all_private_chats", "default"):
            for code in (language, ""):
                if commands := self.commands.get((scope, code)):
                    return commands
        return []

    # Time

    def expire(self) -> None:
        """End drafts and callback queries whose time is over, and forget updates after a day."""
        now = self.clock()
        for chat in list(self._drafting.values()):
            for draft_id in [number for number, draft in chat.drafts.items() if draft.expires_at <= now]:
                self.end_drafts(chat, "expired", draft_id)
        while self.queries and next(iter(self.queries.values())).expires_at <= now:
            self.queries.popitem(last=False)
        self.updates.forget_old()

    def show_draft(self, chat: Chat, draft_id: int, draft: Draft) -> None:
        """Put a draft on the screen, or a newer text in its place."""
        chat.drafts[draft_id] = draft
        self._drafting[chat.id] = chat

    def end_drafts(self, chat: Chat, reason: str, draft_id: int | None = None) -> None:
        """Take one draft, or all of a chat, off the screen."""
        for number in [draft_id] if draft_id is not None else list(chat.drafts):
            del chat.drafts[number]
            self.transcript.write(chat.id, "draft_end", "bot", draft_id=number, reason=reason)
        if not chat.drafts:
            self._drafting.pop(chat.id, None)

    # Objects

    def new_message(self, chat: Chat, sender: Json, content: Json, reply_to: Json | None = None) -> Json:
        """A message with the next id, kept in its chat."""
        self._last_message_id += 1
        message: Json = {
            "message_id": self._last_message_id,
            "from": sender,
            "chat": self.chat_object(chat),
            "date": int(self.clock()),
        }
        if reply_to is not None:
            message["reply_to_message"] = {k: v for k, v in reply_to.items() if k != "reply_to_message"}
        message |= content
        chat.messages[message["message_id"]] = message
        while len(chat.messages) > MESSAGES_PER_CHAT:
            oldest, _ = chat.messages.popitem(last=False)
            chat.reactions.pop(oldest, None)
        return message

    def message(self, chat: Chat, message_id: int) -> Json:
        """A message that is still in the chat."""
        if message_id not in chat.messages:
            raise Impossible(f"chat {chat.id} has no message {message_id}")
        return chat.messages[message_id]

    def delete(self, chat: Chat, message_id: int) -> None:
        """Take a message out of its chat."""
        del chat.messages[message_id]
        chat.reactions.pop(message_id, None)
        self.transcript.write(chat.id, "delete", "bot", message_id=message_id)

    def set_reaction(self, chat: Chat, message_id: int, author: int, emoji: str | None) -> str | None:
        """Replace an author's reaction; returns the earlier one."""
        reactions = chat.reactions.setdefault(message_id, {})
        old = reactions.pop(author, None)
        if emoji is not None:
            reactions[author] = emoji
        return old

    def add_file(self, kind: str) -> Json:
        """A file that exists on Telegram's servers from now on."""
        file_id = f"sandbox-{kind}-{secrets.token_urlsafe(12)}"
        file = {"file_id": file_id, "file_unique_id": secrets.token_urlsafe(8), "file_size": 1024}
        self.files[file_id] = {**file, "file_path": f"{kind}s/{file_id}"}
        while len(self.files) > MAX_FILES:
            self.files.popitem(last=False)
        return file

    def photo_sizes(self) -> list[Json]:
        """A photo as Telegram describes one: the same picture in several sizes."""
        return [{**self.add_file("photo"), "width": side, "height": side} for side in (90, 320, 800)]

    def bot_object(self) -> Json:
        """The bot as a User."""
        return {
            "id": self.id,
            "is_bot": True,
            "first_name": self.profile["name", ""],
            "username": self.username,
        }

    def user_object(self, user: User) -> Json:
        """A person as a User."""
        return {"id": user.id, "is_bot": False, "first_name": user.name, "language_code": user.language_code}

    def chat_object(self, chat: Chat) -> Json:
        """A chat as a Chat."""
        if chat.is_group:
            return {"id": chat.id, "type": "group", "title": chat.title}
        return {"id": chat.id, "type": "private", "first_name": self.users[chat.id].name}

    def _send(
        self, user: User, chat: Chat, content: Json, entities: list[Json], reply_to: int | None
    ) -> tuple[int, int | None]:
        self._require_unblocked(user)
        user.started = True
        answered = self.message(chat, reply_to) if reply_to is not None else None
        _set_entities(content, "entities" if "text" in content else "caption_entities", entities)
        message = self.new_message(chat, self.user_object(user), content, answered)
        self.transcript.write(
            chat.id,
            "message",
            "user",
            user_id=user.id,
            message_id=message["message_id"],
            kind=message_kind(message),
            text=message.get("text", message.get("caption", "")),
            entities=entities,
            buttons=[],
            reply_to=reply_to,
        )
        return message["message_id"], self._notify(chat, "message", dict(message))

    def _notify(self, chat: Chat, kind: str, message: Json) -> int | None:
        """Queue the update; in groups a bot with privacy mode sees only what is meant for it."""
        if chat.is_group:
            text = message.get("text", "")
            is_reply = message.get("reply_to_message", {}).get("from", {}).get("id") == self.id
            if not (text.startswith("/") or f"@{self.username}" in text or is_reply):
                return None
        return self.updates.add(kind, message)

    def _media(self, kind: Media) -> Json | list[Json]:
        if kind == "photo":
            return self.photo_sizes()
        if kind == "voice":
            return {**self.add_file(kind), "duration": 3, "mime_type": "audio/ogg"}
        shape = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        return {**self.add_file(kind), **shape, "emoji": "👍"}

    def _require_unblocked(self, user: User) -> None:
        if user.blocked:
            raise Impossible(f"user {user.id} has blocked the bot; unblock it first")


def message_kind(message: Json) -> str:
    """What a message is, in one word."""
    return next((kind for kind in ("text", "sticker", "voice", "photo") if kind in message), "text")


def split_text(text: str) -> list[str]:
    """The messages that Telegram's apps make of a long text: cut at a line or a word near the limit if there is one."""
    parts = []
    while text:
        part = _longest_start(text)
        if len(part) < len(text):
            for border in ("\n", " "):
                if part.rfind(border) > len(part) // 2:
                    part = part[: part.rfind(border)]
                    break
        parts.append(part.strip())
        text = text[len(part) :].lstrip()
    return [part for part in parts if part]


def _longest_start(text: str) -> str:
    start = text[:MAX_TEXT]
    while utf16_units(start) > MAX_TEXT:
        start = start[: len(start) - max(1, (utf16_units(start) - MAX_TEXT) // 2)]
    return start


def _set_entities(message: Json, name: str, entities: list[Json]) -> None:
    message.pop(name, None)
    if entities:
        message[name] = entities


def _reaction_objects(emoji: str | None) -> list[Json]:
    return [{"type": "emoji", "emoji": emoji}] if emoji else []
