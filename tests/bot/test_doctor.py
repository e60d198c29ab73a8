"""`kefu doctor` as a process against a real Redis and the sandbox, and its judgement of what it is told."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiogram.types import WebhookInfo
from pydantic import SecretStr
from redis import Redis

from bot.doctor import check_disk, check_file, check_redis, judge_redis, judge_webhook, place_of
from tests.bot.conftest import ADMIN, TOKEN, Shop
from tests.bot.test_process import environment
from workers.channel import PAUSED
from workers.contracts import Finding
from workers.settings import Settings

ROOT = Path(__file__).parents[2]
DEMO_SHOP = ROOT / "model" / "demo_shop"

pytestmark = pytest.mark.timeout(500)


async def examine(tmp_path: Path, settings: dict[str, str], *options: str) -> tuple[int, str, str]:
    """Exit code and both outputs of `kefu doctor`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.cli", "doctor", *options),
        env=settings,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 200)
    return process.returncode or 0, output.decode(), errors.decode()


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def states(findings: Any) -> list[str]:
    return [finding.state for finding in findings]


async def test_a_shop_that_is_well_gets_a_line_for_each_part(shop: Shop, tmp_path: Path) -> None:
    await shop.until(lambda: shop.redis.exists(shop.names.outbox_leader))
    row = {
        "name": "w",
        "slots": 4,
        "in_flight": 0,
        "fill": 0,
        "jobs": 0,
        "steps_per_second": 0,
        "model": "passages",
    }
    shop.redis.sadd("rq:workers", "rq:worker:w")
    shop.redis.set("kefu:worker:w", json.dumps(row))
    given = {"KEFU_SHOP": str(DEMO_SHOP), "KEFU_MODEL": "passages", "KEFU_ADMIN_IDS": str(ADMIN)}
    code, output, _ = await examine(
        tmp_path, environment(shop, KEFU_BOT_TOKEN=TOKEN, KEFU_DATA_DIR=str(tmp_path), **given)
    )
    lines = output.splitlines()
    parts = [line.split()[1] for line in lines]
    assert parts == "redis token updates admins disk shop model gpu bot workers".split()
    assert [line for line in lines if line.startswith("✗")] == [] and code == 0
    assert "181 products" in lines[5] and "passages loads" in lines[6] and "1 with 4 slots" in lines[9]


