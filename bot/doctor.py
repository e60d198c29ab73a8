"""`kefu doctor`: looks at every part that a shop needs and says in one line each how it is and what to do.

Changes nothing. `kefu init` uses the same checks. What needs the model is found out by a program of its own
(`workers.doctor`), so nothing here loads torch. No token and no password gets into a line.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import redis
from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramNotFound, TelegramUnauthorizedError
from aiogram.methods import GetMe, GetWebhookInfo
from aiogram.types import WebhookInfo
from pydantic import ValidationError
from rich.console import Console

from bot.errors import StartError
from bot.telegram import TOKEN_REFUSED, make_bot
from workers.connection import connect
from workers.contracts import Finding
from workers.embedded_redis import NoRedis, find_redis_server
from workers.operations import Operations
from workers.settings import Settings, SettingsError, load_settings

OLDEST_REDIS = (6, 2)

_CALL_SECONDS = 10
_ANSWERING_SECONDS = 300
_MARKS = {"good": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red")}
_GIB = 2**30
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_PENDING_MANY = 100
_RECENT_SECONDS = 3600


def run_doctor(*, as_json: bool) -> int:
    """Print what was found. Returns the exit code: 1 when something must be mended."""
    found = []
    with Console(stderr=True).status("Looking at everything …"):
        for finding in _examine_all():
            found.append(finding)
            if not as_json:
                show(finding)
    is_well = all(finding.state != "bad" for finding in found)
    if as_json:
        print(
            json.dumps(
                {"ok": is_well, "findings": [finding.model_dump() for finding in found]}, ensure_ascii=False
            )
        )
    return 0 if is_well else 1


def show(finding: Finding) -> None:
    """One line for a terminal or a file."""
    mark, colour = _MARKS[finding.state]
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(mark, style=colour, end=" ")
    console.print(f"{finding.part:9} {finding.text}" + (f" {finding.remedy}" if finding.remedy else ""))


def _examine_all() -> Iterator[Finding]:
    yield from check_file(Path(".env"))
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding(part="settings", state="bad", text=str(error))
        return
    yield from check_redis(settings)
    yield from check_telegram(settings)
    yield from check_people(settings)
    yield from check_disk(settings.data_dir)
    yield from check_answering()
    yield from check_running(settings)


# --- each part --------------------------------------------------------------------------------------------------


def check_file(path: Path) -> Iterator[Finding]:
    """Whether others on this machine can read the file with the token."""
    if path.is_file() and path.stat().st_mode & 0o077:
        text = f"others on this machine can read {path}, which holds the token."
        yield Finding(part="settings", state="note", text=text, remedy=f"Do: chmod 600 {path}")


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Whether a Redis answers that keeps what it is given."""
    url = _url_of(settings)
    if url is None:
        yield _private_redis(settings)
        return
    where = place_of(url)
    try:
        with connect(url) as client:
            info = client.info()
    except SettingsError as error:
        yield Finding(part="redis", state="bad", text=str(error))
    except redis.exceptions.AuthenticationError:
        remedy = "Correct the user and the password in KEFU_REDIS_URL."
        yield Finding(part="redis", state="bad", text=f"{where} wants another password.", remedy=remedy)
    except redis.exceptions.BusyLoadingError:
        text = f"{where} is still reading its file."
        yield Finding(part="redis", state="note", text=text, remedy="Wait, then look again.")
    except (redis.ConnectionError, redis.TimeoutError):
        if settings.redis_url is None:  # a killed program has left its address behind
            yield _private_redis(settings)
            return
        remedy = "Start it, or correct KEFU_REDIS_URL."
        yield Finding(part="redis", state="bad", text=f"nothing answers at {where}.", remedy=remedy)
    except redis.RedisError as error:
        text = f"{where} does not say how it is ({type(error).__name__})."
        yield Finding(part="redis", state="note", text=text, remedy="Let this user run INFO (+info).")
    else:
        yield from judge_redis(info, where)


def judge_redis(info: Mapping[str, object], where: str) -> Iterator[Finding]:
    """What the answer to INFO says about a Redis for this purpose."""
    version = str(info.get("redis_version", "0"))
    if _version(version) < OLDEST_REDIS:
        text = f"{where} is Redis {version}; 6.2 or newer is needed."
        yield Finding(part="redis", state="bad", text=text, remedy="Update it.")
    else:
        yield Finding(part="redis", state="good", text=f"Redis {version} at {where}.")
    policy = str(info.get("maxmemory_policy", "unknown"))
    if policy != "noeviction":
        text = f"a full Redis throws messages away (maxmemory-policy {policy})."
        yield Finding(part="redis", state="bad", text=text, remedy="Set maxmemory-policy to noeviction.")
    used, most = int(str(info.get("used_memory", 0))), int(str(info.get("maxmemory", 0)))
    if most and used > 0.8 * most:
        text = f"{used / most:.0%} of its memory is used; when it is full, messages are turned away."
        yield Finding(part="redis", state="note", text=text, remedy="Raise maxmemory.")
    if not int(str(info.get("aof_enabled", 0))):
        text = "what it holds is lost when it is restarted (no append-only file)."
        yield Finding(part="redis", state="bad", text=text, remedy="Set appendonly to yes.")
    elif info.get("aof_last_write_status", "ok") != "ok":
        text = "it cannot write its append-only file."
        yield Finding(part="redis", state="bad", text=text, remedy="Look at its disk and its log.")


