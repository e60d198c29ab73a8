"""`kefu init`: asks for what a shop needs, checks each answer at once, and writes `.env`.

The checks are those of `kefu doctor`. What `.env` holds besides stays as it is, comments too; nothing is replaced
unasked. Without a terminal the answers come from options and the environment. A token is never shown, and never taken
from the command line, whose history would keep it.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dotenv
import typer

from bot.doctor import check_answering, check_people, check_redis, check_telegram, show
from workers.contracts import Finding
from workers.settings import SettingsError, load_settings

TOKEN = "KEFU_BOT_TOKEN"

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./~-]*")
"""What stands in a .env file as it is, for every program that reads one."""
_HEADER = "# Settings of kefu, written by kefu init. README.md lists all of them.\n"

Answers = dict[str, str]


class NotSetUp(Exception):
    """Nothing was written; the text says why and what to do."""


@dataclass(frozen=True)
class _Step:
    variable: str
    question: str
    explanation: str
    check: Callable[[str], Iterator[Finding]]
    default: str = ""
    is_secret: bool = False


def run_wizard(given: Mapping[str, str | None], *, file: Path, may_replace: bool, is_checked: bool) -> None:
    """Ask for what is not `given` if there is somebody to ask, check, and write. Raises NotSetUp."""
    asks = sys.stdin.isatty()
    held = {name: value or "" for name, value in dotenv.dotenv_values(file).items()} if file.exists() else {}
    answers: Answers = {}
    has_faults = False
    for step in _STEPS:
        known = held.get(step.variable) or os.environ.get(step.variable, "")
        value = given.get(step.variable)
        if value is None and asks:
            value = _ask(step, known, is_checked)
        else:
            value = _tidy(step, known or step.default if value is None else value)
            has_faults |= is_checked and _has_faults(step, value)
        answers[step.variable] = value
    if has_faults:
        raise NotSetUp("nothing was written; correct what is marked with ✗, or add --unchecked.")
    changes = {name: value for name, value in answers.items() if value != held.get(name, "")}
    replaced = [name for name in changes if held.get(name)]
    if replaced and not may_replace:
        names = ", ".join(replaced)
        if not asks:
            raise NotSetUp(f"nothing was written: {file} has another {names}; add --yes to replace it.")
        if not typer.confirm(f"Replace {names} in {file}?"):
            changes = {name: value for name, value in changes.items() if name not in replaced}
    write_settings(file, changes)
    _say_what_is_next(file)


def write_settings(file: Path, changes: Mapping[str, str]) -> None:
    """Put these into the file, leave the rest as it is, and let only its owner read it. All or nothing."""
    file = file.resolve()
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as copy:
            copy.write(file.read_text(encoding="utf-8") if file.exists() else _HEADER)
        for name, value in changes.items():
            dotenv.set_key(new, name, value, quote_mode="never" if _PLAIN.fullmatch(value) else "always")
        os.replace(new, file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise NotSetUp(f"{file} cannot be written ({error.strerror}); nothing was changed.") from None


def read_token() -> str:
    """The token from the first line of standard input."""
    token = sys.stdin.readline().strip()
    if not token:
        raise NotSetUp("--token - reads the token from standard input, but nothing came.")
    return token


def _ask(step: _Step, known: str, is_checked: bool) -> str:
    typer.echo(f"\n{step.explanation}")
    default = known or step.default
    question = step.question
    if step.is_secret and known:
        question += " (Enter keeps the one you have)"
    while True:
        value = _tidy(
            step,
            typer.prompt(
                question,
                default=default,
                hide_input=step.is_secret,
                show_default=bool(default) and not step.is_secret,
            ),
        )
        if not is_checked or not _has_faults(step, value):
            return value
        if typer.confirm("Use it all the same?", default=False):
            return value


def _tidy(step: _Step, value: str) -> str:
    """A folder is named from the root: the programs may start elsewhere."""
    value = value.strip()
    folder = Path(value).expanduser()
    is_folder = step.variable == "KEFU_SHOP" or (
        step.variable == "KEFU_MODEL" and len(folder.parts) > 1 and folder.is_dir()
    )
    return str(folder.resolve()) if value and is_folder else value


def _has_faults(step: _Step, value: str) -> bool:
    found = []
    for finding in step.check(value):
        show(finding)
        found.append(finding)
    return any(finding.state == "bad" for finding in found)


def _checked_token(value: str) -> Iterator[Finding]:
    if not value:
        text = (
            "there is none. Get one from @BotFather in Telegram: /newbot, or /token for a bot that you have."
        )
        yield Finding(part="token", state="bad", text=text)
        return
    yield from check_telegram(load_settings(bot_token=value))


def _checked_admins(value: str) -> Iterator[Finding]:
    try:
        settings = load_settings(admin_ids=value)
    except SettingsError as error:
        yield Finding(part="admins", state="bad", text=str(error))
    else:
        yield from check_people(settings)


def _checked_shop(value: str) -> Iterator[Finding]:
    if value:
        yield from check_answering({"KEFU_SHOP": value}, ["shop"])
    else:
        yield Finding(part="shop", state="note", text="the demo shop answers until you name your own.")


def _checked_model(value: str) -> Iterator[Finding]:
    yield from check_answering({"KEFU_MODEL": value}, ["model"])


def _checked_redis(value: str) -> Iterator[Finding]:
    yield from check_redis(load_settings(redis_url=value))


_STEPS = (
    _Step(
        TOKEN,
        "Token",
        "The bot's token. In Telegram, write /newbot to @BotFather, or /token for a bot that you have.",
        _checked_token,
        is_secret=True,
    ),
    _Step(
        "KEFU_ADMIN_IDS",
        "Admins",
        "Who may see the queues and the dashboard: Telegram user ids (numbers), with commas. Empty: nobody.",
        _checked_admins,
    ),
    _Step(
        "KEFU_SHOP",
        "Shop's folder",
        "The folder with shop.json, products.jsonl, faq.jsonl, orders.jsonl. Empty: the demo shop.",
        _checked_shop,
    ),
    _Step(
        "KEFU_MODEL",
        "Model",
        "What answers: builtin, passages (answers are your own passages), or another that README.md names.",
        _checked_model,
        default="builtin",
    ),
    _Step(
        "KEFU_REDIS_URL",
        "Redis",
        "Where messages wait, such as redis://localhost:6379/0. Empty: a private Redis, for this machine only.",
        _checked_redis,
    ),
)


def _say_what_is_next(file: Path) -> None:
    typer.echo(f"\n{file} is written; only you can read it. kefu doctor looks at everything again.")
    typer.echo("Next, in two terminals:\n\n    kefu worker\n    kefu bot")
