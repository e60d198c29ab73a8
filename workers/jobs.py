"""What a job does: take a chat's turn, ask the assistant, hand in the reply, until the inbox is empty.

Translates between the contracts and the model's types. Runs on the engine's thread: all Redis steps are done by
the main thread, through the chat's handle.
"""

import asyncio
import contextlib
import json
import logging
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import redis
from rq import get_current_job

from model.language import language_of
from model.types import (
    Answer,
    CustomerEvent,
    FirstSteps,
    Language,
    OnText,
    PastTurn,
    Question,
    SuggestedProduct,
)
from model.writer import Kind, WriterError, Writing
from workers.broadcasts import prepare
from workers.channel import Names
from workers.contracts import Button, CustomerMessage, Draft, OutboxEntry, ProductCard, Reply, Turn
from workers.mailbox import MAX_ATTEMPTS, Fenced, Handed, Mailbox, Suspect, Work
from workers.scripts import Call
from workers.sessions import Session, Sessions
from workers.texts import (
    APOLOGY,
    APPROVE,
    CHOOSE,
    DROP,
    JUDGE,
    NO_SUGGESTIONS,
    NOT_WRITTEN,
    NOTHING_SHOWN,
    OFFER,
    SHOW_MORE,
    SUGGESTIONS,
    WRITTEN,
    WRITTEN_UNSOUND,
)
from workers.worker import NoRetry, Step, current_execution
from workers.writings import Order, hold, read_order

logger = logging.getLogger(__name__)

T = TypeVar("T")

TURNS_AT_ONCE = 3
"""Turns of one chat that an execution answers while others may wait; then the chat goes to the end of the queue."""
MAX_RESTARTS = 2
"""How often newer messages may restart an answer before its first text (P3)."""
DRAFT_EVERY = 0.7
OFFER_EVERY = 7 * 86400.0
"""Seconds since any product was shown in a chat before an answer may name one that nobody asked for."""
EXPLAINED = 3
"""Products that /why explains: as many as are suggested at a time."""
CATEGORIES_A_ROW = 2
NOBODY = 0
"""Stands for the customer in a group: what belongs to one of its members is not for the others to read (P7)."""


class Assistant(Protocol):
    """The door of `model.assistant`, and of the echo that stands in for it. `steps` grows while it works."""

    @property
    def steps(self) -> int: ...

    def figures(self) -> dict[str, float]: ...

    def forget(self, chat: str) -> None: ...

    async def answer(self, question: Question, on_text: OnText | None = None) -> Answer: ...

    async def suggest(
        self,
        wish: str,
        language: Language,
        customer_id: int,
        shown: Sequence[tuple[str, float]] = (),
        *,
        events: Sequence[CustomerEvent] = (),
        about: str = "",
        cheaper: bool = False,
    ) -> tuple[SuggestedProduct, ...]: ...

    async def why(
        self, product_id: str, language: Language, customer_id: int, events: Sequence[CustomerEvent] = ()
    ) -> str: ...

    async def first_steps(
        self, language: Language, customer_id: int, events: Sequence[CustomerEvent] = ()
    ) -> FirstSteps: ...

    @property
    def has_newer_recommender(self) -> bool: ...

    def renew_recommender(self) -> None: ...

    async def close(self) -> None: ...


class Writer(Protocol):
    """What `model.writer` offers. Raises WriterError."""

    def write(self, kind: Kind, subject: str, facts: Sequence[str], language: Language) -> Writing: ...


class AnswerFailed(Exception):
    """The assistant raised. Says where, never what: an exception's text may hold a customer's words."""


class GivenUp(NoRetry):
    """The work could not be done, and whoever waited for it was told."""


class OnMain(Protocol):
    """Has the main thread do a step and gives its result."""

    def __call__(self, step: Step[T]) -> Awaitable[T]: ...


