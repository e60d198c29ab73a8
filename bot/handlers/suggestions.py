"""Product suggestions: /suggest and the buttons under a product.

A button carries the product's id and stands under a message whose first words, in bold, are its title; both come
back from Telegram, and the bot keeps no catalogue to look further.
"""

import time
from typing import Literal

from aiogram import F, Router
from aiogram.enums import MessageEntityType
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from bot.courtesies import Courtesies
from bot.handlers.customer import is_own_chat
from bot.handlers.filters import Matches
from bot.intake import Incoming, Intake
from workers.contracts import EventRecord

_PRODUCT_BUTTON = (
    F.data.regexp(r"^(more|less|info|cheaper|why|like|dislike):[A-Za-z0-9_.-]{1,56}$").group(1).as_("choice")
)
_CATEGORY_BUTTON = F.data.regexp(r"^cat:(\S{1,60})$").group(1).as_("choice")
_NEXT_BUTTON = F.data == "next"
_TITLE_LIMIT = 256


def make_router() -> Router:
    """A new router."""
    router = Router(name="suggestions")
    router.message.register(suggest, Command("suggest"))
    router.message.register(why, Command("why"))
    router.callback_query.register(press, is_own_chat, _PRODUCT_BUTTON)
    router.callback_query.register(choose_category, is_own_chat, _CATEGORY_BUTTON)
    router.callback_query.register(show_more, is_own_chat, Matches(_NEXT_BUTTON))
    return router


async def suggest(message: Message, command: CommandObject, incoming: Incoming, intake: Intake) -> None:
    """/suggest, with a wish or without."""
    await intake.ask(incoming, "suggest", (command.args or "").strip())


async def why(message: Message, incoming: Incoming, intake: Intake) -> None:
    """/why: which of the customer's own actions led to the latest suggestions."""
    await intake.ask(incoming, "suggest", "", press="why")


async def choose_category(
    query: CallbackQuery, choice: str, incoming: Incoming, intake: Intake, courtesies: Courtesies
) -> None:
    """A newcomer's interest."""
    event = EventRecord(product_id=choice, action="category", at=time.time())
    await intake.ask(incoming, "suggest", "", press="category", event=event)
    courtesies.answer_callback(incoming.chat_id, query.id)


async def show_more(query: CallbackQuery, incoming: Incoming, intake: Intake, courtesies: Courtesies) -> None:
    """The button under the last suggestion."""
    await intake.ask(incoming, "suggest", "", press="next")
    courtesies.answer_callback(incoming.chat_id, query.id)


async def press(
    query: CallbackQuery, choice: str, incoming: Incoming, intake: Intake, courtesies: Courtesies
) -> None:
    """A button under a product, in the customer's own chat."""
    title = _title(query)
    if title is None:
        courtesies.answer_callback(incoming.chat_id, query.id, incoming.texts.stale_button)
        return
    texts, product_id = incoming.texts, (query.data or "").partition(":")[2]
    noted = None
    if choice == "more":
        event = _event(product_id, "more")
        await intake.ask(incoming, "suggest", title, press="more", product_id=product_id, event=event)
    elif choice == "cheaper":
        event = _event(product_id, "cheaper")
        await intake.ask(incoming, "suggest", title, press="cheaper", product_id=product_id, event=event)
    elif choice == "why":
        await intake.ask(incoming, "suggest", title, press="why", product_id=product_id)
    elif choice == "info":
        question = texts.details_question.format(title=title)
        await intake.ask(incoming, "text", question, event=_event(product_id, "view"))
    elif choice == "less":
        event = _event(product_id, "dislike")
        await intake.say(incoming, texts.not_for_me_done.format(title=title), event=event)
    else:
        await intake.note(incoming, _event(product_id, "like" if choice == "like" else "dislike"))
        noted = texts.noted
    courtesies.answer_callback(incoming.chat_id, query.id, noted)


def _event(product_id: str, action: Literal["view", "like", "dislike", "more", "cheaper"]) -> EventRecord:
    return EventRecord(product_id=product_id, action=action, at=time.time())


def _title(query: CallbackQuery) -> str | None:
    """The product's title, from the message above the button; None if Telegram no longer shows that to bots."""
    if not isinstance(query.message, Message):
        return None
    message = query.message
    for entity in message.entities or ():
        if entity.type == MessageEntityType.BOLD and entity.offset == 0:
            return entity.extract_from(message.text or "")[:_TITLE_LIMIT].strip() or None
    return None
