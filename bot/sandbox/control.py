"""The control API: people act in the sandbox through it, and tests and the chat page read what happened.

JSON in and out, under `/control`. What nobody could do in Telegram is refused with 400 and {"error": why}.
"""

import json
import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar, cast, get_args

from aiohttp import web

from bot.sandbox.errors import Json
from bot.sandbox.faults import REFUSALS, Fault, Mode
from bot.sandbox.telegram import Chat, Impossible, Media, User
from bot.sandbox.transcript import ALL

if TYPE_CHECKING:
    from bot.sandbox.server import Sandbox

LONGEST_WAIT = 60.0
HEARTBEAT_SECONDS = 15.0

Value = TypeVar("Value")
Action = Callable[[web.Request, Json], Awaitable[object]]


class Control:
    """The handlers of one sandbox."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._telegram = sandbox.telegram
        # Tells a page that reconnects whether this is still the sandbox that it knows.
        self._life = secrets.token_hex(8)

    def routes(self) -> list[web.RouteDef]:
        """Every address of the control API."""
        user = r"/control/users/{user:-?\d+}"
        chat = r"/control/{kind:users|chats}/{user:-?\d+}"
        return [
            web.get("/control/state", _json(self._state)),
            web.post("/control/users", _json(self._add_user)),
            web.post("/control/groups", _json(self._add_group)),
            web.post(f"{user}/messages", _json(self._write)),
            web.post(f"{user}/edits", _json(self._edit)),
            web.post(f"{user}/presses", _json(self._press)),
            web.post(f"{user}/reactions", _json(self._react)),
            web.post(f"{user}/stop", _json(self._stop)),
            web.post(f"{user}/block", _json(self._block)),
            web.get(f"{user}/commands", _json(self._menu)),
            web.get(f"{chat}/transcript", _json(self._transcript)),
            web.get(f"{chat}/events", self._events),
            web.get("/control/transcript", _json(self._transcript)),
            web.get("/control/events", self._events),
            web.post("/control/updates", _json(self._inject)),
            web.post("/control/repeat", _json(self._repeat)),
            web.post("/control/faults", _json(self._order_fault)),
            web.delete("/control/faults", _json(self._clear_faults)),
            web.post("/control/hold", _json(self._hold)),
            web.get("/control/calls", _json(self._calls)),
        ]

    async def _state(self, request: web.Request, body: Json) -> Json:
        bot = self._telegram.bot_object()
        commands: dict[str, dict[str, list[Json]]] = {}
        for (scope, language), menu in self._telegram.commands.items():
            commands.setdefault(scope, {})[language] = menu
        return {
            "life": self._life,
            "seq": self._telegram.transcript.seq,
            "now": round(self._telegram.clock(), 3),
            "bots": [
                {"id": bot["id"], "username": bot["username"], "name": bot["first_name"], "token_set": True}
            ],
            "users": [_user(user) for user in self._telegram.users.values()],
            "groups": [_group(chat) for chat in self._telegram.chats.values() if chat.is_group],
            "commands": commands,
            "pending_updates": len(self._telegram.updates),
            "held": self._telegram.updates.held,
        }

    async def _add_user(self, request: web.Request, body: Json) -> Json:
        user_id = _take(body, "id", int)
        if user_id <= 0:
            raise Impossible("a user has a positive id")
        known = self._telegram.users.get(user_id, User(user_id, f"User {user_id}"))
        user = User(
            user_id,
            _take(body, "name", str, known.name),
            _take(body, "language_code", str, known.language_code),
            is_admin=_take(body, "is_admin", bool, known.is_admin),
            started=_take(body, "started", bool, known.started),
        )
        return _user(self._telegram.add_user(user))

    async def _add_group(self, request: web.Request, body: Json) -> Json:
        members = _take(body, "members", list, [])
        return _group(
            self._telegram.add_group(_take(body, "id", int), _take(body, "title", str, "Group"), members)
        )

    async def _write(self, request: web.Request, body: Json) -> Json:
        user, chat = self._place(request, body)
        media = next((kind for kind in get_args(Media) if body.get(kind)), None)
        if media:
            sent = [self._telegram.send_media(user, chat, media, _take(body, "caption", str, ""))]
        else:
            reply_to = _take(body, "reply_to", int) if "reply_to" in body else None
            sent = self._telegram.write(user, chat, _take(body, "text", str), reply_to=reply_to)
        message_id, update_id = sent[-1]
        return {
            "message_id": message_id,
            "update_id": update_id,
            "message_ids": [message_id for message_id, _ in sent],
            "update_ids": [update_id for _, update_id in sent],
            "seq": self._telegram.transcript.seq,
        }

    async def _edit(self, request: web.Request, body: Json) -> Json:
        user, chat = self._place(request, body)
        update_id = self._telegram.edit(user, chat, _take(body, "message_id", int), _take(body, "text", str))
        return {"update_id": update_id}

    async def _press(self, request: web.Request, body: Json) -> Json:
        user, chat = self._place(request, body)
        query_id = self._telegram.press(user, chat, _take(body, "message_id", int), _take(body, "data", str))
        return {"callback_query_id": query_id}

    async def _react(self, request: web.Request, body: Json) -> Json:
        user, chat = self._place(request, body)
        emoji = _take(body, "emoji", str) if body.get("emoji") is not None else None
        return {"update_id": self._telegram.react(user, chat, _take(body, "message_id", int), emoji)}

    async def _stop(self, request: web.Request, body: Json) -> Json:
        user, _ = self._place(request, body)
        return {"update_id": self._telegram.stop(user, _take(body, "draft_id", int))}

    async def _block(self, request: web.Request, body: Json) -> Json:
        user, _ = self._place(request, body)
        self._telegram.block(user, _take(body, "blocked", bool))
        return _user(user)

    async def _menu(self, request: web.Request, body: Json) -> list[Json]:
        user, _ = self._place(request, body)
        return self._telegram.menu(user)

    async def _transcript(self, request: web.Request, body: Json) -> Json:
        chat_id, after = self._chat_id(request), _number(request, "after")
        wait = min(_number(request, "wait"), LONGEST_WAIT)
        events = await self._telegram.transcript.wait_after(chat_id, int(after), wait)
        return {"events": events, "seq": events[-1]["seq"] if events else int(after)}

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The transcript as Server-Sent Events."""
        try:
            chat_id = self._chat_id(request)
            seq = int(request.headers.get("Last-Event-ID") or _number(request, "after"))
        except (Impossible, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        while True:
            events = await self._telegram.transcript.wait_after(chat_id, seq, HEARTBEAT_SECONDS)
            lines = [f"id: {event['seq']}\ndata: {_dump(event)}\n\n" for event in events]
            try:
                await response.write("".join(lines or [": still here\n\n"]).encode())
            except ConnectionError:
                return response
            seq = events[-1]["seq"] if events else seq

    async def _inject(self, request: web.Request, body: Json) -> Json:
        return {"update_id": self._telegram.updates.inject(_take(body, "update", dict))}

    async def _repeat(self, request: web.Request, body: Json) -> Json:
        update_id = _take(body, "update_id", int)
        if not self._telegram.updates.repeat(update_id):
            raise Impossible(f"update {update_id} was never sent or is forgotten")
        return {"update_id": update_id}

    async def _order_fault(self, request: web.Request, body: Json) -> Json:
        mode = _take(body, "mode", str, "error")
        if mode not in get_args(Mode):
            raise Impossible(f"mode is one of {', '.join(get_args(Mode))}")
        if mode == "refuse_connection":
            self._sandbox.refuse_connections(_amount(body, "seconds"))
            return {"mode": mode}
        refusal = _take(body, "refusal", str, "server error")
        if refusal not in REFUSALS:
            raise Impossible(f"refusal is one of {', '.join(REFUSALS)}")
        code, description = REFUSALS[refusal]
        seconds_asked = 3 if code == 429 else None
        if body.get("retry_after") is not None:
            seconds_asked = _take(body, "retry_after", int)
        fault = Fault(
            _take(body, "method", str),
            cast(Mode, mode),
            count=_take(body, "count", int, 1),
            error_code=_take(body, "error_code", int, code),
            description=_take(body, "description", str, description),
            retry_after=seconds_asked,
            seconds=_amount(body, "seconds"),
            parameter=_take(body, "parameter", str, ""),
            probability=_amount(body, "probability"),
            seed=_take(body, "seed", int) if body.get("seed") is not None else None,
        )
        self._sandbox.faults.order(fault)
        return {"mode": mode}

    async def _clear_faults(self, request: web.Request, body: Json) -> Json:
        self._sandbox.faults.clear()
        return {}

    async def _hold(self, request: web.Request, body: Json) -> Json:
        self._telegram.updates.held = _take(body, "held", bool)
        return {"held": self._telegram.updates.held}

    async def _calls(self, request: web.Request, body: Json) -> Json:
        method = request.query.get("method")
        return {"calls": [call for call in self._sandbox.calls if method in (None, call["method"])]}

    def _place(self, request: web.Request, body: Json) -> tuple[User, Chat]:
        user = self._telegram.person(int(request.match_info["user"]))
        return user, self._telegram.place(user, _take(body, "chat_id", int, user.id))

    def _chat_id(self, request: web.Request) -> int | None:
        if "user" not in request.match_info:
            return ALL
        chat_id = int(request.match_info["user"])
        if chat_id not in self._telegram.chats:
            raise Impossible(f"there is no chat {chat_id}")
        return chat_id


def _json(action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that reads a JSON object, if there is a body, and answers with JSON."""

    async def handle(request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text()) if request.can_read_body else {}
            if not isinstance(body, dict):
                raise Impossible("the body must be a JSON object")
            result = await action(request, body)
        except (Impossible, ValueError, RecursionError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(result, dumps=_dump)

    return handle


_REQUIRED = object()


def _take(body: Json, name: str, kind: type[Value], default: object = _REQUIRED) -> Value:
    value = body.get(name, default)
    if value is _REQUIRED:
        raise Impossible(f'"{name}" is required')
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Impossible(f'"{name}" must be of type {kind.__name__}')
    return value


def _amount(body: Json, name: str) -> float:
    value = body.get(name, 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Impossible(f'"{name}" must be a number')
    return value


def _number(request: web.Request, name: str) -> float:
    number = float(request.query.get(name, 0))
    if not math.isfinite(number):
        raise Impossible(f"{name} must be a number")
    return number


def _user(user: User) -> Json:
    return asdict(user)


def _group(chat: Chat) -> Json:
    return {"id": chat.id, "title": chat.title, "members": sorted(chat.members)}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
