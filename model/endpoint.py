"""A model behind an OpenAI-compatible address: vLLM, SGLang, llama-server, `transformers serve`, or a company's.

Streams, stops the server's work when nobody waits any more (by closing the connection), and repeats what failed
before its first word. What the server says in an error is not repeated: it may hold a customer's words.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2

from model.decoders import GREEDY, Message, ModelError, Options, TextStops
from model.engine import DeadlineExceeded, EngineError

ATTEMPTS = 3
_WAIT = 0.5
_LONGEST_WAIT = 8.0
_TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
"""30 s from one piece of an answer to the next: a server that is busy for longer is as good as gone."""


class EndpointDecoder:
    """A chat model at an address such as `http://localhost:8000/v1`."""

    def __init__(
        self, address: str, model: str, key: str = "", slots: int = 32, timeout: httpx2.Timeout = _TIMEOUT
    ) -> None:
        if not model:
            raise ModelError("an address needs the model's name beside it: set KEFU_MODEL_NAME")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._address = address.rstrip("/") + "/chat/completions"
        self._model = model
        self._client = httpx2.AsyncClient(
            headers=headers, timeout=timeout, limits=httpx2.Limits(max_connections=slots), trust_env=False
        )
        self.steps = 0
        self._answers = self._failed = self._repeated = 0
        self._first_token_seconds = 0.0

    def forget(self, chat: str) -> None:
        """Nothing is kept here; what the server keeps is its own affair."""

    def figures(self) -> dict[str, float]:
        """Counters for monitoring; `first_token_seconds` is of the latest answer."""
        return {
            "first_token_seconds": self._first_token_seconds,
            "tokens": float(self.steps),
            "answers": float(self._answers),
            "failed": float(self._failed),
            "repeated": float(self._repeated),
        }

    async def chat(
        self, messages: Sequence[Message], options: Options = GREEDY, chat: str = ""
    ) -> AsyncIterator[str]:
        """The model's reply to a conversation as it comes. Raises EngineError if the server gives none."""
        body = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.text} for message in messages],
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "stream": True,
        } | ({"seed": options.seed} if options.seed is not None else {})
        begun, stops = time.monotonic(), TextStops(options.stop)
        for attempt in range(1, ATTEMPTS + 1):
            said = False
            try:
                async with asyncio.timeout_at(_loop_time(options.deadline)):
                    async for piece in self._stream(body):
                        self.steps += 1
                        if not said:
                            self._first_token_seconds = time.monotonic() - begun
                        said = True
                        if text := stops.push(piece):
                            yield text
                        if stops.is_over:
                            break
                    else:
                        if text := stops.finish():
                            yield text
                self._answers += 1
                return
            except TimeoutError:
                self._failed += 1
                raise DeadlineExceeded("the deadline passed before the answer was complete") from None
            except _Refused as error:
                self._failed += 1
                raise EngineError(f"the model's server refused: {error}") from None
            except (httpx2.HTTPError, _Busy) as error:
                if said or attempt == ATTEMPTS:
                    self._failed += 1
                    kind = str(error) if isinstance(error, _Busy) else type(error).__name__
                    raise EngineError(f"the model's server gave no answer ({kind})") from None
                self._repeated += 1
                wait = getattr(error, "wait", None) or _WAIT * 2 ** (attempt - 1)
                await asyncio.sleep(min(wait, _LONGEST_WAIT))

    async def _stream(self, body: dict[str, Any]) -> AsyncIterator[str]:
        async with self._client.stream("POST", self._address, json=body) as response:
            if response.status_code == 429 or response.status_code >= 500:
                after = response.headers.get("retry-after", "")
                raise _Busy(f"status {response.status_code}", float(after) if after.isdecimal() else None)
            if response.status_code != 200:
                raise _Refused(
                    f"status {response.status_code}; check KEFU_MODEL, KEFU_MODEL_NAME and KEFU_MODEL_KEY"
                )
            async for line in response.aiter_lines():
                if not line.startswith("data:"):
                    continue
                data = line.removeprefix("data:").strip()
                if data == "[DONE]":
                    return
                try:
                    choices = json.loads(data).get("choices") or [{}]
                    piece = (choices[0].get("delta") or {}).get("content")
                except (ValueError, AttributeError, IndexError, KeyError, TypeError):
                    raise _Refused("it does not speak OpenAI's chat completions") from None
                if piece:
                    yield str(piece)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class _Busy(Exception):
    """The server may answer later."""

    def __init__(self, message: str, wait: float | None) -> None:
        super().__init__(message)
        self.wait = wait


class _Refused(Exception):
    """The server will not answer this, however often it is asked."""


def _loop_time(deadline: float | None) -> float | None:
    """A moment of `time.monotonic` on the loop's clock."""
    return None if deadline is None else asyncio.get_running_loop().time() + deadline - time.monotonic()