@dataclass
class Chat:
    """One chat in the hands of one execution."""

    id: int
    execution: str
    mailbox: Mailbox
    sessions: Sessions
    history_tokens: int
    on_main: OnMain
    post: Callable[[Call[Any]], None]
    suspects: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the one execution of this process that runs a turn which may be what killed others."""
    offers: bool = True
    """Whether an answer may name a product that nobody asked for."""

    @property
    def key(self) -> str:
        """What tells this chat from every other one of every bot."""
        return self.mailbox.names.session(self.id)

    async def claim(self, *, alone: bool) -> Work | None:
        """Take the next turn, or None if there is nothing to do. Raises Suspect."""
        return await self.on_main(self.mailbox.claim(self.id, self.execution, alone=alone))

    async def let_go(self, work: Work) -> None:
        """Let other chats come first; a job of its own goes on with this one."""
        await self.on_main(lambda: self.mailbox.let_go(self.id, self.execution, work))

    async def session(self) -> Session:
        """What is remembered of the chat."""
        return await self.on_main(self.sessions.read(self.id))

    async def grown(self, work: Work) -> Work | None:
        """The turn with newer messages, or None if there are none. Raises Fenced."""
        return await self.on_main(self.mailbox.grown(self.id, self.execution, work))

    async def commit(self, work: Work, handed: Handed) -> Work | None:
        """Hand in the reply; the next turn, or None. Raises Fenced."""
        return await self.on_main(self.mailbox.commit(self.id, self.execution, work, handed))

    def draft(self, work: Work, draft: Draft) -> None:
        """Show a growing answer."""
        self.post(self.mailbox.draft(self.execution, work, draft))


@dataclass
class Services:
    """What jobs need of their process. RQ gives a job no context, so one module-level slot holds them."""

    connection: redis.Redis
    assistant: Assistant
    on_main: OnMain
    post: Callable[[Call[Any]], None]
    history_tokens: int = 600
    session_days: float = 30.0
    make_writer: Callable[[], Writer] = lambda: _no_writer()
    retrain: Callable[[], Awaitable[None]] = lambda: _no_training()
    elsewhere: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    """Says that a job waits for another process, so that nobody takes this one for stuck."""
    offers: bool = True
    suspects: asyncio.Lock = field(default_factory=asyncio.Lock)
    _mailboxes: dict[int, Mailbox] = field(default_factory=dict)

    def mailbox(self, bot_id: int) -> Mailbox:
        """The mailboxes of one bot's chats."""
        if bot_id not in self._mailboxes:
            self._mailboxes[bot_id] = Mailbox(self.connection, bot_id, self.session_days)
        return self._mailboxes[bot_id]

    def open_chat(self, bot_id: int, chat_id: int) -> Chat:
        """The handle of a chat for the execution that runs here."""
        return Chat(
            chat_id,
            _execution(),
            self.mailbox(bot_id),
            Sessions(self.connection, bot_id),
            self.history_tokens,
            self.on_main,
            self.post,
            self.suspects,
            self.offers,
        )


def _no_writer() -> Writer:
    raise NoRetry("this process writes no texts: start it with `kefu worker`")


async def _no_training() -> None:
    raise NoRetry("this process trains nothing: start it with `kefu worker`")


_slot: list[Services] = []


def provide(services: Services) -> None:
    """Give the jobs of this process what they need."""
    _slot[:] = [services]


async def answer(bot_id: int, chat_id: int) -> None:
    """The RQ job: answer what waits in a chat."""
    if not _slot:
        raise NoRetry("this process has no assistant: start it with `kefu worker`")
    services = _slot[0]
    try:
        await answer_chat(services.open_chat(bot_id, chat_id), services.assistant)
    except NoRetry:
        raise
    except Exception as error:
        raise AnswerFailed(_where(error)) from None


async def prepare_broadcast(bot_id: int, broadcast_id: str) -> None:
    """The RQ job: make the list of a confirmed broadcast's recipients."""
    if not _slot:
        raise NoRetry("this process has no assistant: start it with `kefu worker`")
    services = _slot[0]
    await services.on_main(lambda: prepare(services.connection, Names(bot_id), broadcast_id))