async def test_all_that_is_wrong_is_named_with_what_to_do_and_no_secret(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.json").write_bytes((DEMO_SHOP / "shop.json").read_bytes())
    (folder / "products.jsonl").write_text('{"id": "P1"}\n\nnot json\n')
    (tmp_path / ".env").write_text("KEFU_BOT_TOKEN=7:other\n")
    (tmp_path / ".env").chmod(0o644)
    given = {
        "KEFU_REDIS_URL": "redis://user:hush@127.0.0.1:1/0",
        "KEFU_SHOP": str(folder),
        "KEFU_MODEL": str(tmp_path / "nowhere"),
        "KEFU_DATA_DIR": str(tmp_path),
    }
    code, output, errors = await examine(tmp_path, environment(shop, **given), "--json")
    report = json.loads(output.splitlines()[-1])
    found = {}
    for finding in report["findings"]:
        found.setdefault(finding["part"], []).append(finding)
    assert code == 1 and report["ok"] is False
    assert "chmod 600" in found["settings"][0]["remedy"]
    assert "127.0.0.1:1" in found["redis"][0]["text"] and "KEFU_REDIS_URL" in found["redis"][0]["remedy"]
    assert "refuses the token" in found["token"][0]["text"]
    assert [text["text"].partition(":")[0] for text in found["shop"]] == [
        "products.jsonl, line 1",
        "products.jsonl, line 3",
    ]
    assert "KEFU_MODEL" in found["model"][0]["text"]
    assert "hush" not in output + errors and "7:other" not in output + errors


async def test_a_setting_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    code, output, _ = await examine(tmp_path, environment(KEFU_HTTP_PORT="eighty"))
    assert code == 1 and output.startswith("✗ settings") and "KEFU_HTTP_PORT" in output


def test_a_redis_that_loses_messages_is_bad(redis: Redis) -> None:
    info = redis.info()
    assert states(judge_redis(info, "here")) == ["good"]
    assert states(judge_redis(info | {"redis_version": "6.0.9"}, "here")) == ["bad"]
    assert states(judge_redis(info | {"redis_version": "6.2.0"}, "here")) == ["good"]
    assert states(judge_redis(info | {"maxmemory_policy": "allkeys-lru"}, "here")) == ["good", "bad"]
    assert states(judge_redis(info | {"aof_enabled": 0}, "here")) == ["good", "bad"]
    assert states(judge_redis(info | {"aof_last_write_status": "err"}, "here")) == ["good", "bad"]
    assert states(judge_redis(info | {"maxmemory": 100, "used_memory": 90}, "here")) == ["good", "note"]


def test_a_redis_behind_another_password(redis_url: str, redis: Redis) -> None:
    redis.execute_command("ACL", "SETUSER", "guest", "on", ">right", "~*", "+ping")
    try:
        (wrong,) = check_redis(settings(redis_url=redis_url.replace("unix://", "unix://guest:wrong@")))
        (mute,) = check_redis(settings(redis_url=redis_url.replace("unix://", "unix://guest:right@")))
    finally:
        redis.execute_command("ACL", "DELUSER", "guest")
    assert wrong.state == "bad" and "password" in wrong.text
    assert mute.state == "note" and "INFO" in mute.remedy


def test_without_a_redis_of_its_own_a_shop_gets_a_private_one(tmp_path: Path) -> None:
    (finding,) = check_redis(settings(data_dir=tmp_path))
    assert finding.state == "note" and "private Redis" in finding.text
    (tmp_path / "redis.url").write_text(f"unix://{tmp_path}/gone.sock?db=0")  # a killed program's
    assert check_redis(settings(data_dir=tmp_path)).__next__() == finding


def test_a_place_is_shown_without_user_and_password() -> None:
    assert place_of("redis://me:hush@host:7000/0") == "host:7000"
    assert place_of("rediss://:hush@host") == "host:6379"
    assert place_of("unix://me:hush@/run/redis.sock?db=0") == "/run/redis.sock"


def test_the_way_of_updates_is_judged_by_what_telegram_says() -> None:
    url = "https://shop.example/telegram"

    def told(**info: Any) -> WebhookInfo:
        return WebhookInfo(
            **({"url": url, "has_custom_certificate": False, "pending_update_count": 0} | info)
        )

    polling, webhook = settings(), settings(webhook_url=url)
    assert states(judge_webhook(polling, told(url=""))) == ["good"]
    assert states(judge_webhook(polling, told())) == ["note"]
    assert states(judge_webhook(webhook, told())) == ["good"]
    assert states(judge_webhook(webhook, told(url=""))) == ["note"]
    assert states(judge_webhook(webhook, told(pending_update_count=500))) == ["note"]
    failed = {"last_error_message": "Connection refused"}
    long_ago, just_now = datetime.now(UTC) - timedelta(days=2), datetime.now(UTC)
    assert states(judge_webhook(webhook, told(last_error_date=just_now, **failed))) == ["bad"]
    assert states(judge_webhook(webhook, told(last_error_date=long_ago, **failed))) == ["good"]
    assert states(judge_webhook(settings(webhook_url="http://shop.example/x"), told())) == ["bad"]
    secret = settings(webhook_url=url, webhook_secret=SecretStr("with space"))
    assert states(judge_webhook(secret, told())) == ["bad", "good"]


def test_a_settings_file_that_others_can_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert list(check_file(file)) == []
    file.touch(0o600)
    assert list(check_file(file)) == []
    file.chmod(0o640)
    assert states(check_file(file)) == ["note"]


def test_room_is_looked_for_where_the_folder_will_be(tmp_path: Path) -> None:
    (finding,) = check_disk(tmp_path / "not" / "yet")
    assert finding.part == "disk" and "GiB free" in finding.text


async def test_customers_who_wait_for_no_worker_and_a_paused_queue(shop: Shop) -> None:
    from bot.doctor import check_running

    await shop.until(lambda: shop.redis.exists(shop.names.outbox_leader))
    found: dict[str, Finding] = {finding.part: finding for finding in check_running(shop.settings)}
    assert found["bot"].state == "good" and found["workers"].state == "note"
    await shop.client.send(1, "hello")
    await shop.until(lambda: shop.inbox(1))
    shop.redis.sadd(PAUSED, "bulk")
    found = {finding.part: finding for finding in check_running(shop.settings)}
    assert found["workers"].state == "bad" and "1 customers wait" in found["workers"].text
    assert "bulk" in found["queues"].text and "/resume" in found["queues"].remedy
