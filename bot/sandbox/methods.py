"""What the bot can do: the Bot API's methods that the sandbox plays, by name.

Each takes the state and parameters that `validate` has checked and returns the result; refusals are worded as
Telegram words them. Long polling and webhooks are the server's. Knows no HTTP and no limits on how often.
"""

import re
from collections.abc import Callable, Mapping

from bot.sandbox.errors import Json, bad_request, forbidden
from bot.sandbox.facts import load_facts
from bot.sandbox.markup import format_text
from bot.sandbox.telegram import (
    ACTION_SECONDS,
    DRAFT_SECONDS,
    REACTIONS,
    Chat,
    Draft,
    Telegram,
    User,
    message_kind,
)

DELETABLE_SECONDS = 48 * 3600

_NOT_PLAYED = {
    "sendMessage": (
        "business_connection_id",
        "message_thread_id",
        "direct_messages_topic_id",
        "ephemeral_message_parameters",
        "suggested_post_parameters",
        "message_effect_id",
    ),
    "sendPhoto": (
        "business_connection_id",
        "message_thread_id",
        "direct_messages_topic_id",
        "ephemeral_message_parameters",
        "suggested_post_parameters",
        "message_effect_id",
    ),
    "sendMessageDraft": ("message_thread_id",),
    "sendChatAction": ("business_connection_id", "message_thread_id"),
    "editMessageText": ("business_connection_id", "inline_message_id", "rich_message"),
    "editMessageReplyMarkup": ("business_connection_id", "inline_message_id"),
}
"""Parameters that Telegram has and the sandbox does not act on, so that it must not take them."""


def perform(telegram: Telegram, method: str, params: Json) -> object:
    """Carry out a checked call and return its result; raises ApiError."""
    if method not in METHODS:
        raise bad_request(f"method {method} is not simulated by the sandbox")
    for name in _NOT_PLAYED.get(method, ()):
        if name in params:
            raise bad_request(f'parameter "{name}" of {method} is not simulated by the sandbox')
    telegram.expire()
    return METHODS[method](telegram, params)


def _find_chat(telegram: Telegram, chat_id: int | str) -> Chat:
    chat = telegram.chats.get(chat_id) if isinstance(chat_id, int) else None
    if chat is None:
        raise bad_request("chat not found")
    return chat


def _open_chat(telegram: Telegram, chat_id: int | str) -> Chat:
    """A chat that the bot may write to."""
    chat = _find_chat(telegram, chat_id)
    if not chat.is_group:
        user = telegram.users[chat.id]
        if user.blocked:
            raise forbidden("bot was blocked by the user")
        if not user.started:
            raise forbidden("bot can't initiate conversation with a user")
    return chat


def _known_chat(telegram: Telegram, chat_id: int | str) -> Chat:
    """A chat that the bot has met; for questions and settings."""
    chat = _find_chat(telegram, chat_id)
    if not chat.is_group and not telegram.users[chat.id].started:
        raise bad_request("chat not found")
    return chat


def _get_me(telegram: Telegram, params: Json) -> Json:
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }
    return {**telegram.bot_object(), **abilities}


def _send_message(telegram: Telegram, params: Json) -> Json:
    limit = load_facts().limit("sendMessage", "text")
    text, entities = format_text(params["text"], params.get("parse_mode"), params.get("entities", []), limit)
    content: Json = {"text": text}
    if entities:
        content["entities"] = entities
    return _post(telegram, params, content, text, entities)


def _send_photo(telegram: Telegram, params: Json) -> Json:
    photo = params.get("photo", "attach://photo")
    if not photo.startswith(("attach://", "http://", "https://")) and photo not in telegram.files:
        raise bad_request("wrong remote file identifier specified: Wrong string length")
    caption, entities = format_text(
        params.get("caption", ""),
        params.get("parse_mode"),
        params.get("caption_entities", []),
        load_facts().limit("sendPhoto", "caption"),
        name="caption",
    )
    content: Json = {"photo": telegram.photo_sizes()}
    if caption:
        content["caption"] = caption
    if entities:
        content["caption_entities"] = entities
    return _post(
        telegram, params, content, caption, entities, photo=photo if photo.startswith("http") else None
    )


