"""`kefu bot`: reads like a table of contents of the Telegram front end."""

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from aiogram import Dispatcher
from aiogram.methods import GetMe

from bot.alerts import Alerts
from bot.broadcaster import Broadcaster
from bot.commands import publish_commands
from bot.courtesies import Courtesies
from bot.delivery import Delivery
from bot.drafts import Drafts
from bot.errors import StartError
from bot.handlers import make_routers
from bot.intake import Intake
from bot.limits import Limits
from bot.middlewares.intake import IntakeMiddleware
from bot.monitor.access import Access, Links
from bot.monitor.dashboard import Dashboard, base_address
from bot.monitor.series import Series
from bot.persistence import wait_for_redis
from bot.polling import Polling
from bot.quarantine import Quarantine
from bot.sole import Sole
from bot.telegram import TOKEN_REFUSED, call_until_answered, make_bot
from bot.web import make_app, serve
from bot.webhook import PATIENCE, Webhook, origins_of, path_of, secret_of
from workers import logs
from workers.broadcasts import Broadcasts, Feed
from workers.channel import Channel
from workers.connection import connect, connect_async
from workers.embedded_redis import private_redis
from workers.operations import Operations
from workers.outbox import Outbox
from workers.sessions import SessionReader
from workers.settings import Settings, SettingsError
from workers.trips import Trips
from workers.writings import Writings

log = logging.getLogger(__name__)


def main(settings: Settings) -> None:
    """Run the bot until it is told to stop. What its operator must mend ends it with one line and exit code 2."""
    logs.configure(secrets=[settings.bot_token.get_secret_value()] if settings.bot_token else [])
    try:
        asyncio.run(_until_signal(run(settings)))
    except (StartError, SettingsError) as error:
        print(f"kefu bot: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception:  # through the log, which takes the token out of addresses in it
        log.critical("the bot ends on an error of its own", exc_info=True)
        sys.exit(1)


async def run(settings: Settings) -> None:
    """Run until cancelled. Raises StartError."""
    async with contextlib.AsyncExitStack() as stack:
        bot = make_bot(settings)
        stack.push_async_callback(bot.session.close)
        redis_url = settings.redis_url or stack.enter_context(private_redis(settings.data_dir))
        redis = await stack.enter_async_context(connect_async(redis_url))
        writer = stack.enter_context(connect(redis_url))
        channel = Channel(
            writer,
            bot.id,
            queue_limit=settings.queue_limit,
            customer_limit=settings.customer_limit,
            session_days=settings.session_days,
        )
        names, trips = channel.names, Trips(redis)
        sessions = SessionReader(redis, bot.id, trips=trips)
        limits = Limits(enforced=settings.flood_limits)

        drafts = Drafts(bot, limits)
        courtesies = Courtesies(
            bot, redis, names, limits, lambda chat: delivery.is_leader and not drafts.is_showing(chat)
        )
        token = secrets.token_hex(8)
        outbox = Outbox(redis, names, token, trips=trips)
        delivery = Delivery(bot, redis, names, outbox, drafts, limits, on_reply=courtesies.reply_comes)
        broadcaster = Broadcaster(Feed(redis, names, token), delivery, limits)
        intake = Intake(channel, trips, on_accepted=courtesies.typing_soon)
        stack.callback(intake.close)
        alerts = Alerts(redis, names)
        quarantine = Quarantine(alerts, sessions, intake)
        operations = Operations(stack.enter_context(connect(redis_url)), bot.id)
        dispatcher = Dispatcher(
            disable_fsm=True,
            intake=intake,
            courtesies=courtesies,
            operations=operations,
            alerts=alerts,
            broadcasts=Broadcasts(channel, writer),
            writings=Writings(channel, writer),
        )
        dispatcher.update.outer_middleware(
            IntakeMiddleware(sessions, PATIENCE if settings.webhook_url else None)
        )

        series, access = Series(redis, names), Access(bot.token, settings.admin_ids)
        dashboard = Dashboard(
            redis, names, operations, alerts, series, access, base_address(settings, settings.http_port)
        )

        app = make_app(redis, names, lambda: delivery.is_leader)
        app.add_routes(dashboard.routes())
        webhook = Webhook(bot, dispatcher, secret_of(settings), quarantine, origins_of(settings))
        if settings.webhook_url:
            app.router.add_post(path_of(settings.webhook_url), webhook.handle)
        port = await stack.enter_async_context(serve(app, settings.http_host, settings.http_port))
        dispatcher["links"] = Links(access, base_address(settings, port))

        await wait_for_redis(redis)
        me = await call_until_answered(bot, GetMe())
        dispatcher.include_routers(*make_routers(settings.admin_ids, me.id, me.username or ""))
        # What is here now stays: the garbage collector need not look through aiogram's types again and again.
        gc.freeze()
        log.info("the bot runs", extra={"bot_id": me.id, "http_port": port})

        if settings.webhook_url:
            updates: list[Coroutine[Any, Any, None]] = [webhook.register(settings.webhook_url)]
        else:
            sole = Sole(redis, names)
            await sole.take()
            updates = [sole.keep(), Polling(bot, dispatcher, quarantine).run()]
        await _run_together(
            *updates,
            delivery.run(),
            broadcaster.run(),
            courtesies.run(),
            series.run(dashboard.look, lambda: delivery.is_leader),
            publish_commands(bot, settings.admin_ids),
            _stop_when_refused(delivery),
        )


async def _stop_when_refused(delivery: Delivery) -> None:
    await delivery.token_refused.wait()
    raise StartError(TOKEN_REFUSED)


async def _run_together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all parts until one of them fails or this is cancelled; then end the others in order."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Do `work`; the first SIGINT or SIGTERM cancels it, however far it has come, and waits for its end."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    working, stopped = tasks = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