async def write(bot_id: int, writing_id: str) -> None:
    """The RQ job: write what an admin has asked for and hold it for their approval.

    Raises GivenUp after a fault: the admin was told and may ask again, so the job is not repeated.
    """
    if not _slot:
        raise NoRetry("this process has no assistant: start it with `kefu worker`")
    services, names = _slot[0], Names(bot_id)
    order = await services.on_main(lambda: read_order(services.connection, names, writing_id))
    if order is None:
        return
    fault: Exception | None = None
    try:
        text, shown, sound = await asyncio.to_thread(_written, services.make_writer(), order)
    except Exception as error:
        text, shown, sound, fault = "", NOT_WRITTEN[order.language]["fault"], False, error
    language = order.language
    approve = Button(text=APPROVE[language], data=f"wr:ok:{writing_id}")
    drop = Button(text=DROP[language], data=f"wr:no:{writing_id}")
    buttons = (*((approve,) if sound else ()), *((drop,) if text else ()))
    await services.on_main(
        lambda: hold(services.connection, names, writing_id, order, text, sound, shown, buttons)
    )
    if fault is not None:
        raise GivenUp(f"{_where(fault)}; the admin who asked was told")


async def retrain(day: str) -> None:
    """The RQ job: train the recommender on what customers did. Tomorrow is another day, so it is not repeated."""
    if not _slot:
        raise NoRetry("this process has no assistant: start it with `kefu worker`")
    services = _slot[0]
    with services.elsewhere():
        try:
            await services.retrain()
        except RuntimeError as error:
            raise NoRetry(f"the recommender was not trained: {error}") from None


def _written(writer: Writer, order: Order) -> tuple[str, str, bool]:
    """The text, empty if there is none; what its admin is shown; and whether it may be approved."""
    try:
        writing = writer.write(order.kind, order.subject, order.facts, order.language)
    except WriterError as error:
        return "", NOT_WRITTEN[order.language][error.reason], False
    if not writing.unsupported:
        return writing.text, WRITTEN[order.language].format(text=writing.text), True
    values = ", ".join(writing.unsupported)
    shown = WRITTEN_UNSOUND[order.language].format(values=values, text=writing.text)
    return writing.text, shown, False


async def answer_chat(chat: Chat, assistant: Assistant) -> None:
    """Answer a chat turn by turn until nothing is left, or others should come first.

    Raises GivenUp if a turn had to end with an apology.
    """
    gave_up = ""
    try:
        async with contextlib.AsyncExitStack() as stack:
            try:
                work = await chat.claim(alone=False)
            except Suspect:
                await stack.enter_async_context(chat.suspects)
                work = await chat.claim(alone=True)
            turns = 0
            while work is not None and turns < TURNS_AT_ONCE:
                reason = _why_hopeless(work)
                if reason:
                    handed = _apology(chat, work, "gave_up" if work.is_readable else "unreadable")
                else:
                    work, handed = await _respond(chat, assistant, work)
                work = await chat.commit(work, handed)
                gave_up = gave_up or reason
                turns += 1
            if work is not None:
                await chat.let_go(work)
    except Fenced:
        logger.info("job %s: the chat was taken away, the reply is dropped", chat.execution)
    if gave_up:
        raise GivenUp(f"{gave_up}; the customer got an apology")


def _why_hopeless(work: Work) -> str:
    """Why a turn can only be apologized for; empty if it can be answered."""
    if not work.is_readable:
        return "a message of another version of kefu cannot be read"
    return f"{MAX_ATTEMPTS} attempts failed" if work.attempts > MAX_ATTEMPTS else ""


async def _respond(chat: Chat, assistant: Assistant, work: Work) -> tuple[Work, Handed]:
    """Let the assistant write; messages that arrive before its first text are answered together with the others."""
    session = await chat.session()
    for restarts_left in range(MAX_RESTARTS, -1, -1):
        begun = asyncio.Event()
        drafts = _Drafts(chat, work)

        def on_text(text: str, begun: asyncio.Event = begun, drafts: _Drafts = drafts) -> None:
            begun.set()
            drafts.show(text)

        writing = asyncio.create_task(_write(chat, assistant, work, session, on_text))
        writing.add_done_callback(lambda _, begun=begun: begun.set())  # type: ignore[misc]
        try:
            await begun.wait()
            grown = await chat.grown(work) if restarts_left else None
            if grown is None:
                if not writing.done():
                    drafts.open()
                reply, turn, shown = await writing
                break
            work = grown
        finally:
            await _end(writing)
    entry = _entry(chat, work, reply, drafts.id if drafts.shown else 0)
    return work, Handed(entry, "answered", turn, shown)


