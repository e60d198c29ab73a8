"""Passes to the dashboard: whose they are, how long they hold, and what is none."""

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from bot.monitor.access import APP_SECONDS, LINK_SECONDS, SESSION_SECONDS, Access, Links

TOKEN = "7:sandbox"
ADMIN, CUSTOMER = 9, 1
NOW = 1_800_000_000


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(clock: Clock) -> Access:
    return Access(TOKEN, {ADMIN}, clock)


def init_data(user_id: int = ADMIN, *, token: str = TOKEN, at: int = NOW) -> str:
    """What Telegram gives to a Mini App (core.telegram.org/bots/webapps#validating-data)."""
    fields = {
        "auth_date": str(at),
        "query_id": "q",
        "user": json.dumps({"id": user_id, "first_name": "A & B"}),
    }
    checked = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    key = hmac.digest(b"WebAppData", token.encode(), "sha256")
    return urlencode(fields | {"hash": hmac.new(key, checked.encode(), hashlib.sha256).hexdigest()})


@pytest.mark.parametrize(("purpose", "seconds"), [("link", LINK_SECONDS), ("session", SESSION_SECONDS)])
def test_a_pass_holds_for_its_purpose_and_its_time(
    access: Access, clock: Clock, purpose: str, seconds: int
) -> None:
    shown = access.issue(purpose, ADMIN)  # type: ignore[arg-type]
    other = {"link": "session", "session": "link"}[purpose]
    assert (found := access.read(purpose, shown)) and found.user_id == ADMIN  # type: ignore[arg-type]
    assert access.read(other, shown) is None  # type: ignore[arg-type]
    clock.now += seconds
    assert access.read(purpose, shown) is None  # type: ignore[arg-type]


def test_two_passes_differ_and_show_neither_token_nor_key(access: Access) -> None:
    first, second = access.issue("link", ADMIN), access.issue("link", ADMIN)
    assert first != second
    assert TOKEN not in first and "sandbox" not in first


def test_who_is_no_admin_any_more_is_out(access: Access, clock: Clock) -> None:
    shown = access.issue("session", ADMIN)
    assert Access(TOKEN, {CUSTOMER}, clock).read("session", shown) is None
    assert Access(TOKEN, (), clock).read("session", shown) is None


def test_what_was_changed_or_made_with_another_token_is_no_pass(access: Access, clock: Clock) -> None:
    shown = access.issue("session", ADMIN)
    body, _, signature = shown.rpartition(".")
    forged = Access("8:other", {ADMIN}, clock).issue("session", ADMIN)
    longer = body.replace(str(NOW + SESSION_SECONDS), str(NOW + 10 * SESSION_SECONDS))
    for wrong in (
        "",
        ".",
        "....",
        "密码",
        body,
        f"{body}.",
        f"{longer}.{signature}",
        shown.upper(),
        forged,
        shown + "0",
    ):
        assert access.read("session", wrong) is None


def test_telegram_vouches_for_an_admin_in_the_mini_app(access: Access, clock: Clock) -> None:
    assert access.read_app(init_data()) == ADMIN
    assert access.read_app(init_data(CUSTOMER)) is None
    assert access.read_app(init_data(token="8:other")) is None
    assert access.read_app(init_data().replace("A+%26", "B+%26")) is None
    for wrong in ("", "hash=", "user=9", "hash=0&user=%7B"):
        assert access.read_app(wrong) is None
    clock.now += APP_SECONDS + 1
    assert access.read_app(init_data()) is None


def test_signed_data_without_a_user_opens_nothing(access: Access) -> None:
    fields = {"auth_date": str(NOW)}
    key = hmac.digest(b"WebAppData", TOKEN.encode(), "sha256")
    signed = fields | {"hash": hmac.new(key, f"auth_date={NOW}".encode(), hashlib.sha256).hexdigest()}
    assert access.read_app(urlencode(signed)) is None


def test_a_seal_belongs_to_one_session(access: Access) -> None:
    mine, other = access.issue("session", ADMIN), access.issue("session", ADMIN)
    assert access.is_sealed(mine, access.seal(mine))
    assert not access.is_sealed(other, access.seal(mine))
    assert not access.is_sealed(mine, "") and not access.is_sealed(mine, "é")


def test_only_an_encrypted_address_may_stand_under_a_button(access: Access) -> None:
    assert Links(access, "https://shop.example/kefu").app == "https://shop.example/kefu/dashboard?app"
    assert Links(access, "https://shop.example").is_public
    assert not Links(access, "http://127.0.0.1:8080").is_public
