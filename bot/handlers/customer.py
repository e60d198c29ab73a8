"""What a customer writes: commands, questions, and what the bot cannot read.

Handlers put one effect into the intake and await no Telegram call. Asked last of all routers.
"""

import re
from typing import Literal

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import BaseFilter, Command, CommandObject, CommandStart
from aiogram.types import CallbackQuery, Message
from magic_filter import MagicFilter

from bot.courtesies import Courtesies
from bot.handlers.filters import Matches
from bot.intake import Incoming, Intake
from bot.texts import LANGUAGE_NAMES, texts_in
from workers.contracts import Button, Language

_PRIVATE = Matches(F.chat.type == ChatType.PRIVATE)


class IsForBot(BaseFilter):
    """In a group the bot hears only what mentions it or answers it; in private everything."""

    def __init__(self, bot_id: int, username: str) -> None:
        self._bot_id = bot_id
        self._mention = re.compile(rf"@{username}\b", re.IGNORECASE)

    async def __call__(self, message: Message) -> bool:
        """Whether the message is meant for the bot."""
        if message.chat.type == ChatType.PRIVATE:
            return True
        answered = message.reply_to_message.from_user if message.reply_to_message else None
        if answered is not None and answered.id == self._bot_id:
            return True
        return self._mention.search(message.text or "") is not None


def make_router(bot_id: int, username: str) -> Router:
    """A new router; the order of its handlers matters."""
    router = Router(name="customer")
    is_for_bot = IsForBot(bot_id, username)

    router.message.register(start, CommandStart())
    router.message.register(help_, Command("help"))
    router.message.register(language, Command("language"))
    router.message.register(reset, Command("reset"))
    router.message.register(forget, Command("forget"))
    router.callback_query.register(choose_language, is_own_chat, _choice("lang:(en|zh)"))
    router.callback_query.register(decide_forget, is_own_chat, _choice("forget:(yes|no)"))
    router.callback_query.register(stale_button)
    router.edited_message.register(edited, _PRIVATE)
    router.message.register(unknown_command, Matches(F.text.startswith("/")), is_for_bot)
    router.message.register(question, Matches(F.text), is_for_bot)
    # The catch-all: pictures, voice, stickers and whatever else Telegram will invent. Nothing may come after it.
    router.message.register(unreadable, _PRIVATE)
    return router


async def start(message: Message, incoming: Incoming, intake: Intake) -> None:
    """/start"""
    await intake.say(incoming, incoming.texts.start)


async def help_(message: Message, incoming: Incoming, intake: Intake) -> None:
    """/help"""
    await intake.say(incoming, incoming.texts.help)


async def language(message: Message, command: CommandObject, incoming: Incoming, intake: Intake) -> None:
    """/language, or /language zh"""
    wanted = (command.args or "").strip().lower()
    if wanted in LANGUAGE_NAMES:
        await _speak(incoming, intake, wanted)  # type: ignore[arg-type]
        return
    buttons = [[Button(text=name, data=f"lang:{code}") for code, name in LANGUAGE_NAMES.items()]]
    await intake.say(incoming, incoming.texts.language_question, buttons)


async def choose_language(
    query: CallbackQuery, choice: Language, incoming: Incoming, intake: Intake, courtesies: Courtesies
) -> None:
    """A button under /language."""
    await _speak(incoming, intake, choice)
    courtesies.answer_callback(incoming.chat_id, query.id)


async def _speak(incoming: Incoming, intake: Intake, choice: Language) -> None:
    await intake.say(incoming, texts_in(choice).language_set, language=choice)


async def reset(message: Message, incoming: Incoming, intake: Intake) -> None:
    """/reset"""
    await intake.reset(incoming, incoming.texts.reset_done)


async def forget(message: Message, incoming: Incoming, intake: Intake) -> None:
    """/forget asks first."""
    texts = incoming.texts
    if not incoming.is_private:
        await intake.say(incoming, texts.private_only)
        return
    buttons = [
        [Button(text=texts.forget_yes, data="forget:yes"), Button(text=texts.forget_no, data="forget:no")]
    ]
    await intake.say(incoming, texts.forget_question, buttons)


async def decide_forget(
    query: CallbackQuery,
    choice: Literal["yes", "no"],
    incoming: Incoming,
    intake: Intake,
    courtesies: Courtesies,
) -> None:
    """A button under /forget."""
    if choice == "yes":
        await intake.forget(incoming, incoming.texts.forget_done)
    else:
        await intake.say(incoming, incoming.texts.forget_kept)
    courtesies.answer_callback(incoming.chat_id, query.id)


async def stale_button(query: CallbackQuery, incoming: Incoming | None, courtesies: Courtesies) -> None:
    """A button that nobody knows, or whose data somebody made up."""
    if incoming is not None:
        courtesies.answer_callback(incoming.chat_id, query.id, incoming.texts.stale_button)


async def edited(message: Message, incoming: Incoming, intake: Intake) -> None:
    """A change to an earlier message."""
    await intake.say(incoming, incoming.texts.edited)


async def unknown_command(message: Message, incoming: Incoming, intake: Intake) -> None:
    """A command that nobody else took, an admin's from a customer included."""
    await intake.say(incoming, incoming.texts.unknown_command)


async def question(message: Message, incoming: Incoming, intake: Intake) -> None:
    """Free text: the customer's question."""
    text = (message.text or "").strip()
    if not text:
        await intake.say(incoming, incoming.texts.empty)
    else:
        await intake.ask(incoming, "text", text)


async def unreadable(message: Message, incoming: Incoming, intake: Intake) -> None:
    """Anything that has no text."""
    await intake.say(incoming, incoming.texts.text_only)


def is_own_chat(query: CallbackQuery, incoming: Incoming | None) -> bool:
    """Whether a button was pressed by the one person whose chat it is in."""
    return incoming is not None and incoming.chat_id == incoming.user_id


def _choice(pattern: str) -> MagicFilter:
    """Whether all of a button's data has this form; what the group in it matched goes to `choice`."""
    return F.data.regexp(f"^{pattern}$").group(1).as_("choice")