async def _write(
    chat: Chat, assistant: Assistant, work: Work, session: Session, on_text: OnText
) -> tuple[Reply, Turn, tuple[tuple[str, float], ...] | None]:
    """The reply to a turn, what to remember of it, and the products shown so far, and when, if there are new ones."""
    last = work.messages[-1]
    customer_id = last.user_id if chat.id > 0 else NOBODY
    products: tuple[SuggestedProduct, ...] = ()
    if last.kind == "suggest":
        wish = session.last_wish if last.press in ("next", "why") else "" if last.press else work.text
        events = _events(session)
        if last.press == "why":
            reply = await _explain(assistant, last, session, customer_id)
        else:
            reply, products = await _suggest(assistant, last, wish, session, customer_id, events)
        remembered = " · ".join([reply.text, *(product.title for product in products)])
        turn = Turn(customer=wish, reply=remembered, question_type="suggest", at=time.time())
    else:
        history = tuple(
            PastTurn(past.customer, past.reply, past.question_type, past.source_id)
            for past in session.recent(chat.history_tokens)
        )
        question = Question(
            work.text, last.language, customer_id, history, chat.key, _events(session), session.shown_when()
        )
        answer = await assistant.answer(question, on_text)
        products = answer.products
        if not answer.text.strip():
            raise AnswerFailed("the assistant's answer is empty")
        text, language = answer.text, language_of(work.text, last.language)
        offered = await _offer(chat, assistant, answer, session, customer_id, language)
        if offered is not None:
            line = OFFER[language].format(title=offered.title, price=offered.price)
            text = f"{text}\n\n{line}"
        reply = Reply(
            kind="handover" if answer.kind == "handover" else "suggestions" if products else "answer",
            language=language,
            text=text,
            source=answer.source_title,
            cards=_cards(products),
        )
        turn = Turn(
            customer=work.text,
            reply=answer.text,
            question_type=answer.question_type,
            source_id=answer.source_id,
            at=time.time(),
        )
        products = (*products, offered) if offered is not None else products
    names = [product.product_id for product in products]
    shown = session.shown_with(names, time.time()) if products else None
    return reply, turn, shown


async def _suggest(
    assistant: Assistant,
    last: CustomerMessage,
    wish: str,
    session: Session,
    customer_id: int,
    events: Sequence[CustomerEvent],
) -> tuple[Reply, tuple[SuggestedProduct, ...]]:
    """Suggestions, for a newcomer with categories to choose from; or products for a newcomer to judge."""
    language = last.language
    first = FirstSteps()
    if last.press in ("", "category") and not wish:
        first = await assistant.first_steps(language, customer_id, events)
    more = (Button(text=SHOW_MORE[language], data="next"),)
    if first.products:
        cards = _cards(first.products, is_question=True)
        reply = Reply(
            kind="suggestions", language=language, text=JUDGE[language], cards=cards, buttons=(more,)
        )
        return reply, first.products
    products = await assistant.suggest(
        wish,
        language,
        customer_id,
        session.shown_when(),
        events=events,
        about=last.product_id if last.press in ("more", "cheaper") else "",
        cheaper=last.press == "cheaper",
    )
    text = (SUGGESTIONS if products else NO_SUGGESTIONS)[language]
    rows: list[tuple[Button, ...]] = [more] if products else []
    if first.categories:
        text += "\n" + CHOOSE[language]
        buttons = [Button(text=name, data=f"cat:{key}") for key, name in first.categories]
        rows += [tuple(buttons[i : i + CATEGORIES_A_ROW]) for i in range(0, len(buttons), CATEGORIES_A_ROW)]
    reply = Reply(
        kind="suggestions", language=language, text=text, cards=_cards(products), buttons=tuple(rows)
    )
    return reply, products


