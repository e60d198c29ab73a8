"""What an operator can set: environment variables with the prefix KEFU_, or a .env file.

Read once in a program's start and passed on; nothing else in the project looks at the environment. A variable that
is set to nothing counts as not set.
"""

import datetime
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network

QUEUES = ("support", "suggest", "bulk")
"""The RQ queues in priority order: a customer waits; asked-for suggestions; everything that can wait."""


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it and says what to do."""


class Settings(BaseSettings):
    """Every setting of every program, with the defaults of a single laptop."""

    model_config = SettingsConfigDict(
        env_prefix="KEFU_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    bot_token: SecretStr | None = None
    telegram_api: str | None = Field(
        None, description="Base address of another Bot API server, e.g. http://127.0.0.1:8081"
    )
    redis_url: str | None = Field(None, description="Empty: a private Redis is started")
    admin_ids: Annotated[tuple[int, ...], NoDecode] = ()

    model: str = Field(
        "builtin",
        description="builtin, passages, echo, a checkpoint's folder, a transformers model (id, folder, .gguf), or the "
        "http(s) address of an OpenAI-compatible server",
    )
    model_name: str = Field("", description="What an OpenAI-compatible server calls its model")
    model_key: SecretStr | None = Field(None, description="Key of an OpenAI-compatible server")
    answer_tokens: int = Field(
        160, ge=1, le=1024, description="Longest answer of a model that is not the built-in one"
    )
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto", description="auto: bf16 on a GPU; on a CPU what is faster for the shape"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cuda_graphs: Literal["auto", "off"] = Field(
        "auto", description="auto: decoding steps are recorded and replayed on a GPU; nothing on a CPU"
    )
    batching: Literal["auto", "own", "transformers"] = Field(
        "auto",
        description="Whose batching runs a transformers model; auto: theirs on a GPU with flash attention, else our own",
    )
    threads: int = Field(1, ge=1, description="Threads that torch uses in a worker on a CPU")
    echo_delay: float = Field(0.0, ge=0, description="Seconds per word of the model `echo`, for tests")
    slots: int = Field(32, ge=1, le=1024, description="Requests that one worker generates at once")
    shop: Path | None = Field(None, description="Folder of the shop's data; empty: the demo shop")

    offers: bool = Field(
        True, description="An answer on a product may name another that goes with it, once a week at most"
    )
    retrain_at: datetime.time | None = Field(
        None,
        description="When the recommender is trained on what customers did, as 03:30 (UTC); empty: never",
    )
    retrain_minutes: float = Field(20.0, gt=0, description="How long that takes at most")

    http_host: str = "127.0.0.1"
    http_port: int = Field(8080, ge=0, le=65535)
    http_public_url: str | None = Field(
        None, description="Where admins reach the dashboard; empty: the webhook's host, else this machine"
    )
    webhook_url: str | None = None
    webhook_secret: SecretStr | None = None
    webhook_from: Annotated[tuple[Network, ...] | None, NoDecode] = Field(
        None,
        description="Networks that may bring updates; empty: Telegram's, or any for another Bot API server",
    )
    webhook_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="Networks of our own proxies, whose X-Forwarded-For is believed"
    )

    queue_limit: int = Field(
        2000, ge=1, description="Chats that may wait before new messages are turned away (P8)"
    )
    customer_limit: int = Field(
        30, ge=0, description="Messages that one chat may send within a minute; 0: as many as it likes"
    )
    flood_limits: bool = Field(
        True, description="Keep to Telegram's limits; off only for a server that has none, in load tests"
    )
    session_days: float = Field(30.0, gt=0)
    history_tokens: int = Field(600, ge=0, description="Rough budget of a chat's remembered history")
    data_dir: Path = Field(
        default_factory=lambda: Path.home() / ".local" / "share" / "kefu",
        description="Where the private Redis keeps its file",
    )

    @field_validator("admin_ids", mode="before")
    @classmethod
    def _split_ids(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = value.replace(",", " ").split()
        if not all(part.isdecimal() for part in parts):
            raise ValueError("a Telegram user id is a number; write ids like 12345,67890")
        return tuple(map(int, parts))

    @field_validator("webhook_from", "webhook_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part) for part in value.replace(",", " ").split())
        except ValueError:
            raise ValueError("not a list of networks; write them like 10.0.0.0/8,192.168.1.7") from None

    @field_validator("telegram_api", "webhook_url", "http_public_url")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^/\s]+(/\S*)?$", value):
            raise ValueError("not an address; write all of it, such as https://bot.example.org/telegram")
        return value


def load_settings(**overrides: Any) -> Settings:
    """Read the environment and `.env`; `overrides` win, None among them means "not given".

    Raises SettingsError in one line that names the variable and never repeats its value.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "KEFU_" + str(first["loc"][0]).upper() if first["loc"] else "a setting"
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}: {reason}. Correct it in the environment or in .env.") from None
