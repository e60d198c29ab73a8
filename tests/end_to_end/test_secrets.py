"""Neither a token nor a customer's words get into a log, a metric or an alert, whatever goes wrong."""

import json

import pytest
from aiohttp import ClientSession

from bot.stack import TOKEN
from tests.end_to_end.running import ADMIN, ENGLISH, Running, run, until

WORDS = "Rumpelstilzchen"
"""Is in everything that anybody writes here."""


async def http_texts(kefu: Running) -> str:
    (line,) = [line for line in kefu.stack.log_lines("the bot runs")]
    port = json.loads(line.partition(": ")[2])["http_port"]
    texts = []
    async with ClientSession() as session:
        for path in ("health", "metrics"):
            async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
                assert response.status == 200
                texts.append(await response.text())
    assert "kefu_events_total" in texts[1]
    return "".join(texts)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_word_of_a_customer_and_no_token_is_written_down() -> None:
    async with run(environment={"KEFU_MODEL": "echo", "KEFU_ECHO_DELAY": "0.05"}) as kefu:
        client, last = kefu.client, "the last of them"
        await client.send(ENGLISH, f"{WORDS} one")
        await client.wait_for_reply(ENGLISH, timeout=120)
        quoted = f'Bad Request: can\'t parse entities: Unsupported start tag "{WORDS}" at byte offset 7'
        await client.fault("sendMessage", error_code=400, description=quoted, parameter="entities")
        await client.send(ENGLISH, f"/suggest {WORDS}")
        await client.fault("sendMessage", error_code=400, description=f"Bad Request: {WORDS}")
        await client.send(2, f"{WORDS} refused")
        await client.fault("sendMessage", mode="deliver_then_drop")
        await client.send(3, f"{WORDS} unknown")
        await client.post("updates", update={"message": {"text": WORDS, "date": "never"}})
        await client.post("updates", update={"callback_query": {"id": "1", "data": WORDS, "from": {"id": 1}}})
        await client.send(ADMIN, f"/broadcast {WORDS} for all")
        raw = {"id": "m1", "chat_id": 77, "user_id": 77, "kind": WORDS, "text": WORDS, "accepted_at": 1.0}
        kefu.redis.rpush(kefu.names.inbox(77), json.dumps(raw), WORDS)
        kefu.redis.zadd(kefu.names.waiting, {"77": 1})
        await client.send(ENGLISH, last)
        await client.wait_for(
            ENGLISH, lambda event: event.get("text") == last and event["from"] == "bot", 120
        )
        await until(lambda: kefu.count("sends_unknown") == 1 and kefu.count("refused") >= 1, 120)
        shown = await http_texts(kefu)
        alerts = "".join(kefu.redis.lrange(kefu.names.alerts, 0, -1))
        for secret in (WORDS, TOKEN, TOKEN.partition(":")[2] + "/"):
            assert secret not in shown and secret not in alerts
            assert kefu.stack.log_lines(secret) == []
