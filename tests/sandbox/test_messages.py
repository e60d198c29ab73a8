"""What the bot does with messages, over real HTTP with aiogram, and how Telegram refuses it."""

from collections.abc import Awaitable

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
)

from bot.sandbox.client import SandboxClient, SandboxError
from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import MIA, WEI, Call, Clock

ADMIN = 9


def keyboard(data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="More", callback_data=data)]])


async def refused(call: Awaitable[object], description: str) -> None:
    with pytest.raises(TelegramBadRequest, match=description):
        await call


@pytest.fixture
async def question(people: SandboxClient) -> int:
    """The id of a message that Mia wrote."""
    return int((await people.send(MIA, "How long does delivery take?"))["message_id"])


async def test_message_reaches_the_transcript_with_entities_and_buttons(
    bot: Bot, people: SandboxClient, question: int
) -> None:
    sent = await bot.send_message(
        MIA,
        "<b>Two</b> days 🚚 see /help",
        parse_mode="HTML",
        reply_markup=keyboard("more"),
        reply_parameters=ReplyParameters(message_id=question),
    )
    event = await people.wait_for_reply(MIA)
    assert event["text"] == sent.text == "Two days 🚚 see /help"
    assert event["entities"] == [
        {"type": "bold", "offset": 0, "length": 3},
        {"type": "bot_command", "offset": 16, "length": 5},
    ]
    assert event["buttons"] == [[{"text": "More", "data": "more", "url": None}]]
    assert event["reply_to"] == question


async def test_text_is_measured_in_utf16_units_after_parsing(bot: Bot, question: int) -> None:
    await bot.send_message(MIA, f"<b>{'😀' * 2048}</b>", parse_mode="HTML")
    await refused(bot.send_message(MIA, "😀" * 2048 + "x"), "message is too long")
    await refused(bot.send_message(MIA, "  \n"), "message text is empty")
    await refused(bot.send_message(MIA, "<b></b>", parse_mode="HTML"), "message text is empty")


async def test_bad_markup_and_entities_are_refused(bot: Bot, question: int) -> None:
    await refused(
        bot.send_message(MIA, "a < b", parse_mode="HTML"), "can't parse entities: Unsupported start tag"
    )
    await refused(bot.send_message(MIA, "*a*", parse_mode="MarkdownV2"), "not simulated")
    outside = [MessageEntity(type="bold", offset=0, length=9)]
    await refused(bot.send_message(MIA, "short", entities=outside), "ends after the end of the text")


async def test_bot_cannot_write_first_nor_to_who_blocked_it(
    bot: Bot, people: SandboxClient, question: int
) -> None:
    with pytest.raises(TelegramForbiddenError, match="can't initiate conversation"):
        await bot.send_message(WEI, "hello")
    await refused(bot.send_message(77, "hello"), "chat not found")
    await people.block(MIA)
    with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
        await bot.send_message(MIA, "hello")
    with pytest.raises(SandboxError, match="unblock it first"):
        await people.send(MIA, "hello")
    await people.block(MIA, False)
    await bot.send_message(MIA, "hello")
    changes = [update.my_chat_member for update in await bot.get_updates() if update.my_chat_member]
    assert [change.new_chat_member.status for change in changes] == ["kicked", "member"]


async def test_reply_to_a_missing_message_is_refused_unless_allowed(bot: Bot, question: int) -> None:
    await refused(
        bot.send_message(MIA, "x", reply_parameters=ReplyParameters(message_id=999)),
        "message to be replied not found",
    )
    lenient = ReplyParameters(message_id=999, allow_sending_without_reply=True)
    assert (await bot.send_message(MIA, "x", reply_parameters=lenient)).reply_to_message is None


async def test_edit_replaces_text_and_buttons_and_must_change_something(
    bot: Bot, people: SandboxClient, question: int
) -> None:
    sent = await bot.send_message(MIA, "one", reply_markup=keyboard("a"))
    at = {"chat_id": MIA, "message_id": sent.message_id}
    await refused(bot.edit_message_text("one", reply_markup=keyboard("a"), **at), "message is not modified")
    await bot.edit_message_reply_markup(reply_markup=keyboard("b"), **at)
    await bot.edit_message_text("two", **at)
    edits = [event for event in await people.transcript(MIA) if event["type"] == "edit"]
    assert [(edit["text"], bool(edit["buttons"])) for edit in edits] == [("one", True), ("two", False)]
    await refused(bot.edit_message_text("x", chat_id=MIA, message_id=question), "message can't be edited")
    await refused(bot.edit_message_text("x", chat_id=MIA, message_id=999), "message to edit not found")


