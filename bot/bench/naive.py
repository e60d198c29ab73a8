"""What one would write first: an aiogram bot whose handler enqueues a stock RQ job and polls for its result.

The rival of `kefu bench pipeline`. It has no inbox, no outbox, no order and no leases, and aiogram's own polling
confirms an update before anything is safe. Run as a module: the bot itself; its worker is `rq worker`.
"""

import asyncio
import os

QUEUE = "naive"
POLL_SECONDS = 0.1
"""How often a handler asks for its job's result."""


def echo(text: str) -> str:
    """The RQ job."""
    return text


async def run(token: str, api: str, redis_url: str) -> None:
    """Run the bot until it is killed."""
    import redis
    import rq
    from aiogram import Bot, Dispatcher
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.types import Message

    queue = rq.Queue(QUEUE, connection=redis.Redis.from_url(redis_url))
    dispatcher = Dispatcher()

    @dispatcher.message()
    async def answer(message: Message) -> None:
        job = queue.enqueue("bot.bench.naive.echo", message.text)
        while (reply := job.return_value(refresh=True)) is None:  # noqa: ASYNC110 - polls, as the naive do
            await asyncio.sleep(POLL_SECONDS)
        await message.answer(reply)

    session = AiohttpSession(api=TelegramAPIServer.from_base(api))
    await dispatcher.start_polling(Bot(token, session=session), handle_signals=False)


if __name__ == "__main__":
    asyncio.run(
        run(os.environ["KEFU_BOT_TOKEN"], os.environ["KEFU_TELEGRAM_API"], os.environ["KEFU_REDIS_URL"])
    )
