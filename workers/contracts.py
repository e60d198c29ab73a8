"""What crosses a process: frozen records, always as JSON.

The worker offers the service, so the language is published here; the bot is a caller. Knows no Redis, no
Telegram and no model.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Language = Literal["en", "zh"]
WritingKind = Literal["description", "questions", "reviews", "news"]


class Contract(BaseModel):
    """The base of every record that one process writes and another reads. Its errors do not repeat what it holds.

    During an upgrade two versions run side by side, so a reader passes over fields that it does not know and a field
    that comes later has a default. Who makes a record is held to the fields that there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def read(cls, raw: str | bytes) -> Self:
        """A record that another process wrote, perhaps of a later version. Raises ValidationError."""
        return cls.model_validate_json(raw, extra="ignore")


Press = Literal["", "more", "cheaper", "next", "why", "category"]
"""What a suggestion was asked for by; empty for /suggest."""


class EventRecord(Contract):
    """Something a customer did with a product, kept for later suggestions. For "category" the id is a category's."""

    product_id: str = Field(min_length=1, max_length=64)
    action: Literal["view", "like", "dislike", "more", "cheaper", "category"]
    at: float


class CustomerMessage(Contract):
    """One message of a customer, as it waits in the chat's inbox."""

    id: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Unique in the bot; made from the update's id"
    )
    chat_id: int
    user_id: int
    message_id: int | None = Field(description="Telegram's id of the message, for reactions and replies")
    kind: Literal["text", "suggest", "unreadable"] = Field(
        description="unreadable: made by `read_message` only"
    )
    text: str = Field(max_length=4096, description="For a suggestion: the wish, possibly empty")
    language: Language
    accepted_at: float = Field(description="Seconds since the epoch, by the bot's clock")
    press: Press = ""
    product_id: str = Field(default="", max_length=64, description="What the pressed button stood under")


def read_message(raw: str | bytes) -> CustomerMessage:
    """A message of an inbox. What a later version wrote in a way that this one cannot read becomes `unreadable`.

    It keeps its id, so that it can be apologized for and struck off. Raises ValidationError if it has not even that.
    """
    try:
        return CustomerMessage.read(raw)
    except ValidationError:
        known = _Letterhead.read(raw)
    return CustomerMessage(
        id=known.id,
        chat_id=known.chat_id,
        user_id=known.user_id,
        message_id=None,
        kind="unreadable",
        text="",
        language="zh" if known.language == "zh" else "en",
        accepted_at=known.accepted_at,
    )


class _Letterhead(Contract):
    """What every version's CustomerMessage has, or what can do without."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    chat_id: int = 0
    user_id: int = 0
    language: str = "en"
    accepted_at: float = 0.0


class Button(Contract):
    """A button under a message. `data` is at most 64 bytes and means nothing without the bot's own check."""

    text: str
    data: str | None = None
    url: str | None = None
    app: str | None = Field(default=None, description="https address of a Mini App; in private chats only")


class ProductCard(Contract):
    """One product as a customer sees it; everything needed to draw it, in the customer's language."""

    product_id: str
    title: str
    description: str
    price: str = Field(description="Formatted, with its currency: '24.90 EUR'")
    in_stock: bool
    reason: str = Field(default="", description="Why it is suggested, in one line; may be empty")
    image_url: str | None = None
    is_question: bool = Field(default=False, description="A newcomer is asked whether they like it")


class Reply(Contract):
    """What a customer is to see, without any Telegram word in it."""

    kind: Literal["answer", "suggestions", "handover", "apology", "notice", "news"]
    language: Language
    text: str
    source: str = Field(default="", description="Title of the passage that the answer rests on; may be empty")
    cards: tuple[ProductCard, ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = Field(
        default=(), description="Rows of buttons under the last part"
    )


class OutboxEntry(Contract):
    """A reply that waits for Telegram. It stays at the head of its chat's list until its outcome is known."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,96}$")
    chat_id: int
    reply: Reply
    answers: tuple[str, ...] = Field(
        default=(), description="Ids of the customer messages that this reply answers"
    )
    created_at: float
    draft_id: int = Field(default=0, description="Not 0: a draft with this id was streamed before the reply")


class Draft(Contract):
    """A growing answer, streamed while tokens arrive. It may be lost: only the reply counts."""

    chat_id: int
    draft_id: int = Field(gt=0)
    text: str


class Turn(Contract):
    """One remembered exchange of a chat."""

    customer: str
    reply: str
    question_type: str = ""
    source_id: str = ""
    at: float


class Finding(Contract):
    """What `kefu doctor` has found out about one part. `bad` must be mended; `note` works, but should be known."""

    part: str
    state: Literal["good", "note", "bad"]
    text: str
    remedy: str = Field(default="", description="What to do about it, in one sentence")
