"""One message to every customer: an admin writes it, reads it again with its number of recipients, and confirms.

Every door asks anew who knocks: commands and buttons are for admins in their own private chats, a draft only for the
admin who wrote it, and a button holds nothing but a random id. Customers decline with the button under the message.
"""

from collections.abc import Collection

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from bot.broadcaster import describe, stop_button
from bot.courtesies import Courtesies
from bot.handlers.customer import is_own_chat
from bot.handlers.filters import Matches
from bot.intake import Incoming, Intake
from workers.broadcasts import Broadcasts, new_draft_id
from workers.contracts import Button

TEXT_LIMIT = 3000
"""Characters of a broadcast: with its question it is still one message."""

_ID = "([0-9a-f]{16})"


def make_router(admin_ids: Collection[int]) -> Router:
    """A new router: the admins' part is closed to everybody else, /news is for all."""
    router = Router(name="broadcast")
    is_admin = Matches(F.from_user.id.in_(frozenset(admin_ids)))
    is_private = Matches(F.chat.type == ChatType.PRIVATE)
    router.message.register(broadcast, Command("broadcast"), is_admin, is_private)
    for action, handler in (("go", confirm), ("no", drop), ("stop", stop)):
        data = F.data.regexp(f"^bc:{action}:{_ID}$").group(1).as_("choice")
        router.callback_query.register(handler, is_admin, is_own_chat, data)
    router.message.register(news, Command("news"), is_private)
    router.callback_query.register(
        decide_news, is_own_chat, F.data.regexp("^news:(on|off)$").group(1).as_("choice")
    )
    return router


async def broadcast(
    message: Message, command: CommandObject, incoming: Incoming, intake: Intake, broadcasts: Broadcasts
) -> None:
    """/broadcast TEXT asks whether to send it; alone it says how far the running one has come."""
    texts, text = incoming.texts, (command.args or "").strip()
    figures = await intake.do(broadcasts.figures)
    if not text and figures is not None and figures.state in ("confirmed", "running"):
        rows = [[stop_button(figures.id, texts)]]
        await intake.say(incoming, describe(texts.broadcast_progress, figures), rows)
        return
    if len(text) > TEXT_LIMIT:
        await intake.say(incoming, texts.broadcast_too_long.format(length=len(text), limit=TEXT_LIMIT))
        return
    count = await intake.do(broadcasts.audience)
    if not text:
        await intake.say(incoming, texts.broadcast_usage.format(count=count))
        return
    draft_id = new_draft_id()
    buttons = [
        Button(text=texts.broadcast_yes, data=f"bc:go:{draft_id}"),
        Button(text=texts.broadcast_no, data=f"bc:no:{draft_id}"),
    ]
    question = incoming.notice(texts.broadcast_question.format(count=count, text=text), [buttons])
    await intake.do(lambda: broadcasts.draft(incoming.update_id, draft_id, incoming.user_id, text, question))


async def confirm(
    query: CallbackQuery,
    choice: str,
    incoming: Incoming,
    intake: Intake,
    broadcasts: Broadcasts,
    courtesies: Courtesies,
) -> None:
    """The button that sends it."""
    texts = incoming.texts
    confirmed = await intake.do(
        lambda: broadcasts.confirm(incoming.update_id, choice, incoming.user_id, incoming.language)
    )
    said = {
        "confirmed": texts.broadcast_confirmed,
        "busy": texts.broadcast_busy,
        "unknown": texts.stale_button,
    }
    courtesies.answer_callback(incoming.chat_id, query.id, said[confirmed])


async def drop(
    query: CallbackQuery,
    choice: str,
    incoming: Incoming,
    intake: Intake,
    broadcasts: Broadcasts,
    courtesies: Courtesies,
) -> None:
    """The button that does not."""
    entry = incoming.notice(incoming.texts.broadcast_dropped)
    await intake.do(lambda: broadcasts.drop(incoming.update_id, choice, incoming.user_id, entry))
    courtesies.answer_callback(incoming.chat_id, query.id)


async def stop(
    query: CallbackQuery,
    choice: str,
    incoming: Incoming,
    intake: Intake,
    broadcasts: Broadcasts,
    courtesies: Courtesies,
) -> None:
    """The button under a report."""
    texts = incoming.texts
    stopped = await intake.do(lambda: broadcasts.stop(incoming.update_id, choice))
    said = texts.broadcast_stopping if stopped else texts.stale_button
    courtesies.answer_callback(incoming.chat_id, query.id, said)


async def news(message: Message, incoming: Incoming, intake: Intake) -> None:
    """/news: a customer says whether they want any."""
    texts = incoming.texts
    buttons = [Button(text=texts.news_yes, data="news:on"), Button(text=texts.news_no, data="news:off")]
    await intake.say(incoming, texts.news_question, [buttons])


async def decide_news(
    query: CallbackQuery,
    choice: str,
    incoming: Incoming,
    intake: Intake,
    broadcasts: Broadcasts,
    courtesies: Courtesies,
) -> None:
    """A button under /news or under a broadcast."""
    off = choice == "off"
    entry = incoming.notice(incoming.texts.news_off if off else incoming.texts.news_on)
    await intake.do(lambda: broadcasts.mute(incoming.update_id, incoming.chat_id, off, entry))
    courtesies.answer_callback(incoming.chat_id, query.id)