async def _offer(
    chat: Chat,
    assistant: Assistant,
    answer: Answer,
    session: Session,
    customer_id: int,
    language: Language,
) -> SuggestedProduct | None:
    """A product that goes with the one an answer is about; seldom, and never for whom it may be too much.

    Not in groups, not to those who have declined the shop's news, and not within OFFER_EVERY of any product shown.
    """
    kind, _, product_id = answer.source_id.partition(":")
    is_about_a_product = answer.kind in ("answer", "passage") and kind == "product" and not answer.products
    now = time.time()
    is_time = all(now - at > OFFER_EVERY for _, at in session.shown_when())
    if not (chat.offers and chat.id > 0 and is_about_a_product and is_time) or session.is_muted:
        return None
    try:
        found = await assistant.suggest(
            "", language, customer_id, session.shown_when(), events=_events(session), about=product_id
        )
    except Exception as error:  # nobody asked for it: a recommender that fails must not cost an answer
        logger.warning(
            "nothing is offered beside an answer: the recommender failed (%s)", type(error).__name__
        )
        return None
    return found[0] if found else None


async def _explain(assistant: Assistant, last: CustomerMessage, session: Session, customer_id: int) -> Reply:
    """Why a product was suggested, or the latest ones."""
    wanted = (last.product_id,) if last.product_id else session.shown[-EXPLAINED:]
    events = _events(session)
    texts = [await assistant.why(name, last.language, customer_id, events) for name in wanted]
    text = "\n\n".join(text for text in texts if text) or NOTHING_SHOWN[last.language]
    return Reply(kind="answer", language=last.language, text=text)


def _events(session: Session) -> tuple[CustomerEvent, ...]:
    return tuple(CustomerEvent(event.product_id, event.action, event.at) for event in session.events)


def _apology(chat: Chat, work: Work, kind: str) -> Handed:
    language = work.messages[-1].language
    reply = Reply(kind="apology", language=language, text=APOLOGY[language])
    job_id = chat.execution.rpartition(":")[0]
    alert = json.dumps({"kind": kind, "job_id": job_id, "at": time.time()})
    return Handed(_entry(chat, work, reply), "apologies", alert=alert)


def _entry(chat: Chat, work: Work, reply: Reply, draft_id: int = 0) -> OutboxEntry:
    return OutboxEntry(
        id=f"{chat.execution.rpartition(':')[2]}.{work.turn}",
        chat_id=chat.id,
        reply=reply,
        answers=work.ids,
        created_at=time.time(),
        draft_id=draft_id,
    )


def _cards(products: Sequence[SuggestedProduct], is_question: bool = False) -> tuple[ProductCard, ...]:
    return tuple(
        ProductCard(
            product_id=product.product_id,
            title=product.title,
            description=product.description,
            price=product.price,
            in_stock=product.in_stock,
            reason=product.reason,
            is_question=is_question,
        )
        for product in products
    )


class _Drafts:
    """The growing answer of one turn, shown every now and then once it is certain that it will not restart."""

    def __init__(self, chat: Chat, work: Work) -> None:
        self.id = secrets.randbelow(2**31 - 1) + 1
        self.shown = False
        self._chat = chat
        self._work = work
        self._text = ""
        self._is_open = False
        self._next_at = 0.0

    def open(self) -> None:
        """From now on texts are shown, the one that is there at once."""
        self._is_open = True
        if self._text:
            self.show(self._text)

    def show(self, text: str) -> None:
        """The whole text so far."""
        self._text = text
        if self._is_open and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + DRAFT_EVERY
            self.shown = True
            self._chat.draft(self._work, Draft(chat_id=self._chat.id, draft_id=self.id, text=text))


async def _end(task: "asyncio.Task[object]") -> None:
    """Cancel a task unless it is done, and wait until it has let go of the engine."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def _execution() -> str:
    """RQ's `job:execution` in which this code runs."""
    execution = current_execution.get(None)
    if execution is None:  # one of RQ's own workers, which run one job at a time
        job = get_current_job()
        assert job is not None, "answer runs as an RQ job"
        execution = job.get_executions()[-1]
    return str(execution.composite_key)


def _where(error: Exception) -> str:
    """The kind of an exception and the line that raised it, without its text."""
    if isinstance(error, AnswerFailed):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