async def test_deleted_message_is_gone(bot: Bot, people: SandboxClient, question: int, clock: Clock) -> None:
    assert await bot.delete_message(MIA, question)
    await refused(bot.delete_message(MIA, question), "message to delete not found")
    later = (await people.send(MIA, "old"))["message_id"]
    clock.now += 49 * 3600
    await refused(bot.delete_message(MIA, later), "can't be deleted")
    assert await bot.delete_messages(MIA, [later, 999])


async def test_draft_grows_expires_and_ends_with_the_message(
    sandbox: Sandbox, bot: Bot, people: SandboxClient, question: int, clock: Clock
) -> None:
    for text in ("", "Two", "Two days"):
        await bot.send_message_draft(chat_id=MIA, draft_id=7, text=text)
    await bot.send_message(MIA, "Two days.")
    await bot.send_message_draft(chat_id=MIA, draft_id=8, text="More")
    clock.now += 31
    sandbox.telegram.expire()
    events = [event for event in await people.transcript(MIA) if event["type"].startswith("draft")]
    assert [event.get("text", event.get("reason")) for event in events] == [
        *("", "Two", "Two days", "sent"),
        *("More", "expired"),
    ]
    await refused(bot.send_message_draft(chat_id=MIA, draft_id=0, text="x"), "non-zero")


async def test_stop_under_a_draft_reaches_the_bot(bot: Bot, people: SandboxClient, question: int) -> None:
    await bot.send_message_draft(chat_id=MIA, draft_id=7, text="Two")
    with pytest.raises(SandboxError, match="Stop button"):
        await people.stop(MIA, 7)
    await bot.send_message_draft(chat_id=MIA, draft_id=7, text="Two", can_stop=True)
    await people.stop(MIA, 7)
    stopped = (await bot.get_updates())[-1].stopped_message_generation
    assert stopped and (stopped.chat.id, stopped.draft_id) == (MIA, 7)
    await refused(bot.send_message_draft(chat_id=MIA, draft_id=7, text="Two days"), "stopped this draft")


async def test_press_must_be_answered_once_and_in_time(
    bot: Bot, people: SandboxClient, question: int, clock: Clock
) -> None:
    sent = await bot.send_message(MIA, "choose", reply_markup=keyboard("more"))
    with pytest.raises(SandboxError, match="no button"):
        await people.press(MIA, sent.message_id, "less")
    await people.press(MIA, sent.message_id, "more")
    query = (await bot.get_updates())[-1].callback_query
    assert query and query.data == "more" and query.message and query.message.message_id == sent.message_id
    await bot.answer_callback_query(query.id, text="ok")
    await refused(bot.answer_callback_query(query.id), "query is too old")
    late = await people.press(MIA, sent.message_id, "more")
    clock.now += 60
    await refused(bot.answer_callback_query(late), "query is too old")


async def test_reaction_is_one_of_telegrams(bot: Bot, people: SandboxClient, question: int) -> None:
    await bot.set_message_reaction(MIA, question, [ReactionTypeEmoji(emoji="👀")])
    assert (await people.transcript(MIA))[-1]["emoji"] == "👀"
    await refused(
        bot.set_message_reaction(MIA, question, [ReactionTypeEmoji(emoji="🚚")]), "REACTION_INVALID"
    )
    await refused(
        bot.set_message_reaction(MIA, 999, [ReactionTypeEmoji(emoji="👀")]), "message to react not found"
    )


