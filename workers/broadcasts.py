"""One message to every customer who has not said no: prepared by a job in the queue `bulk`, fed to delivery bit by bit.

    draft ──an admin's button──▶ confirmed ──the job──▶ running ──▶ done, or stopped by a button

A draft is kept here and not in the button, which holds its random id alone. There is one broadcast at a time. FEED moves
one recipient from the list into that chat's outbox, in one step, so that a killed process repeats and omits nobody.
Whoever feeds decides how fast; `bot/delivery.py` only does it with what Telegram's limits have to spare.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis
from redis.asyncio import Redis
from redis.client import Pipeline

from workers.channel import Channel, Names, enqueue_broadcast
from workers.contracts import Button, Contract, Language, OutboxEntry, Reply

DRAFT_SECONDS = 3600
KEPT_SECONDS = 30 * 86400
"""How long the figures of the last broadcast are kept."""
SETTLE_SECONDS = 60
"""After this long without a recipient left it is over, whatever became of the last replies."""

State = Literal["confirmed", "running", "stopped", "done"]
Confirmed = Literal["confirmed", "unknown", "busy"]

_PREPARE = """
local broadcast, left, audience, muted = unpack(KEYS)
local id, kept = unpack(ARGV)
local known = redis.call('HMGET', broadcast, 'id', 'state')
if known[1] ~= id or known[2] ~= 'confirmed' then return 0 end
local total = redis.call('ZDIFFSTORE', left, 2, audience, muted)
redis.call('EXPIRE', left, kept)
redis.call('HSET', broadcast, 'state', 'running', 'total', total)
return 1
"""

_FEED = """
local leader, broadcast, left, muted, chats = unpack(KEYS)
local token, now, settle, outbox_prefix = unpack(ARGV)
if redis.call('GET', leader) ~= token then return {'fenced'} end
local known = redis.call('HMGET', broadcast, 'state', 'id', 'head', 'middle', 'tail')
if known[1] ~= 'running' then return {'idle'} end
while true do
    local chat = redis.call('ZPOPMIN', left)[1]
    if not chat then
        local figures = redis.call('HMGET', broadcast, 'fed', 'settled', 'emptied_at')
        if not figures[3] then redis.call('HSET', broadcast, 'emptied_at', now) end
        local all_settled = tonumber(figures[1] or 0) <= tonumber(figures[2] or 0)
        if all_settled or (figures[3] and tonumber(now) - tonumber(figures[3]) > tonumber(settle)) then
            redis.call('HSET', broadcast, 'state', 'done')
            return {'done'}
        end
        return {'settling'}
    end
    if redis.call('SISMEMBER', muted, chat) == 1 then
        redis.call('HINCRBY', broadcast, 'muted', 1)
    else
        local number = redis.call('HINCRBY', broadcast, 'fed', 1)
        redis.call('RPUSH', outbox_prefix .. chat .. ':outbox', known[3] .. number .. known[4] .. chat .. known[5])
        redis.call('SADD', chats, chat)
        return {'fed', chat}
    end