def check_telegram(settings: Settings) -> Iterator[Finding]:
    """Whether Telegram knows the token, and whether updates come the way that the settings say."""
    try:
        bot = make_bot(settings)
    except StartError as error:
        yield Finding(part="token", state="bad", text=str(error))
        return
    where = urlsplit(bot.session.api.base).hostname or "Telegram"
    try:
        username, info = asyncio.run(_ask_telegram(bot))
    except (TelegramUnauthorizedError, TelegramNotFound):
        yield Finding(part="token", state="bad", text=TOKEN_REFUSED)
    except AiogramError as error:
        text = f"{where} does not answer ({type(error).__name__})."
        remedy = "Look at this machine's network, and at KEFU_TELEGRAM_API if it is set."
        yield Finding(part="token", state="bad", text=text, remedy=remedy)
    else:
        yield Finding(part="token", state="good", text=f"@{username} ({bot.id}) at {where}.")
        yield from judge_webhook(settings, info)


async def _ask_telegram(bot: Bot) -> tuple[str, WebhookInfo]:
    try:
        me = await bot(GetMe(), request_timeout=_CALL_SECONDS)
        return me.username or me.first_name, await bot(GetWebhookInfo(), request_timeout=_CALL_SECONDS)
    finally:
        await bot.session.close()


def judge_webhook(settings: Settings, info: WebhookInfo) -> Iterator[Finding]:
    """How updates come, by the settings and by what Telegram knows."""
    url, secret = settings.webhook_url, settings.webhook_secret
    if url is None:
        if info.url:
            text = f"Telegram brings updates to {urlsplit(info.url).hostname}."
            remedy = "kefu bot ends that when it starts; if another program uses this bot, give it a token of its own."
            yield Finding(part="updates", state="note", text=text, remedy=remedy)
        else:
            yield Finding(part="updates", state="good", text="long polling.")
        return
    if secret is not None and not _SECRET.fullmatch(secret.get_secret_value()):
        text = "KEFU_WEBHOOK_SECRET may have letters, digits, _ and - only, at most 256."
        yield Finding(
            part="updates", state="bad", text=text, remedy="Leave it empty: one is made from the token."
        )
    if not url.startswith("https://") and settings.telegram_api is None:
        text = "Telegram brings updates to https addresses only."
        yield Finding(part="updates", state="bad", text=text, remedy="Correct KEFU_WEBHOOK_URL.")
        return
    failed_at = info.last_error_date.timestamp() if info.last_error_date else 0.0
    if info.url != url:
        text = "the webhook is not set yet."
        yield Finding(part="updates", state="note", text=text, remedy="kefu bot sets it when it starts.")
    elif time.time() - failed_at < _RECENT_SECONDS:
        text = f"within the last hour Telegram could not bring an update: {info.last_error_message}."
        remedy = "Look at the proxy before kefu bot and at KEFU_WEBHOOK_URL."
        yield Finding(part="updates", state="bad", text=text, remedy=remedy)
    elif info.pending_update_count > _PENDING_MANY:
        text = f"{info.pending_update_count} updates wait at Telegram."
        yield Finding(part="updates", state="note", text=text, remedy="Look whether kefu bot runs.")
    else:
        yield Finding(part="updates", state="good", text=f"webhook at {urlsplit(url).hostname}.")


def check_people(settings: Settings) -> Iterator[Finding]:
    """Whether somebody may look after the bot, and how they reach the dashboard."""
    if not settings.admin_ids:
        text = "nobody may use /queues, /stats and /dashboard."
        remedy = "Set KEFU_ADMIN_IDS to your Telegram user id, a number; several with commas."
        yield Finding(part="admins", state="note", text=text, remedy=remedy)
    else:
        yield Finding(part="admins", state="good", text=f"{len(settings.admin_ids)}.")
    if settings.http_public_url and not settings.http_public_url.startswith("https://"):
        text = "KEFU_HTTP_PUBLIC_URL is not encrypted, so sessions can be read on the way."
        remedy = "Put a proxy with https before KEFU_HTTP_PORT; the Mini App needs it, too."
        yield Finding(part="dashboard", state="note", text=text, remedy=remedy)


