"""How Telegram says no: an error code, a description and sometimes a wait."""

from typing import Any

Json = dict[str, Any]
"""An object of the Bot API as it crosses the wire."""


class ApiError(Exception):
    """A call that Telegram refuses."""

    def __init__(self, code: int, description: str, *, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def response(self) -> Json:
        """The body of the refusal."""
        body: Json = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after is not None:
            body["parameters"] = {"retry_after": self.retry_after}
        return body


def bad_request(reason: str) -> ApiError:
    """400, as Telegram words it."""
    return ApiError(400, f"Bad Request: {reason}")


def forbidden(reason: str) -> ApiError:
    """403, as Telegram words it."""
    return ApiError(403, f"Forbidden: {reason}")
