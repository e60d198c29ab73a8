"""What an operator sets, and what they only seem to set."""

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.webhook import secret_of
from model.shop import DEMO_SHOP
from tests.workers.shop_floor import message
from workers.main import load_assistant
from workers.settings import Settings, SettingsError, load_settings


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "WEBHOOK_SECRET", "HTTP_PORT", "ADMIN_IDS", "SHOP", "MODEL"):
        monkeypatch.setenv(f"KEFU_{name}", "")
    settings = load_settings(bot_token="7:sandbox")
    assert (settings.redis_url, settings.http_port, settings.admin_ids) == (None, 8080, ())
    # An empty secret would let everybody bring updates to the webhook.
    assert len(secret_of(settings)) == 64


def test_a_wrong_value_is_named_but_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEFU_ADMIN_IDS", "@sesame")
    with pytest.raises(SettingsError, match="KEFU_ADMIN_IDS") as raised:
        load_settings()
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("name", ["TELEGRAM_API", "WEBHOOK_URL"])
@pytest.mark.parametrize("address", ["localhost:8081", "https://", "/telegram", "https://a b/"])
def test_half_an_address_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    monkeypatch.setenv(f"KEFU_{name}", address)
    with pytest.raises(SettingsError, match=f"KEFU_{name}: not an address; write all of it"):
        load_settings()


def test_a_record_that_is_refused_does_not_repeat_the_customers_words() -> None:
    with pytest.raises(ValidationError) as raised:
        message(1, text="my secret " * 1000)
    assert "secret" not in str(raised.value)


def test_a_recommender_that_is_not_complete_is_the_shops_trouble(tmp_path: Path) -> None:
    """Half a copied folder was passed over without a word, and a damaged one named the wrong setting."""
    shop = shutil.copytree(DEMO_SHOP, tmp_path / "shop")
    (shop / "behaviour").mkdir()
    with pytest.raises(SettingsError, match="KEFU_SHOP: .*behaviour is not a complete checkpoint"):
        load_assistant(Settings(_env_file=None, model="passages", shop=shop))