def check_disk(folder: Path) -> Iterator[Finding]:
    """Whether there is room for the private Redis' file."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), Path("/"))
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        remedy = "Set KEFU_DATA_DIR to a folder of your own."
        yield Finding(part="disk", state="bad", text=f"{there} may not be written.", remedy=remedy)
        return
    state = "good" if free >= _GIB else "note" if free >= _GIB / 5 else "bad"
    remedy = "" if state == "good" else "Make room, or set KEFU_DATA_DIR to another disk."
    yield Finding(part="disk", state=state, text=f"{free / _GIB:.1f} GiB free for {folder}.", remedy=remedy)  # type: ignore[arg-type]


def check_answering(
    settings: Mapping[str, str] | None = None, parts: Iterable[str] = ()
) -> Iterator[Finding]:
    """Shop data, model and GPU of this machine, by a program that may load them; `settings` over the environment's.

    `parts` leaves out all others.
    """
    command = [sys.executable, "-m", "workers.doctor", *parts]
    try:
        result = subprocess.run(
            command,
            env={**os.environ, **(settings or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWERING_SECONDS,
        )
    except subprocess.TimeoutExpired:
        text = f"the model did not load within {_ANSWERING_SECONDS} s."
        yield Finding(part="model", state="bad", text=text, remedy="Set KEFU_MODEL to a smaller one.")
        return
    for line in result.stdout.splitlines():
        try:
            yield Finding.model_validate_json(line)
        except ValidationError:  # a library that prints
            continue
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        yield Finding(part="model", state="bad", text=f"looking at it ended with: {lines[-1][:200]}")


def check_running(settings: Settings) -> Iterator[Finding]:
    """Whether a bot and workers are at work on this Redis now, and whether anybody waits for nothing."""
    url, bot_id = _url_of(settings), _bot_id(settings)
    if url is None or bot_id is None:
        return
    try:
        with connect(url) as client:
            overview = Operations(client, bot_id).overview()
    except (redis.RedisError, SettingsError):
        return
    if not overview.is_delivered:
        yield Finding(part="bot", state="note", text="none runs.", remedy="Start it: kefu bot")
    else:
        yield Finding(part="bot", state="good", text="one delivers replies.")
    if overview.workers:
        yield Finding(
            part="workers", state="good", text=f"{len(overview.workers)} with {overview.slots} slots."
        )
    elif overview.waiting_chats:
        text = f"none runs, and {overview.waiting_chats} customers wait."
        yield Finding(part="workers", state="bad", text=text, remedy="Start one: kefu worker")
    else:
        yield Finding(part="workers", state="note", text="none runs.", remedy="Start one: kefu worker")
    if paused := [queue.name for queue in overview.queues if queue.paused]:
        remedy = "Resume them on the dashboard or with /resume in the admin's chat."
        yield Finding(part="queues", state="note", text=f"paused: {', '.join(paused)}.", remedy=remedy)


# --- small things -----------------------------------------------------------------------------------------------


def place_of(url: str) -> str:
    """A Redis' address without user and password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname}:{parts.netloc.rpartition('@')[2].partition(':')[2] or 6379}"


def _url_of(settings: Settings) -> str | None:
    """The Redis that is set, or the private one of a kefu that runs."""
    if settings.redis_url:
        return settings.redis_url
    address = settings.data_dir / "redis.url"
    return address.read_text() if address.is_file() else None


def _private_redis(settings: Settings) -> Finding:
    try:
        server = find_redis_server()
        said = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10).stdout
    except NoRedis as error:
        return Finding(part="redis", state="bad", text=str(error))
    except (OSError, subprocess.SubprocessError) as error:
        text = f"the private Redis cannot be started ({type(error).__name__})."
        return Finding(part="redis", state="bad", text=text, remedy="Set KEFU_REDIS_URL.")
    version = (re.findall(r"v=([\d.]+)", said) or ["0"])[0]
    if _version(version) < OLDEST_REDIS:
        text = f"{server} is Redis {version}; 6.2 or newer is needed."
        return Finding(part="redis", state="bad", text=text, remedy="Update it, or set KEFU_REDIS_URL.")
    text = (
        f"a private Redis {version} will keep its file in {settings.data_dir}; it serves this machine only."
    )
    return Finding(part="redis", state="note", text=text, remedy="For a shop set KEFU_REDIS_URL.")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _bot_id(settings: Settings) -> int | None:
    token = settings.bot_token.get_secret_value() if settings.bot_token else ""
    first = token.partition(":")[0]
    return int(first) if first.isdecimal() else None
