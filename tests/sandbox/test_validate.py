"""Every call is checked against the documentation before anything happens."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.errors import ApiError
from bot.sandbox.facts import load_facts
from bot.sandbox.validate import check_call, is_link

FACTS = load_facts()
BUTTON = {"text": "Buy", "callback_data": "buy"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def markup(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"inline_keyboard": [list(buttons)]}


def test_facts_cover_the_whole_bot_api() -> None:
    assert FACTS.version == "10.3"
    assert len(FACTS.methods) == 185
    assert FACTS.method("SENDMESSAGE") == "sendMessage"
    limit = FACTS.limit("sendMessage", "text")
    assert (limit.low, limit.high, limit.unit) == (1, 4096, "parsed")


def test_form_values_get_their_documented_types() -> None:
    given = {
        "chat_id": "7",
        "text": "42",
        "disable_notification": "true",
        "entities": '[{"type":"bold","offset":0,"length":2}]',
    }
    assert check_call(FACTS, "sendMessage", given) == {
        "chat_id": 7,
        "text": "42",
        "disable_notification": True,
        "entities": [{"type": "bold", "offset": 0, "length": 2}],
    }


@pytest.mark.parametrize(
    ("method", "given", "reason"),
    [
        ("sendMessage", {"text": "x"}, "chat_id is empty"),
        ("sendMessage", {"chat_id": 1}, "message text is empty"),
        ("sendMessage", {"chat_id": 1, "text": "x", "tekst": "y"}, 'unknown parameter "tekst"'),
        ("sendMessage", {"chat_id": 1, "text": 5}, "text must be of type String"),
        ("sendMessage", {"chat_id": 1.5, "text": "x"}, "chat_id must be of type Integer or String"),
        ("sendMessage", {"chat_id": 1, "text": "\ud800"}, "strings must be encoded in UTF-8"),
        (
            "sendMessage",
            {"chat_id": 1, "text": "x", "reply_markup": "{"},
            "can't parse reply_markup JSON object",
        ),
        (
            "sendMessage",
            {"chat_id": 1, "text": "x", "disable_notification": "yes"},
            "must be of type Boolean",
        ),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": "[" * 100_000}, "nested too deeply"),
        ("getUpdates", {"limit": 101}, "limit is 101 value, 1-100 allowed"),
        ("sendChatAction", {"chat_id": 1, "action": "dancing"}, "action must be one of choose_sticker"),
        ("answerCallbackQuery", {"callback_query_id": "1", "text": "x" * 201}, "0-200 allowed"),
        ("setMyCommands", {"commands": [{"command": "Help", "description": "x"}]}, "BOT_COMMAND_INVALID"),
        ("setMyCommands", {"commands": [{"command": "x" * 33, "description": "x"}]}, "BOT_COMMAND_INVALID"),
        (
            "setMyCommands",
            {"commands": [{"command": "x", "description": ""}]},
            "BOT_COMMAND_DESCRIPTION_INVALID",
        ),
        (
            "setMyCommands",
            {"commands": [{"command": "x", "description": "x"}] * 101},
            "BOT_COMMANDS_TOO_MUCH",
        ),
        ("setMyCommands", {"commands": [], "scope": {"type": "chat"}}, 'field "chat_id" of scope'),
        ("setMyCommands", {"commands": [], "scope": {"type": "moon"}}, "scope.type must be one of"),
    ],
)
def test_bad_call_is_refused_with_its_reason(method: str, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_call(FACTS, method, given)
    assert refusal.value.code == 400
    assert reason in refusal.value.description


@pytest.mark.parametrize(
    ("button", "reason"),
    [
        ({**BUTTON, "callback_data": "ü" * 33}, "BUTTON_DATA_INVALID: .* is 66 bytes, 1-64 allowed"),
        ({**BUTTON, "callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"text": "Buy"}, "exactly one action, has none"),
        ({**BUTTON, "url": "https://shop.example"}, "exactly one action, has callback_data, url"),
        ({"text": "Buy", "url": "http://localhost/x"}, "Wrong HTTP URL"),
        ({**BUTTON, "text": " "}, "text is empty"),
        ({**BUTTON, "colour": "red"}, 'unknown field "colour"'),
    ],
)
def test_bad_button_is_refused(button: dict[str, Any], reason: str) -> None:
    with pytest.raises(ApiError, match=reason):
        check_call(FACTS, "sendMessage", {"chat_id": 1, "text": "x", "reply_markup": markup(button)})


def test_keyboard_has_at_most_eight_buttons_in_a_row() -> None:
    check_call(FACTS, "sendMessage", {"chat_id": 1, "text": "x", "reply_markup": markup(*[BUTTON] * 8)})
    with pytest.raises(ApiError, match="reply markup is too long"):
        check_call(FACTS, "sendMessage", {"chat_id": 1, "text": "x", "reply_markup": markup(*[BUTTON] * 9)})


def test_union_is_read_as_its_likeliest_member() -> None:
    keyboard = {"keyboard": [[{"text": "A"}]], "resize_keyboard": True}
    params = {"chat_id": 1, "text": "x", "reply_markup": keyboard}
    assert check_call(FACTS, "sendMessage", params)["reply_markup"] == keyboard
    reaction = [{"type": "emoji", "emoji": "👍"}]
    params = {"chat_id": 1, "message_id": 2, "reaction": reaction}
    assert check_call(FACTS, "setMessageReaction", params)["reaction"] == reaction


def test_uploads_must_be_there() -> None:
    assert check_call(FACTS, "sendPhoto", {"chat_id": 1, "photo": "attach://a"}, {"a"})
    assert check_call(FACTS, "sendPhoto", {"chat_id": 1}, {"photo"})
    with pytest.raises(ApiError, match="not uploaded"):
        check_call(FACTS, "sendPhoto", {"chat_id": 1, "photo": "attach://b"}, {"a"})


def test_links_are_web_addresses_with_a_real_host() -> None:
    assert all(map(is_link, ("https://shop.example/a?b", "shop.example", "tg://user?id=1")))
    assert not any(
        map(is_link, ("javascript:alert(1)", "http://localhost", "ftp://a.b", "http://[", "https://a b.c"))
    )


@given(
    st.sampled_from(sorted(FACTS.methods)),
    st.dictionaries(st.text(max_size=8), json_values, max_size=3),
    st.data(),
)
def test_any_call_is_taken_or_refused_never_broken(
    method: str, given: dict[str, Any], data: st.DataObject
) -> None:
    for name in data.draw(st.lists(st.sampled_from(sorted(FACTS.methods[method]) or ["x"]), max_size=4)):
        given[name] = data.draw(json_values)
    try:
        params = check_call(FACTS, method, given)
    except ApiError as refusal:
        assert refusal.code == 400 and refusal.description.startswith("Bad Request: ")
    else:
        assert params == check_call(FACTS, method, params)
