"""The outbox's protocol: who may send a chat's next message, and what became of it.

One process leads a bot's delivery. Each part of a reply is new → sending → sent | refused | unknown, written here
before and after the call to Telegram, so that a crash in between is seen by the next leader and counted:

    BEGIN   not the leader → fenced. Outbox empty → forget the chat. The conversation is a person's → drop what only
            a bot may say. Sending under another attempt → that attempt's outcome is unknown. Unknown once → again,
            but only after a probe; unknown twice → spent. Else: sending(leader, part, try, attempt).
    SETTLE  only the attempt that is written there → stale otherwise. Sent or spent → next part or next entry.
            Refused → next entry. Not sent → as before BEGIN. Unknown → as above.

BEGIN is fenced by leadership, SETTLE by the attempt alone: a leader that lost its lease after Telegram had accepted
still reports so, unless its successor has begun already. Both may run twice with the same attempt, so a lost reply
of Redis costs nothing. Between the two the caller looks at its lease once more, by its own clock.
Knows no Telegram: how a part is rendered and sent is the caller's affair.
"""

import json
import time
from dataclasses import dataclass
from typing import Literal, cast

from pydantic import Field, ValidationError
from redis.asyncio import Redis

from workers.channel import ALERTS_KEPT, Names
from workers.contracts import Contract, Language, OutboxEntry, Reply
from workers.scripts import Script
from workers.texts import APOLOGY
from workers.trips import Trips

Step = Literal["fenced", "empty", "silenced", "probe", "send", "spent"]
Outcome = Literal["sent", "unsent", "unknown", "refused", "spent"]

SILENT_KINDS = ("answer", "apology", "suggestions", "news")
"""Kinds of replies that a bot keeps to itself while a person has the conversation (P6)."""

_COUNT_BROADCAST = """
local function count_broadcast(broadcast, entry, result)
    local id = string.match(entry or '', '^b(%x+)%.')
    if id and redis.call('HGET', broadcast, 'id') == id then
        redis.call('HINCRBY', broadcast, 'settled', 1)
        redis.call('HINCRBY', broadcast, result, 1)
    end
end
"""
"""What became of one recipient's part in a broadcast; its figures are those of `workers.broadcasts`."""

_BEGIN = Script(
    _COUNT_BROADCAST
    + """
local leader, outbox, sending, session, chats, stats, alerts, broadcast = unpack(KEYS)
local token, attempt, chat, probed, now, kept = unpack(ARGV)
if redis.call('GET', leader) ~= token then return {'fenced'} end
local head = redis.call('LINDEX', outbox, 0)
if not head then
    redis.call('DEL', sending)
    redis.call('SREM', chats, chat)
    return {'empty'}
end
local is_json, entry = pcall(cjson.decode, head)
if not is_json or type(entry) ~= 'table' or type(entry.id) ~= 'string' or type(entry.reply) ~= 'table' then
    -- The caller cannot read it either, and strikes it off as refused: it must not stay at the head for ever.
    entry = {id = '', reply = {}}
end
local saved = redis.call('HMGET', sending, 'entry', 'state', 'part', 'try', 'attempt')
local state, part, try = saved[2], tonumber(saved[3]), tonumber(saved[4])
if saved[1] ~= entry.id then
    redis.call('DEL', sending)
    state, part, try = 'new', 0, 0
end
if state == 'sending' then
    if saved[5] == attempt then return {'send', head, part, try} end
    redis.call('HINCRBY', stats, 'sends_unknown', 1)
    redis.call('HSET', sending, 'state', 'unknown')
    redis.call('LPUSH', alerts, cjson.encode({at = tonumber(now), kind = 'unknown', entry = entry.id}))
    redis.call('LTRIM', alerts, 0, kept - 1)
    state = 'unknown'
end
if redis.call('HGET', session, 'owner') == 'person' then
    for kind = 7, #ARGV do
        if entry.reply.kind == ARGV[kind] then
            redis.call('LPOP', outbox)
            redis.call('DEL', sending)
            local result = state == 'unknown' and 'unknown' or 'silenced'
            redis.call('HINCRBY', stats, result, 1)
            count_broadcast(broadcast, entry.id, result)
            return {'silenced'}
        end
    end
end
if state == 'unknown' and try >= 2 then
    redis.call('HSET', sending, 'attempt', attempt)
    return {'spent', head, part, try}
end
if state == 'unknown' and probed == '0' then return {'probe', head, part, try} end
try = try + 1
redis.call('HSET', sending, 'entry', entry.id, 'leader', token, 'attempt', attempt,
    'state', 'sending', 'part', part, 'try', try)
return {'send', head, part, try}
"""
)

