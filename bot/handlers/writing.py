"""/write: an admin has a longer text written from the shop's facts or their own, reads it, and approves it or not.

As with a broadcast, every door asks anew who knocks, and a button holds nothing but a random id.
"""

from collections.abc import Collection
from typing import cast

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from bot.courtesies import Courtesies
from bot.handlers.customer import is_own_chat
from bot.handlers.filters import Matches
from bot.intake import Incoming, Intake
from workers.contracts import WritingKind
from workers.writings import Order, Writings, new_writing_id

_KINDS = {
    "description": "description",
    "questions": "questions",
    "reviews": "reviews",
    "news": "news",
    "描述": "description",
    "问答": "questions",
    "评价": "reviews",
    "新闻": "news",
}
_ID = "([0-9a-f]{16})"


def make_router(admin_ids: Collection[int]) -> Router:
    """A new router, closed to all but the admins."""
    router = Router(name="writing")
    is_admin = Matches(F.from_user.id.in_(frozenset(admin_ids)))
    router.message.register(write, Command("write"), is_admin, Matches(F.chat.type == ChatType.PRIVATE))
    for action, handler in (("ok", approve), ("no", drop)):
        data = F.data.regexp(f"^wr:{action}:{_ID}$").group(1).as_("choice")
        router.callback_query.register(handler, is_admin, is_own_chat, data)
    return router


def parse(text: str) -> tuple[WritingKind, str, tuple[str, ...]] | None:
    """Kind, subject and facts of `KIND SUBJECT` with a fact on each further line; None if it is no such thing."""
    head, *facts = text.strip().split("\n")
    name, _, subject = head.strip().partition(" ")
    kind = _KINDS.get(name.lower())
    subject, told = subject.strip(), tuple(fact.strip() for fact in facts if fact.strip())
    if kind == "news" and subject:
        subject, told = "", (subject, *told)
    is_whole = {"description": subject, "questions": subject, "reviews": told, "news": told}.get(kind or "")
    return (cast(WritingKind, kind), subject, told) if is_whole else None


async def write(
    message: Message, command: CommandObject, incoming: Incoming, intake: Intake, writings: Writings
) -> None:
    """/write KIND SUBJECT, with facts on lines of their own; alone it says how."""
    asked = parse(command.args or "")
    if asked is None:
        await intake.say(incoming, incoming.texts.write_usage)
        return
    kind, subject, facts = asked
    order = Order(
        admin_id=incoming.user_id, language=incoming.language, kind=kind, subject=subject, facts=facts
    )
    notice = incoming.notice(incoming.texts.write_begun)
    await intake.do(lambda: writings.ask(incoming.update_id, new_writing_id(), order, notice))


async def approve(
    query: CallbackQuery,
    choice: str,
    incoming: Incoming,
    intake: Intake,
    writings: Writings,
    courtesies: Courtesies,
) -> None:
    """The button that lets a text pass: it comes once more, ready to be copied."""

    def shown(order: Order) -> str:
        return f"{incoming.texts.write_approved}\n\n{order.text}"

    decided = await intake.do(
        lambda: writings.approve(
            incoming.update_id, choice, incoming.user_id, lambda order: incoming.notice(shown(order))
        )
    )
    said = incoming.texts.stale_button if decided == "unknown" else ""
    courtesies.answer_callback(incoming.chat_id, query.id, said)


async def drop(
    query: CallbackQuery,
    choice: str,
    incoming: Incoming,
    intake: Intake,
    writings: Writings,
    courtesies: Courtesies,
) -> None:
    """The button that does not."""
    notice = incoming.notice(incoming.texts.write_dropped)
    decided = await intake.do(lambda: writings.drop(incoming.update_id, choice, incoming.user_id, notice))
    said = incoming.texts.stale_button if decided == "unknown" else ""
    courtesies.answer_callback(incoming.chat_id, query.id, said)
