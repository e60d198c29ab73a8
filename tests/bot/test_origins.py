"""Who may knock at the webhook."""

import asyncio
import socket
from ipaddress import ip_network

import pytest
from aiohttp import ClientSession

from bot.origins import TELEGRAM, Origins
from bot.webhook import SECRET_HEADER, origins_of
from tests.bot.conftest import TOKEN, Shop
from workers.settings import Settings, SettingsError, load_settings

PROXY = (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "forwarded", "allowed"),
    [
        ("149.154.167.220", [], True),
        ("91.108.7.255", [], True),
        ("::ffff:149.154.167.220", [], True),
        ("91.108.8.1", [], False),
        ("127.0.0.1", ["149.154.167.220"], False),  # nobody has named that proxy
        ("10.1.1.1", ["149.154.167.220"], True),
        ("10.1.1.1", ["149.154.167.220, 8.8.8.8"], False),  # made up in front of what our proxy saw
        ("10.1.1.1", ["8.8.8.8", "149.154.167.220, 10.2.2.2"], True),
        ("10.1.1.1", [], False),
        ("10.1.1.1", ["nonsense"], False),
        ("10.1.1.1", ["10.1.1.1," * 5000], False),
        (None, [], False),
    ],
)
def test_only_telegram_is_heard_and_only_our_own_proxy_is_believed(
    peer: str | None, forwarded: list[str], allowed: bool
) -> None:
    assert Origins(TELEGRAM, PROXY).is_allowed(peer, forwarded) is allowed


def test_without_networks_everybody_is_heard() -> None:
    assert Origins(()).is_allowed("8.8.8.8") and Origins(()).is_allowed(None)


def test_the_settings_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not origins_of(Settings(_env_file=None)).is_allowed("8.8.8.8")
    assert origins_of(Settings(_env_file=None, telegram_api="http://localhost:8081")).is_allowed("8.8.8.8")
    monkeypatch.setenv("KEFU_WEBHOOK_FROM", "8.8.8.0/24, 192.168.1.7")
    settings = load_settings()
    assert origins_of(settings).is_allowed("8.8.8.8") and not origins_of(settings).is_allowed(
        "149.154.167.220"
    )
    monkeypatch.setenv("KEFU_WEBHOOK_PROXIES", "my-proxy")
    with pytest.raises(SettingsError, match="KEFU_WEBHOOK_PROXIES: not a list of networks"):
        load_settings()


async def test_a_stranger_with_the_secret_is_refused_and_a_deep_body_does_no_harm(idle_shop: Shop) -> None:
    shop = idle_shop
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/telegram"
    options = {"webhook_url": url, "http_port": port, "webhook_proxies": (ip_network("127.0.0.1"),)}
    await shop.start_bot(**options, webhook_from=TELEGRAM)
    body = '{"update_id": 1, "message": ' + "[" * 20_000 + "]" * 20_000 + "}"
    secret = {SECRET_HEADER: await secret_of_sandbox(shop)}
    telegram = {**secret, "X-Forwarded-For": "149.154.167.220"}
    async with ClientSession() as session:
        for headers, status in (({}, 403), (secret, 403), ({"X-Forwarded-For": "149.154.167.220"}, 401)):
            async with session.post(url, data=body, headers=headers) as response:
                assert response.status == status
        async with session.post(url, data=body, headers=telegram) as response:
            assert response.status == 200
        async with session.post(url, data=b"x" * 2_000_000, headers=telegram) as response:
            assert response.status == 413
    await shop.until(lambda: shop.count("set_aside") == 1)


async def secret_of_sandbox(shop: Shop) -> str:
    """What the bot has told Telegram to show."""
    async with asyncio.timeout(20):
        while shop.sandbox._webhook is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert shop.settings.bot_token and shop.settings.bot_token.get_secret_value() == TOKEN
    return str(shop.sandbox._webhook._secret)