async def test_photo_by_upload_and_by_link_with_a_short_caption(
    bot: Bot, people: SandboxClient, question: int
) -> None:
    await bot.send_photo(
        MIA, BufferedInputFile(b"picture", "lamp.jpg"), caption="<i>Lamp</i>", parse_mode="HTML"
    )
    event = await people.wait_for_reply(MIA)
    assert (event["kind"], event["text"]) == ("photo", "Lamp")
    sent = await bot.send_photo(MIA, "https://shop.example/lamp.jpg")
    assert sent.photo and (await bot.get_file(sent.photo[-1].file_id)).file_path
    await refused(
        bot.send_photo(MIA, "https://shop.example/lamp.jpg", caption="x" * 1025), "caption is too long"
    )
    await refused(bot.send_photo(MIA, "nonsense"), "wrong remote file identifier")


async def test_people_see_the_most_special_menu(bot: Bot, people: SandboxClient) -> None:
    def named(name: str) -> list[BotCommand]:
        return [BotCommand(command=name, description=name)]

    await bot.set_my_commands(named("default"), scope=BotCommandScopeDefault())
    await bot.set_my_commands(named("private"), scope=BotCommandScopeAllPrivateChats())
    await bot.set_my_commands(named("chinese"), scope=BotCommandScopeAllPrivateChats(), language_code="zh")
    await bot.set_my_commands(named("admin"), scope=BotCommandScopeChat(chat_id=ADMIN))
    seen = {user: (await people.commands(user))[0]["command"] for user in (MIA, WEI, ADMIN)}
    assert seen == {MIA: "private", WEI: "chinese", ADMIN: "admin"}
    await bot.delete_my_commands(scope=BotCommandScopeAllPrivateChats())
    assert (await people.commands(MIA))[0]["command"] == "default"
    await refused(bot.set_my_commands(named("x"), scope=BotCommandScopeChat(chat_id=MIA)), "chat not found")


async def test_profile_texts_keep_a_language_each(bot: Bot) -> None:
    await bot.set_my_description("Shop")
    await bot.set_my_description("商店", language_code="zh")
    assert (await bot.get_my_description(language_code="zh")).description == "商店"
    assert (await bot.get_my_description(language_code="de")).description == "Shop"
    await bot.set_my_name("kefu 客服")
    assert (await bot.get_me()).first_name == "kefu 客服"
    await refused(bot.set_my_short_description("x" * 121), "121 characters, 0-120 allowed")


async def test_people_send_and_edit_as_telegrams_apps_do(bot: Bot, people: SandboxClient) -> None:
    sent = await people.send(MIA, "/start now")
    await people.edit(MIA, sent["message_id"], "never mind")
    for kind in ("sticker", "voice", "photo"):
        await people.send_any(MIA, **{kind: True, "caption": "this one"})
    long = await people.send(MIA, "word " * 4000)
    assert len(long["message_ids"]) == 5
    updates = await bot.get_updates()
    start, edited, sticker, voice, photo = updates[:5]
    assert start.message and start.message.entities and start.message.entities[0].type == "bot_command"
    assert (
        edited.edited_message
        and edited.edited_message.text == "never mind"
        and edited.edited_message.edit_date
    )
    assert sticker.message and sticker.message.sticker and sticker.message.caption is None
    assert voice.message and voice.message.voice
    assert photo.message and photo.message.photo and photo.message.caption == "this one"
    assert all(update.message and len(update.message.text or "") <= 4096 for update in updates[5:])


async def test_group_with_privacy_hears_only_what_is_meant_for_the_bot(
    bot: Bot, people: SandboxClient
) -> None:
    await people.post("groups", id=-5, title="Staff", members=[MIA, ADMIN])
    await people.send_any(MIA, chat_id=-5, text="good morning")
    await people.send_any(MIA, chat_id=-5, text="/queues")
    [update] = await bot.get_updates()
    assert update.message and (update.message.chat.type, update.message.text) == ("group", "/queues")
    await bot.send_message(-5, "empty")
    await refused(bot.send_message_draft(chat_id=-5, draft_id=1, text="x"), "private chats only")
    with pytest.raises(SandboxError, match="not in chat"):
        await people.send_any(WEI, chat_id=-5, text="hello")


async def test_what_is_not_played_is_not_taken(call: Call, question: int) -> None:
    refusal = await call("sendMessage", chat_id=MIA, text="x", message_thread_id=5)
    assert "message_thread_id" in refusal["description"] and "not simulated" in refusal["description"]
