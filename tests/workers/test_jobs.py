"""The story of a job, in this process: order of restarts, limits, and RQ's own workers."""

import asyncio
import json
import math
import time
from collections.abc import Iterator
from typing import TypeVar

import pytest
import rq
from redis import Redis

from model.types import Answer, OnText, Question, SuggestedProduct
from tests.workers.shop_floor import BOT, ShopFloor, notice
from workers.contracts import Turn
from workers.echo import EchoAssistant
from workers.jobs import NOBODY, Assistant, Chat, GivenUp, Services, answer_chat, provide
from workers.leases import Leases
from workers.mailbox import Mailbox
from workers.scripts import Call
from workers.sessions import Session, Sessions
from workers.settings import QUEUES
from workers.worker import Step

T = TypeVar("T")


async def inline(step: Step[T]) -> T:
    """A process whose only thread is the main thread."""
    return step()


def post(step: Call[object]) -> None:
    step()


def open_chat(floor: ShopFloor, chat_id: int = 5) -> Chat:
    queues = [rq.Queue(name, connection=floor.redis, serializer="json") for name in QUEUES]
    ((_, _, execution),) = Leases(floor.redis, "w", queues, seconds=15).take(1)()
    mailbox, sessions = Mailbox(floor.redis, BOT), Sessions(floor.redis, BOT)
    return Chat(chat_id, execution.composite_key, mailbox, sessions, 600, inline, post)


class Interrupted(EchoAssistant):
    """The customer writes again while each answer is being thought about."""

    def __init__(self, floor: ShopFloor) -> None:
        super().__init__()
        self._floor = floor
        self.asked: list[str] = []

    async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
        self.asked.append(question.text)
        if len(self.asked) <= 4:
            self._floor.say(f"and {len(self.asked)}")
        return await super().answer(question, on_text)


async def test_an_answer_restarts_at_most_twice(floor: ShopFloor) -> None:
    floor.say("hello")
    assistant = Interrupted(floor)
    await answer_chat(open_chat(floor), assistant)
    first, *_ = floor.texts()
    assert assistant.asked[:3] == ["hello", "hello\nand 1", "hello\nand 1\nand 2"]
    assert first == "hello\nand 1\nand 2"
    answered = [message_id for entry in floor.replies() for message_id in entry.answers]
    assert answered == ["m1", "m2", "m3", "m4", "m5"]