def _post(
    telegram: Telegram, params: Json, content: Json, text: str, entities: list[Json], photo: str | None = None
) -> Json:
    chat = _open_chat(telegram, params["chat_id"])
    answered = _answered(chat, params.get("reply_parameters"))
    markup = params.get("reply_markup", {})
    if "inline_keyboard" in markup:
        content["reply_markup"] = markup
    telegram.end_drafts(chat, "sent")
    message = telegram.new_message(chat, telegram.bot_object(), content, answered)
    details: Json = {"photo_url": photo} if photo else {}
    if "keyboard" in markup:
        details["keyboard"] = [
            [key["text"] if isinstance(key, dict) else key for key in row] for row in markup["keyboard"]
        ]
    if "remove_keyboard" in markup:
        details["remove_keyboard"] = True
    telegram.transcript.write(
        chat.id,
        "message",
        "bot",
        message_id=message["message_id"],
        kind=message_kind(message),
        text=text,
        entities=entities,
        buttons=_buttons(markup),
        reply_to=answered["message_id"] if answered else None,
        **details,
    )
    return message


def _answered(chat: Chat, reply: Json | None) -> Json | None:
    if not reply:
        return None
    if unplayed := reply.keys() - {"message_id", "allow_sending_without_reply"}:
        raise bad_request(f"reply_parameters.{min(unplayed)} is not simulated by the sandbox")
    message = chat.messages.get(reply.get("message_id", 0))
    if message is None and not reply.get("allow_sending_without_reply"):
        raise bad_request("message to be replied not found")
    return message


def _send_message_draft(telegram: Telegram, params: Json) -> bool:
    if params["chat_id"] < 0:
        raise bad_request("drafts can be sent to private chats only")
    if params["draft_id"] == 0:
        raise bad_request("draft_id must be non-zero")
    limit = load_facts().limit("sendMessageDraft", "text")
    text, entities = format_text(
        params.get("text", ""), params.get("parse_mode"), params.get("entities", []), limit
    )
    chat = _open_chat(telegram, params["chat_id"])
    draft_id, can_stop = params["draft_id"], params.get("can_stop", False)
    if draft_id == chat.stopped_draft:
        raise bad_request("the user stopped this draft")
    for other in [number for number in chat.drafts if number != draft_id]:
        telegram.end_drafts(chat, "replaced", other)
    expires_at = telegram.clock() + DRAFT_SECONDS
    draft = Draft(text, can_stop, params.get("keep_on_stop", False), expires_at)
    telegram.show_draft(chat, draft_id, draft)
    telegram.transcript.write(
        chat.id,
        "draft",
        "bot",
        draft_id=draft_id,
        text=text,
        entities=entities,
        can_stop=can_stop,
        expires_at=round(expires_at, 3),
    )
    return True


def _send_chat_action(telegram: Telegram, params: Json) -> bool:
    chat = _open_chat(telegram, params["chat_id"])
    telegram.transcript.write(
        chat.id,
        "action",
        "bot",
        action=params["action"],
        expires_at=round(telegram.clock() + ACTION_SECONDS, 3),
    )
    return True


def _edit_message_text(telegram: Telegram, params: Json) -> Json:
    if "text" not in params:
        raise bad_request("message text is empty")
    chat, message = _own_message(telegram, params)
    if "text" not in message:
        raise bad_request("there is no text in the message to edit")
    limit = load_facts().limit("editMessageText", "text")
    text, entities = format_text(params["text"], params.get("parse_mode"), params.get("entities", []), limit)
    changed: Json = {"text": text}
    if entities:
        changed["entities"] = entities
    return _change(telegram, chat, message, changed, params.get("reply_markup"), ("text", "entities"))


def _edit_message_reply_markup(telegram: Telegram, params: Json) -> Json:
    chat, message = _own_message(telegram, params)
    return _change(telegram, chat, message, {}, params.get("reply_markup"), ())