_SETTLE = Script(
    _COUNT_BROADCAST
    + """
local outbox, sending, session, chats, stats, alerts, broadcast, audience = unpack(KEYS)
local attempt, outcome, last, chat, alert, kept, now = unpack(ARGV)
local saved = redis.call('HMGET', sending, 'attempt', 'part', 'try', 'spent', 'entry')
local part, try = tonumber(saved[2]), tonumber(saved[3])
if saved[1] ~= attempt then return 'stale' end
redis.call('HDEL', sending, 'attempt')
if alert ~= '' then
    redis.call('LPUSH', alerts, alert)
    redis.call('LTRIM', alerts, 0, kept - 1)
end
if outcome == 'unsent' then
    redis.call('HSET', sending, 'state', try > 1 and 'unknown' or 'new', 'try', try - 1)
    return 'more'
end
if outcome == 'unknown' then
    redis.call('HINCRBY', stats, 'sends_unknown', 1)
    redis.call('HSET', sending, 'state', 'unknown')
    if try < 2 then return 'more' end
end
local spent = outcome == 'spent' or outcome == 'unknown'
if outcome ~= 'refused' and last == '0' then
    redis.call('HSET', sending, 'state', 'new', 'part', part + 1, 'try', 0)
    if spent then redis.call('HSET', sending, 'spent', 1) end
    return 'more'
end
redis.call('LPOP', outbox)
redis.call('DEL', sending)
local result = outcome == 'refused' and 'refused' or ((spent or saved[4]) and 'unknown' or 'sent')
redis.call('HINCRBY', stats, result, 1)
count_broadcast(broadcast, saved[5], result)
if now ~= '' then redis.call('ZREM', audience, chat) end
if result == 'sent' then redis.call('HDEL', session, 'gone') end
if now ~= '' and redis.call('EXISTS', session) == 1 then redis.call('HSET', session, 'gone', now) end
if redis.call('LLEN', outbox) > 0 then return 'more' end
redis.call('SREM', chats, chat)
return 'empty'
"""
)

_RENEW = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")

_RELEASE = Script(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)


@dataclass(frozen=True)
class Turn:
    """What the leader is to do next for a chat."""

    step: Step
    entry: OutboxEntry | None = None
    part: int = 0
    attempts: int = 0
    is_stand_in: bool = False
    """Another version wrote the reply and this one cannot read it: the entry is an apology in its place."""


class Outbox:
    """One process's view of a bot's outbox. `token` names the process, new at each start.

    `redis` comes from `connect_async` and returns text; `trips` are those over it, if others share them.
    """

    def __init__(
        self, redis: Redis, names: Names, token: str, lease_ms: int = 6000, *, trips: Trips | None = None
    ) -> None:
        self._redis = redis
        self._names = names
        self._token = token
        self._lease_ms = lease_ms
        self._trips = trips or Trips(redis)

    @property
    def lease_seconds(self) -> float:
        """How long leadership lasts without `lead`."""
        return self._lease_ms / 1000

    async def lead(self) -> bool:
        """Take or renew the leadership; False while another process has it."""
        leader = self._names.outbox_leader
        return bool(await self._trips.run(_RENEW, [leader], [self._token, self._lease_ms]))

    async def release(self) -> None:
        """Give the leadership back, so that another process need not wait for the lease's end."""
        await self._trips.run(_RELEASE, [self._names.outbox_leader], [self._token])

    async def chats(self) -> set[int]:
        """Chats with something to send."""
        return {int(chat) for chat in await self._redis.smembers(self._names.outbox_chats)}

    async def begin(self, chat_id: int, attempt: str, *, probed: bool = False) -> Turn:
        """Note that the head's next part is being sent by `attempt`, a random name for this one try.

        Raises ValidationError for a head that cannot be read and that no customer waits for.
        """
        names = self._names
        step, *rest = await self._trips.run(
            _BEGIN,
            keys=[
                names.outbox_leader,
                names.outbox(chat_id),
                names.sending(chat_id),
                names.session(chat_id),
                names.outbox_chats,
                names.stats,
                names.alerts,
                names.broadcast,
            ],
            args=[
                self._token,
                attempt,
                chat_id,
                int(probed),
                int(time.time()),
                ALERTS_KEPT,
                *SILENT_KINDS,
            ],
        )
        if not rest:
            return Turn(cast(Step, step))
        head, part, attempts = rest
        try:
            return Turn(cast(Step, step), OutboxEntry.read(head), part, attempts)
        except ValidationError:
            return Turn(cast(Step, step), _stand_in(chat_id, head), part, attempts, is_stand_in=True)

    async def settle(
        self,
        chat_id: int,
        attempt: str,
        outcome: Outcome,
        *,
        last: bool,
        alert: dict[str, str | int | float] | None = None,
        gone_at: float | None = None,
    ) -> bool:
        """Note what became of `attempt`. `last`: it was the entry's last part. False: the chat has nothing more.

        `alert` is put before the admins; `gone_at` notes that the customer has left the bot.
        """
        names = self._names
        result = await self._trips.run(
            _SETTLE,
            keys=[
                names.outbox(chat_id),
                names.sending(chat_id),
                names.session(chat_id),
                names.outbox_chats,
                names.stats,
                names.alerts,
                names.broadcast,
                names.audience,
            ],
            args=[
                attempt,
                outcome,
                int(last),
                chat_id,
                json.dumps(alert) if alert else "",
                ALERTS_KEPT,
                "" if gone_at is None else int(gone_at * 1000),
            ],
        )
        return bool(result != "empty")


class _Spoken(Contract):
    language: str = "en"


class _Letterhead(Contract):
    """What every version's OutboxEntry has."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,96}$")
    answers: tuple[str, ...] = Field(min_length=1)
    reply: _Spoken


def _stand_in(chat_id: int, head: str) -> OutboxEntry:
    """An apology for a reply that this version cannot read. Raises ValidationError if it answers nobody."""
    known = _Letterhead.read(head)
    language: Language = "zh" if known.reply.language == "zh" else "en"
    apology = Reply(kind="apology", language=language, text=APOLOGY[language])
    return OutboxEntry(
        id=known.id, chat_id=chat_id, reply=apology, answers=known.answers, created_at=time.time()
    )
