"""Five customers ask for suggestions in the running demo; what they see, as a page.

python -m tests.five_customers docs/reports/customers.md
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from bot.demo import CUSTOMERS
from bot.sandbox.client import SandboxClient, is_reply
from bot.sandbox.errors import Json
from bot.stack import Stack

_QUIET = 2.5
"""Seconds without a message after which the bot has said what it had to say."""


@dataclass(frozen=True)
class Press:
    """A button under the bot's newest messages: the n-th that bears these words."""

    words: str
    number: int = 1


@dataclass(frozen=True)
class Customer:
    """Who it is, and what they write and press."""

    title: str
    id: int
    language: str
    does: Sequence[str | Press]


FIVE = (
    Customer(
        "A new customer", 6001, "en",
        ("/suggest", Press("kitchen"), Press("I like it", 1), Press("Not for me", 2), Press("Show me more"),
         Press("Why this?"), Press("Cheaper"), "/why"),
    ),
    Customer(
        "A music lover", 6002, "en",
        ("I love listening to music, what do you have for me?", Press("More like this"), Press("Show me more"),
         "Do you have headphones under 80 EUR?", "what goes with the Lark Earbuds?", "/why"),
    ),
    Customer(
        "A returning buyer", CUSTOMERS["en"], "en",
        ("/suggest", Press("Why this?"), Press("More like this", 2), "something for my mother under 50 EUR", "/why"),
    ),
    Customer(
        "One who dislikes everything", 6004, "en",
        ("/suggest something for the garden", Press("Not for me", 1), Press("Not for me", 2), Press("Not for me", 3),
         "/suggest something for the garden", Press("Not for me", 1), Press("Not for me", 2), "/suggest", "/why"),
    ),
    Customer(
        "One who writes Chinese", 6005, "zh",
        ("/suggest", "我喜欢听音乐，有什么推荐吗？", Press("更多类似"), Press("为什么"), "送给妈妈的礼物，50欧元以内", "/why"),
    ),
)  # fmt: skip


async def visit(client: SandboxClient, customer: Customer) -> list[str]:
    """What a customer does and sees, a line each."""
    await client.add_user(customer.id, language_code=customer.language)
    seen, lines = 0, list[str]()
    newest: list[Json] = []
    for step in customer.does:
        if isinstance(step, str):
            lines.append(f"> **{step}**")
            await client.send(customer.id, step)
        else:
            found = [
                (message, button)
                for message in newest
                for row in message.get("buttons") or []
                for button in row
                if button["text"].lower().startswith(step.words.lower()) and button.get("data")
            ]
            if len(found) < step.number:
                lines.append(f"> *(no button “{step.words}” here)*")
                continue
            message, button = found[step.number - 1]
            lines.append(f"> *presses “{button['text']}” under “{message['text'].splitlines()[0]}”*")
            await client.press(customer.id, message["message_id"], button["data"])
        heard, wait = list[Json](), 45.0
        while events := await client.transcript(customer.id, after=seen, wait=wait):
            seen = events[-1]["seq"]
            heard += [event for event in events if is_reply(event)]
            wait = _QUIET if heard else wait
        lines += map(_line, heard)
        newest = [event for event in heard if event.get("buttons")] or newest
    return lines


def _line(event: Json) -> str:
    text = event["text"].strip().replace("\n\n", " / ").replace("\n", " / ")
    buttons = " · ".join(button["text"] for row in event.get("buttons") or [] for button in row)
    return f"- {text}" + (f" [{buttons}]" if buttons else "")


async def page() -> str:
    """The visits of all five as Markdown."""
    parts = [
        "# Five customers in the demo",
        "",
        "Written by `python -m tests.five_customers docs/reports/customers.md`: the demo with its bot, worker and Redis, messages "
        "as customers got them, buttons in brackets. The demo's recommender is trained on made-up visits.",
    ]
    async with Stack() as stack, SandboxClient(stack.sandbox.url) as client:
        for customer in track(FIVE, "customers"):
            lines = await visit(client, customer)
            parts += ["", f"## {customer.title}", "", *(f"{line}\n" for line in lines)]
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(asyncio.run(page()), encoding="utf-8")