def _own_message(telegram: Telegram, params: Json) -> tuple[Chat, Json]:
    if "chat_id" not in params or "message_id" not in params:
        raise bad_request("message identifier is not specified")
    chat = _open_chat(telegram, params["chat_id"])
    message = chat.messages.get(params["message_id"])
    if message is None:
        raise bad_request("message to edit not found")
    if message["from"]["id"] != telegram.id:
        raise bad_request("message can't be edited")
    return chat, message


def _change(
    telegram: Telegram,
    chat: Chat,
    message: Json,
    content: Json,
    markup: Json | None,
    replaced: tuple[str, ...],
) -> Json:
    if markup and markup["inline_keyboard"]:
        content["reply_markup"] = markup
    names = (*replaced, "reply_markup")
    if {name: message[name] for name in names if name in message} == content:
        raise bad_request(
            "message is not modified: specified new message content and reply markup are exactly the same as a "
            "current content and reply markup of the message"
        )
    for name in names:
        message.pop(name, None)
    message.update(content, edit_date=int(telegram.clock()))
    telegram.transcript.write(
        chat.id,
        "edit",
        "bot",
        message_id=message["message_id"],
        text=message.get("text", message.get("caption", "")),
        entities=message.get("entities", message.get("caption_entities", [])),
        buttons=_buttons(markup or {}),
    )
    return message


def _delete_message(telegram: Telegram, params: Json) -> bool:
    chat = _open_chat(telegram, params["chat_id"])
    message = chat.messages.get(params["message_id"])
    if message is None:
        raise bad_request("message to delete not found")
    if not _is_deletable(telegram, chat, message):
        raise bad_request("message can't be deleted for everyone")
    telegram.delete(chat, params["message_id"])
    return True


def _delete_messages(telegram: Telegram, params: Json) -> bool:
    """Messages that are not found or too old are skipped, as the documentation says."""
    chat = _open_chat(telegram, params["chat_id"])
    for message_id in params["message_ids"]:
        message = chat.messages.get(message_id)
        if message and _is_deletable(telegram, chat, message):
            telegram.delete(chat, message_id)
    return True


def _is_deletable(telegram: Telegram, chat: Chat, message: Json) -> bool:
    is_own = message["from"]["id"] == telegram.id
    return bool(telegram.clock() - message["date"] < DELETABLE_SECONDS and (is_own or not chat.is_group))


def _set_message_reaction(telegram: Telegram, params: Json) -> bool:
    chat = _open_chat(telegram, params["chat_id"])
    if params["message_id"] not in chat.messages:
        raise bad_request("message to react not found")
    reactions = params.get("reaction", [])
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(reaction.get("emoji") not in REACTIONS for reaction in reactions):
        raise bad_request("REACTION_INVALID")
    emoji = reactions[0]["emoji"] if reactions else None
    telegram.set_reaction(chat, params["message_id"], telegram.id, emoji)
    telegram.transcript.write(chat.id, "reaction", "bot", message_id=params["message_id"], emoji=emoji)
    return True


def _answer_callback_query(telegram: Telegram, params: Json) -> bool:
    query = telegram.queries.pop(params["callback_query_id"], None)
    if query is None:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if "url" in params and not params["url"].startswith(f"https://t.me/{telegram.username}"):
        raise bad_request("URL_INVALID")
    telegram.transcript.write(
        query.chat_id,
        "callback_answer",
        "bot",
        callback_query_id=params["callback_query_id"],
        text=params.get("text", ""),
        show_alert=params.get("show_alert", False),
    )
    return True


def _scope_key(telegram: Telegram, params: Json) -> tuple[str, str]:
    scope = params.get("scope", {"type": "default"})
    parts = [scope["type"]]
    if "chat_id" in scope:
        chat = _known_chat(telegram, scope["chat_id"])
        if not chat.is_group and scope["type"] != "chat":
            raise bad_request("chat_administrators and chat_member need a group")
        parts.append(str(chat.id))
    if "user_id" in scope:
        if scope["user_id"] not in telegram.chats[int(parts[1])].members:
            raise bad_request("user not found")
        parts.append(str(scope["user_id"]))
    return ":".join(parts), _language(params)


def _language(params: Json) -> str:
    code: str = params.get("language_code", "")
    if code and not re.fullmatch(r"[a-z]{2}", code):
        raise bad_request("invalid language code specified")
    return code