end
"""

_TELL = """
local broadcast, outbox, chats = unpack(KEYS)
local id, mark, entry, chat, wake = unpack(ARGV)
if redis.call('HGET', broadcast, 'id') ~= id then return 0 end
if tonumber(redis.call('HGET', broadcast, 'told') or -1) >= tonumber(mark) then return 0 end
redis.call('HSET', broadcast, 'told', mark)
redis.call('RPUSH', outbox, entry)
redis.call('SADD', chats, chat)
redis.call('PUBLISH', wake, chat)
return 1
"""


class _Draft(Contract):
    """What an admin has written and not confirmed yet."""

    admin_id: int
    text: str


@dataclass(frozen=True)
class Figures:
    """How far a broadcast has come. `fed` are on their way or settled; `settled` is the sum of the four behind it."""

    id: str
    state: State
    admin_id: int
    language: Language
    total: int = 0
    fed: int = 0
    settled: int = 0
    sent: int = 0
    refused: int = 0
    unknown: int = 0
    silenced: int = 0
    muted: int = 0

    @property
    def percent(self) -> int:
        """How much of it is settled."""
        return 100 * (self.settled + self.muted) // self.total if self.total else 100


class Broadcasts:
    """The bot's writes and the worker's one step. Synchronous, like the channel that it writes through."""

    def __init__(self, channel: Channel, connection: redis.Redis) -> None:
        self._channel = channel
        self._names = channel.names
        self._redis = connection

    def audience(self) -> int:
        """How many would get a broadcast now."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zcard(self._names.audience)
            pipe.zinter([self._names.audience, self._names.muted])
            known, muted = pipe.execute()
        return int(known) - len(muted)

    def draft(self, update_id: int, draft_id: str, admin_id: int, text: str, question: OutboxEntry) -> bool:
        """Keep a text until it is confirmed, and ask. False: done before."""

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            draft = _Draft(admin_id=admin_id, text=text)
            pipe.set(self._names.broadcast_draft(draft_id), draft.model_dump_json(), ex=DRAFT_SECONDS)
            self._channel.queue_reply(pipe, question)

        return self._channel.once(update_id, write)

    def confirm(self, update_id: int, draft_id: str, admin_id: int, language: Language) -> Confirmed:
        """Begin the broadcast of a draft. unknown: there is no such draft of this admin's; busy: one runs already."""
        names, key = self._names, self._names.broadcast_draft(draft_id)
        outcome: list[Confirmed] = ["confirmed"]

        def write(pipe: Pipeline) -> None:
            raw, state = pipe.get(key), pipe.hget(names.broadcast, "state")
            draft = _Draft.read(raw) if raw else None
            pipe.multi()
            if draft is None or draft.admin_id != admin_id:
                outcome[0] = "unknown"
            elif state in (b"confirmed", b"running"):
                outcome[0] = "busy"
            else:
                head, middle, tail = _pieces(draft_id, draft.text, language)
                pipe.delete(key, names.broadcast, names.broadcast_left)
                fields: dict[Any, Any] = {
                    "id": draft_id,
                    "state": "confirmed",
                    "admin": admin_id,
                    "language": language,
                }
                pipe.hset(names.broadcast, mapping={**fields, "head": head, "middle": middle, "tail": tail})
                pipe.expire(names.broadcast, KEPT_SECONDS)
                enqueue_broadcast(self._redis, pipe, names, draft_id, cause=str(update_id))

        if not self._channel.once(update_id, write, watch=(key, names.broadcast)):
            figures = self.figures()
            return "confirmed" if figures and figures.id == draft_id else "unknown"
        return outcome[0]

    def drop(self, update_id: int, draft_id: str, admin_id: int, entry: OutboxEntry) -> bool:
        """Throw an admin's own draft away."""
        key = self._names.broadcast_draft(draft_id)

        def write(pipe: Pipeline) -> None:
            raw = pipe.get(key)
            pipe.multi()
            if raw and _Draft.read(raw).admin_id == admin_id:
                pipe.delete(key)
            self._channel.queue_reply(pipe, entry)

        return self._channel.once(update_id, write, watch=(key,))

    def stop(self, update_id: int, broadcast_id: str) -> bool:
        """Feed nobody any more; any admin may. False: this one does not run."""
        names = self._names
        stopped = [False]

        def write(pipe: Pipeline) -> None:
            known_id, state = pipe.hmget(names.broadcast, "id", "state")
            stopped[0] = known_id == broadcast_id.encode() and state in (b"confirmed", b"running")
            pipe.multi()
            if stopped[0]:
                pipe.hset(names.broadcast, "state", "stopped")
                pipe.delete(names.broadcast_left)

        if not self._channel.once(update_id, write, watch=(names.broadcast,)):
            figures = self.figures()
            return figures is not None and (figures.id, figures.state) == (broadcast_id, "stopped")
        return stopped[0]

    def mute(self, update_id: int, chat_id: int, muted: bool, entry: OutboxEntry) -> bool:
        """Leave a chat out of broadcasts, or take it in again, and confirm it."""

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            change = pipe.sadd if muted else pipe.srem
            change(self._names.muted, str(chat_id))
            self._channel.queue_reply(pipe, entry)

        return self._channel.once(update_id, write)

    def figures(self) -> Figures | None:
        """The last broadcast, None if there has been none."""
        return read_figures(self._redis.hgetall(self._names.broadcast))