class Remembering(EchoAssistant):
    """Keeps the questions that it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[Question] = []

    async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
        self.questions.append(question)
        cards = (SuggestedProduct("p1", "Teapot", "", "24.90 EUR", True),)
        return Answer("answer", "Look at this", "product_info", 1.0, "faq-1", "FAQ", cards)


async def test_an_answer_is_remembered_with_its_products(floor: ShopFloor) -> None:
    assistant = Remembering()
    for text in ("a teapot?", "another?"):
        floor.say(text)
        await answer_chat(open_chat(floor), assistant)
    (past,) = assistant.questions[1].history
    assert (past.customer, past.reply, past.source_id) == ("a teapot?", "Look at this", "faq-1")
    assert Sessions(floor.redis, BOT).read(5)().shown == ("p1",)
    reply = floor.replies()[0].reply
    assert (reply.kind, reply.source, reply.cards[0].price) == ("suggestions", "FAQ", "24.90 EUR")


async def test_what_was_shown_is_remembered_with_its_time_and_told_to_the_assistant(floor: ShopFloor) -> None:
    assistant = Remembering()
    began = int(time.time())
    for text in ("a teapot?", "another?"):
        floor.say(text)
        await answer_chat(open_chat(floor), assistant)
    ((product, at),) = assistant.questions[1].shown
    assert product == "p1" and began <= at <= time.time() + 1


def test_a_product_shown_again_is_the_latest_and_one_of_an_earlier_version_counts_as_new() -> None:
    session = Session(shown=("p1", "p2"), shown_at={"p2": 5.0})
    assert session.shown_when() == (("p1", math.inf), ("p2", 5.0))
    assert session.shown_with(["p2", "p3"], 9.0) == (("p1", 9.0), ("p2", 9.0), ("p3", 9.0))


class Knowing(EchoAssistant):
    """Answers about a lamp, and knows a bulb that goes with it."""

    async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
        return Answer("answer", "It costs 20.00 EUR.", "product_info", 1.0, "product:lamp", "Lamp")

    async def suggest(self, *args: object, **kwargs: object) -> tuple[SuggestedProduct, ...]:
        assert kwargs["about"] == "lamp"
        return (SuggestedProduct("bulb", "Bulb", "", "3.00 EUR", True),)


OFFERED = "You may also like: Bulb, 3.00 EUR."


async def test_an_answer_on_a_product_names_another_once_and_not_again_soon(floor: ShopFloor) -> None:
    for text in ("how much is the lamp?", "and again?"):
        floor.say(text)
        await answer_chat(open_chat(floor), Knowing())
    first, second = floor.texts()
    assert first.startswith("It costs 20.00 EUR.\n\n" + OFFERED) and second == "It costs 20.00 EUR."
    session = Sessions(floor.redis, BOT).read(5)()
    assert session.shown == ("bulb",) and session.history[0].reply == "It costs 20.00 EUR."
    week = {"bulb": time.time() - 8 * 86400}
    floor.redis.hset(floor.names.session(5), "shown_at", json.dumps(week))
    floor.say("and after a week?")
    await answer_chat(open_chat(floor), Knowing())
    assert OFFERED in floor.texts()[2]


async def test_an_offer_is_in_the_language_of_the_question(floor: ShopFloor) -> None:
    floor.say("这盏灯多少钱？")
    await answer_chat(open_chat(floor), Knowing())
    assert "您可能还会喜欢" in floor.texts()[0] and floor.replies()[0].reply.language == "zh"


async def test_an_offer_that_fails_costs_no_answer(
    floor: ShopFloor, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Knowing):
        async def suggest(self, *args: object, **kwargs: object) -> tuple[SuggestedProduct, ...]:
            raise RuntimeError("how much is the lamp?")

    floor.say("how much is the lamp?")
    await answer_chat(open_chat(floor), Failing())
    assert floor.texts() == ["It costs 20.00 EUR."]
    assert "RuntimeError" in caplog.text and "how much" not in caplog.text


async def test_nothing_is_offered_to_who_declined_nor_in_groups_nor_where_it_is_off(floor: ShopFloor) -> None:
    floor.redis.sadd(floor.names.muted, "5")
    floor.say("how much is the lamp?")
    await answer_chat(open_chat(floor), Knowing())
    floor.redis.srem(floor.names.muted, "5")
    floor.say("and now?")
    chat = open_chat(floor)
    chat.offers = False
    await answer_chat(chat, Knowing())
    floor.accept(77, chat_id=-9, user_id=1)
    await answer_chat(open_chat(floor, -9), Knowing())
    assert [*floor.texts(), *floor.texts(-9)] == ["It costs 20.00 EUR."] * 3


async def test_in_a_group_customers_are_answered_one_by_one(floor: ShopFloor) -> None:
    for update_id, user_id in enumerate((1, 1, 2), start=50):
        floor.accept(update_id, chat_id=-9, user_id=user_id)
    assistant = Remembering()
    await answer_chat(open_chat(floor, -9), assistant)
    assert [reply.answers for reply in floor.replies(-9)] == [("m50", "m51"), ("m52",)]


async def test_in_a_group_nobodys_orders_are_looked_up(floor: ShopFloor) -> None:
    floor.accept(50, chat_id=-9, user_id=1)
    floor.accept(51, chat_id=1, user_id=1)
    assistant = Remembering()
    for chat_id in (-9, 1):
        await answer_chat(open_chat(floor, chat_id), assistant)
    assert [question.customer_id for question in assistant.questions] == [NOBODY, 1]


class Broken(EchoAssistant):
    async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
        raise RuntimeError("no")


async def test_the_fourth_attempt_apologises(floor: ShopFloor) -> None:
    floor.say("hello")
    floor.redis.hset(floor.names.claim(5), mapping={"execution": "dead", "turn": 0, "attempts": 3})
    with pytest.raises(GivenUp):
        await answer_chat(open_chat(floor), Broken())
    assert [entry.reply.kind for entry in floor.replies()] == ["apology"]


async def test_no_failed_job_is_left_of_a_chat_that_was_forgotten_meanwhile(floor: ShopFloor) -> None:
    async def forgotten_after_claim(step: Step[T]) -> T:
        result = step()
        floor.channel.forget(9000, 5, notice())
        return result

    floor.say("hello")
    floor.redis.hset(floor.names.claim(5), mapping={"execution": "dead", "turn": 0, "attempts": 3})
    chat = open_chat(floor)
    chat.on_main = forgotten_after_claim
    await answer_chat(chat, Broken())
    assert [entry.reply.kind for entry in floor.replies()] == ["notice"]


async def test_a_reply_is_dropped_when_a_person_takes_over(floor: ShopFloor) -> None:
    class TakenOver(EchoAssistant):
        async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
            floor.hand_over()
            return await super().answer(question, on_text)

    floor.say("hello")
    await answer_chat(open_chat(floor), TakenOver())
    assert [entry.reply.kind for entry in floor.replies()] == ["notice"]


@pytest.fixture
def services(redis: Redis) -> Iterator[Assistant]:
    assistant = EchoAssistant()
    provide(Services(redis, assistant, inline, post))
    yield assistant


def test_rqs_own_worker_can_run_the_job(floor: ShopFloor, services: Assistant) -> None:
    floor.say("hello")
    rq.SimpleWorker(QUEUES, connection=floor.redis, serializer="json").work(burst=True)
    assert floor.texts() == ["hello"]


def test_history_fits_its_budget() -> None:
    turns = tuple(Turn(customer="问" * 10, reply="a" * 40, at=number) for number in range(5))
    session = Session(history=turns)
    assert session.recent(45) == turns[-2:]
    assert session.recent(0) == ()


async def test_a_stop_while_an_answer_restarts_is_not_swallowed(floor: ShopFloor) -> None:
    class Stubborn(EchoAssistant):
        async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
            try:
                assert on_text
                on_text("…")
                await asyncio.sleep(10)
            finally:
                await asyncio.sleep(0.2)
            return Answer("answer", "never")

    floor.say("hello")
    chat = open_chat(floor)
    task = asyncio.create_task(answer_chat(chat, Stubborn()))
    await asyncio.sleep(0.05)
    floor.say("again")
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert floor.replies() == []
