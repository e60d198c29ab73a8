"""Lengths, ranges and choices are found in the documentation's prose."""

import pytest

from bot.sandbox.make_facts import make_facts


@pytest.mark.parametrize(
    ("type_name", "prose", "fact"),
    [
        ("String", "Text of the message, 1-4096 characters after entities parsing", "String | 1-4096 parsed"),
        ("String", "Data to be sent, 1-64 bytes", "String | 1-64 bytes"),
        ("String", "Scope type, must be chat", "String | one of chat"),
        (
            "String",
            "Style. Must be one of 'danger' (red) or 'success' (green). If omitted",
            "String | one of danger,success",
        ),
        ("Integer", "Limits the number. Values between 1-100 are accepted.", "Integer | 1-100 value"),
        ("Integer", "Period, must be between 60 and 86400, or 0x7FFFFFFF for ever", "Integer"),
        ("Array of Integer", "A JSON-serialized list of 1-100 identifiers", "Array of Integer | 1-100 items"),
        (
            "Array of String",
            "A list. At most 100 commands can be specified.",
            "Array of String | 0-100 items",
        ),
        ("Integer", "Unix time 1-2 days ago", "Integer"),
    ],
)
def test_limit_is_parsed_out_of_prose(type_name: str, prose: str, fact: str) -> None:
    parameter = {"type": type_name, "required": False, "description": prose}
    schema = {
        "api": {"version": "1"},
        "source": "a test",
        "methods": {"do": {"params": {"it": parameter}}},
        "types": {"Update": {"description": "", "fields": {"update_id": {}, "message": {}}}},
    }
    facts = make_facts(schema)
    assert facts["methods"] == {"do": {"it": fact}}
    assert facts["update_types"] == ["message"]
