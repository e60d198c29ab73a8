"""The menus and texts that Telegram shows before a customer writes; set only where they differ."""

import logging
from collections.abc import Collection

from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.methods import (
    GetMyCommands,
    GetMyDescription,
    GetMyShortDescription,
    SetMyCommands,
    SetMyDescription,
    SetMyShortDescription,
)
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
    BotCommandScopeUnion,
)

from bot.texts import Texts, texts_in
from workers.contracts import Language

log = logging.getLogger(__name__)

_LANGUAGES: dict[str | None, Language] = {None: "en", "zh": "zh"}
"""Telegram's language code, none for everybody else, and what we speak then."""


async def publish_commands(bot: Bot, admin_ids: Collection[int]) -> None:
    """Bring Telegram's menus up to date. A failure is logged; the bot works without menus."""
    scopes: list[BotCommandScopeUnion] = [BotCommandScopeDefault(), BotCommandScopeAllPrivateChats()]
    admin_scopes = [BotCommandScopeChat(chat_id=admin_id) for admin_id in admin_ids]
    for code, language in _LANGUAGES.items():
        texts = texts_in(language)
        for scope in scopes:
            await _set_commands(bot, scope, code, _customer_commands(texts, private=scope is not scopes[0]))
        for admin_scope in admin_scopes:
            # Telegram does not know a chat that has never written to the bot.
            await _set_commands(bot, admin_scope, code, _customer_commands(texts) + _admin_commands(texts))
        await _set_descriptions(bot, code, texts)


def _customer_commands(texts: Texts, private: bool = True) -> list[BotCommand]:
    commands = {
        "start": texts.command_start,
        "suggest": texts.command_suggest,
        "why": texts.command_why,
        "language": texts.command_language,
        "reset": texts.command_reset,
        "help": texts.command_help,
    }
    if private:
        commands["news"] = texts.command_news
        commands["forget"] = texts.command_forget
    return [BotCommand(command=name, description=text) for name, text in commands.items()]


def _admin_commands(texts: Texts) -> list[BotCommand]:
    return [
        BotCommand(command="broadcast", description=texts.command_broadcast),
        BotCommand(command="write", description=texts.command_write),
        BotCommand(command="queues", description=texts.command_queues),
        BotCommand(command="stats", description=texts.command_stats),
        BotCommand(command="dashboard", description=texts.command_dashboard),
        BotCommand(command="pause", description=texts.command_pause),
        BotCommand(command="resume", description=texts.command_resume),
    ]


async def _set_commands(
    bot: Bot, scope: BotCommandScopeUnion, code: str | None, commands: list[BotCommand]
) -> None:
    try:
        if await bot(GetMyCommands(scope=scope, language_code=code)) != commands:
            await bot(SetMyCommands(commands=commands, scope=scope, language_code=code))
    except AiogramError as error:
        log.warning("a menu was not set", extra={"scope": scope.type, "error": type(error).__name__})


async def _set_descriptions(bot: Bot, code: str | None, texts: Texts) -> None:
    try:
        if (await bot(GetMyDescription(language_code=code))).description != texts.description:
            await bot(SetMyDescription(description=texts.description, language_code=code))
        short = await bot(GetMyShortDescription(language_code=code))
        if short.short_description != texts.short_description:
            await bot(SetMyShortDescription(short_description=texts.short_description, language_code=code))
    except AiogramError as error:
        log.warning("a description was not set", extra={"error": type(error).__name__})
