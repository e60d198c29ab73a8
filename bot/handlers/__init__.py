"""All routers in the order in which they are asked."""

from collections.abc import Collection

from aiogram import Router

from bot.handlers import admin, broadcast, customer, suggestions, writing


def make_routers(admin_ids: Collection[int], bot_id: int, username: str) -> list[Router]:
    """New routers. The customer's is the last: it ends with what catches all that is left."""
    return [
        admin.make_router(admin_ids),
        broadcast.make_router(admin_ids),
        writing.make_router(admin_ids),
        suggestions.make_router(),
        customer.make_router(bot_id, username),
    ]