def prepare(connection: redis.Redis, names: Names, broadcast_id: str) -> bool:
    """Make the list of recipients: who has written and neither left nor said no. False: it was made or stopped before."""
    keys = [names.broadcast, names.broadcast_left, names.audience, names.muted]
    return bool(connection.eval(_PREPARE, len(keys), *keys, broadcast_id, str(KEPT_SECONDS)))


class Feed:
    """Delivery's side, on its event loop. `token` names the process that leads."""

    def __init__(self, connection: Redis, names: Names, token: str) -> None:
        self._redis = connection
        self._names = names
        self._token = token
        self._feed = connection.register_script(_FEED)
        self._tell = connection.register_script(_TELL)

    async def next(self) -> tuple[Literal["fenced", "idle", "settling", "done", "fed"], int]:
        """Put the message into the next recipient's outbox; what came of it, and the chat if it was fed."""
        names = self._names
        step, *chat = await self._feed(
            keys=[
                names.outbox_leader,
                names.broadcast,
                names.broadcast_left,
                names.muted,
                names.outbox_chats,
            ],
            args=[self._token, int(time.time()), SETTLE_SECONDS, names.chat_prefix],
        )
        return cast(Literal["fenced", "idle", "settling", "done", "fed"], step), int(chat[0]) if chat else 0

    async def figures(self) -> Figures | None:
        """How far it has come."""
        return read_figures(await self._redis.hgetall(self._names.broadcast))

    async def tell(self, figures: Figures, mark: int, text: str, rows: Sequence[Sequence[Button]]) -> bool:
        """Tell the admin, once for each growing `mark`."""
        names, admin = self._names, figures.admin_id
        reply = Reply(
            kind="notice",
            language=figures.language,
            text=text,
            buttons=tuple(tuple(row) for row in rows),
        )
        entry = OutboxEntry(id=f"p{figures.id}.{mark}", chat_id=admin, reply=reply, created_at=time.time())
        arguments: list[str | int] = [
            *(figures.id, mark, entry.model_dump_json(), admin, names.outbox_wake),
        ]
        keys = [names.broadcast, names.outbox(admin), names.outbox_chats]
        return bool(await self._tell(keys=keys, args=arguments))


def new_draft_id() -> str:
    """A name that nobody can guess."""
    return secrets.token_hex(8)


def read_figures(raw: Mapping[Any, Any]) -> Figures | None:
    """The hash of a broadcast as figures."""
    known = {_text(name): _text(value) for name, value in raw.items()}
    if "id" not in known:
        return None
    counts = ("total", "fed", "settled", "sent", "refused", "unknown", "silenced", "muted")
    return Figures(
        id=known["id"],
        state=cast(State, known["state"]),
        admin_id=int(known["admin"]),
        language="zh" if known["language"] == "zh" else "en",
        **{name: int(known.get(name, 0)) for name in counts},
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _pieces(broadcast_id: str, text: str, language: Language) -> tuple[str, str, str]:
    """An outbox entry around its number and its chat, which only FEED knows."""
    off = Button(text="No more news · 不再接收", data="news:off")
    reply = Reply(kind="news", language=language, text=text, buttons=((off,),))
    number, chat = 7_777_777, 8_888_888
    entry = OutboxEntry(
        id=f"b{broadcast_id}.{number}", chat_id=chat, reply=reply, created_at=round(time.time(), 3)
    )
    head, _, rest = entry.model_dump_json().partition(f".{number}")
    middle, _, tail = rest.partition(f":{chat}")
    return f"{head}.", f"{middle}:", tail
