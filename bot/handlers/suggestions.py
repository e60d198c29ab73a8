"""Product suggestions: /suggest and the buttons under a product.

A button carries the product's id and stands under a message whose first words, in bold, are its title; both come
back from Telegram, and the bot keeps no catalogue to look further.
"""

from aiogram import F, Router
from aiogram.enums import MessageEntityType
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from bot.courtesies import Courtesies
from bot.handlers.customer import is_own_chat
from bot.intake import Incoming, Intake

_PRODUCT_BUTTON = F.data.regexp(r"^(more|less|info):[A-Za-z0-9_.-]{1,59}$").group(1).as_("choice")
_TITLE_LIMIT = 256


def make_router() -> Router:
    """A new router."""
    router = Router(name="suggestions")
    router.message.register(suggest, Command("suggest"))
    router.callback_query.register(press, is_own_chat, _PRODUCT_BUTTON)
    return router


async def suggest(message: Message, command: CommandObject, incoming: Incoming, intake: Intake) -> None:
    """/suggest, with a wish or without."""
    await intake.ask(incoming, "suggest", (command.args or "").strip())


async def press(
    query: CallbackQuery, choice: str, incoming: Incoming, intake: Intake, courtesies: Courtesies
) -> None:
    """A button under a product, in the customer's own chat."""
    title = _title(query)
    if title is None:
        courtesies.answer_callback(incoming.chat_id, query.id, incoming.texts.stale_button)
        return
    if choice == "more":
        await intake.ask(incoming, "suggest", title)
    elif choice == "info":
        await intake.ask(incoming, "text", incoming.texts.details_question.format(title=title))
    else:
        await intake.say(incoming, incoming.texts.not_for_me_done.format(title=title))
    courtesies.answer_callback(incoming.chat_id, query.id)


def _title(query: CallbackQuery) -> str | None:
    """The product's title, from the message above the button; None if Telegram no longer shows that to bots."""
    if not isinstance(query.message, Message):
        return None
    message = query.message
    for entity in message.entities or ():
        if entity.type == MessageEntityType.BOLD and entity.offset == 0:
            return entity.extract_from(message.text or "")[:_TITLE_LIMIT].strip() or None
    return None