def _set_my_commands(telegram: Telegram, params: Json) -> bool:
    names = [command["command"] for command in params["commands"]]
    if len(set(names)) < len(names):
        raise bad_request("BOT_COMMAND_INVALID: a command is named twice")
    key = _scope_key(telegram, params)
    if names:
        telegram.commands[key] = params["commands"]
    else:
        telegram.commands.pop(key, None)
    return True


def _get_my_commands(telegram: Telegram, params: Json) -> list[Json]:
    return telegram.commands.get(_scope_key(telegram, params), [])


def _delete_my_commands(telegram: Telegram, params: Json) -> bool:
    telegram.commands.pop(_scope_key(telegram, params), None)
    return True


def _set_profile(name: str) -> Callable[[Telegram, Json], bool]:
    def set_text(telegram: Telegram, params: Json) -> bool:
        key = name, _language(params)
        if text := params.get(name, ""):
            telegram.profile[key] = text
        elif key != ("name", ""):
            telegram.profile.pop(key, None)
        return True

    return set_text


def _get_profile(name: str) -> Callable[[Telegram, Json], Json]:
    def get_text(telegram: Telegram, params: Json) -> Json:
        text = telegram.profile.get((name, _language(params)), telegram.profile.get((name, ""), ""))
        return {name: text}

    return get_text


def _get_chat(telegram: Telegram, params: Json) -> Json:
    chat = _known_chat(telegram, params["chat_id"])
    gifts = (
        "unlimited_gifts",
        "limited_gifts",
        "unique_gifts",
        "premium_subscription",
        "gifts_from_channels",
    )
    return {
        **telegram.chat_object(chat),
        "accent_color_id": chat.id % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(gifts, False),
    }


def _get_chat_member(telegram: Telegram, params: Json) -> Json:
    chat = _known_chat(telegram, params["chat_id"])
    if params["user_id"] == telegram.id:
        return {"status": "member", "user": telegram.bot_object()}
    user: User | None = telegram.users.get(params["user_id"])
    if (
        user is None
        or (chat.is_group and user.id not in chat.members)
        or (not chat.is_group and user.id != chat.id)
    ):
        raise bad_request("member not found")
    return {"status": "member", "user": telegram.user_object(user)}


def _get_file(telegram: Telegram, params: Json) -> Json:
    if params["file_id"] not in telegram.files:
        raise bad_request("invalid file_id")
    return telegram.files[params["file_id"]]


def _buttons(markup: Json) -> list[list[Json]]:
    """Inline buttons as the chat page draws them."""
    return [
        [
            {
                "text": button["text"],
                "data": button.get("callback_data"),
                "url": button.get("url"),
                **({"disabled": True} if "disabled" in button else {}),
            }
            for button in row
        ]
        for row in markup.get("inline_keyboard", [])
    ]


METHODS: Mapping[str, Callable[[Telegram, Json], object]] = {
    "getMe": _get_me,
    "sendMessage": _send_message,
    "sendPhoto": _send_photo,
    "sendMessageDraft": _send_message_draft,
    "sendChatAction": _send_chat_action,
    "editMessageText": _edit_message_text,
    "editMessageReplyMarkup": _edit_message_reply_markup,
    "deleteMessage": _delete_message,
    "deleteMessages": _delete_messages,
    "setMessageReaction": _set_message_reaction,
    "answerCallbackQuery": _answer_callback_query,
    "setMyCommands": _set_my_commands,
    "getMyCommands": _get_my_commands,
    "deleteMyCommands": _delete_my_commands,
    "setMyName": _set_profile("name"),
    "getMyName": _get_profile("name"),
    "setMyDescription": _set_profile("description"),
    "getMyDescription": _get_profile("description"),
    "setMyShortDescription": _set_profile("short_description"),
    "getMyShortDescription": _get_profile("short_description"),
    "getChat": _get_chat,
    "getChatMember": _get_chat_member,
    "getFile": _get_file,
}

FLOOD_LIMITED = frozenset(
    {"sendMessage", "sendPhoto", "editMessageText", "editMessageReplyMarkup", "sendMessageDraft"}
)
"""Methods that count as messages."""
