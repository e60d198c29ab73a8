"""The command `kefu`: finds a command's module by name and imports only that one.

So `kefu bot` never loads torch, and `kefu --help` loads nothing.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from workers.settings import SettingsError, load_settings

COMMANDS = {
    "demo": ("bot.cli", "run everything here and chat in the browser"),
    "init": ("bot.cli", "set up your shop, step by step"),
    "doctor": ("bot.cli", "look at every part and say what to mend"),
    "sandbox": ("bot.cli", "run Telegram on localhost"),
    "bot": ("bot.cli", "run the Telegram front end"),
    "worker": ("workers.cli", "run a worker that answers"),
    "ask": ("model.cli", "ask the assistant in this process"),
    "suggest": ("model.cli", "suggest products in this process"),
    "import": ("model.import_cli", "make a shop from a public data set that you have"),
    "train": ("model.cli", "train a model"),
    "evaluate": ("model.cli", "measure a model on questions it never saw"),
    "export": ("model.cli", "write weights for other servers, or what customers did"),
    "bench": ("bot.bench.cli", "measure and break it on purpose"),
}

OWN_HOME: dict[tuple[str, ...], str] = {
    ("bench", "engine"): "model.cli",
    ("bench", "soak"): "model.cli",
    ("export", "events"): "workers.cli",
    ("train", "nightly"): "workers.cli",
}
"""Commands of two words whose second word lives elsewhere than the others of the first."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. A wrong input ends with one line on standard error and exit code 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("--help", "-h"):
        print(_help())
        sys.exit(0 if arguments else 2)
    name = arguments[0]
    if name not in COMMANDS:
        _fail(f"there is no command {name!r}; see: kefu --help")
    module = OWN_HOME.get(tuple(arguments[:2]), COMMANDS[name][0])
    commands = importlib.import_module(module).app
    try:
        sys.exit(commands(args=arguments, prog_name="kefu", standalone_mode=False))
    except TyperException as error:
        _fail(f"{error.format_message().rstrip('.')}; see: kefu {name} --help")
    except SettingsError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)


def _help() -> str:
    lines = [f"  {name:10} {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: kefu COMMAND …",
            "",
            *lines,
            "",
            "Each has --help with an example. Settings: README.md, KEFU_…",
        ]
    )


def _fail(message: str) -> None:
    print(f"kefu: {message}", file=sys.stderr)
    sys.exit(2)


@app.command()
def demo(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the chat page.")] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    once: Annotated[str | None, typer.Option(help="Send one message, print the reply, stop.")] = None,
    shop: Annotated[Path | None, typer.Option(help="Folder of a shop's data, else the demo shop.")] = None,
) -> None:
    """Run everything on this machine, without a token, a GPU or a Redis.

    Example: kefu demo --once "How long does delivery take?"
    """
    from bot.demo import run_demo

    if shop is not None and not (shop / "shop.json").is_file():
        _fail(f"--shop: {shop} has no shop.json; give a shop's folder, such as `kefu import` writes")
    raise typer.Exit(run_demo(port=port, open_browser=not no_open, once=once, shop=shop))


@app.command()
def init(
    token: Annotated[
        str | None, typer.Option(help="- reads it from standard input; else KEFU_BOT_TOKEN, or a question.")
    ] = None,
    admins: Annotated[str | None, typer.Option(help="Telegram user ids, with commas.")] = None,
    shop: Annotated[str | None, typer.Option(help="Folder of the shop's data.")] = None,
    model: Annotated[str | None, typer.Option(help="builtin, passages, or a checkpoint's folder.")] = None,
    redis: Annotated[str | None, typer.Option(help="Address of the Redis.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Replace what .env has.")] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Write without looking at anything.")
    ] = False,
) -> None:
    """Set up your shop: asks for token, admins, shop data, model and Redis, checks each, writes .env.

    Without a terminal nothing is asked: what no option gives comes from the environment or stays as it is.

    Example: kefu init
    Example: echo "$TOKEN" | kefu init --token - --admins 12345 --shop ./shop --redis redis://localhost:6379/0
    """
    from bot.wizard import NotSetUp, read_token, run_wizard

    try:
        if token not in (None, "-"):
            raise NotSetUp(
                "a token on the command line stays in its history: use --token - and standard input, or KEFU_BOT_TOKEN."
            )
        given = {
            "KEFU_BOT_TOKEN": read_token() if token == "-" else None,
            "KEFU_ADMIN_IDS": admins,
            "KEFU_SHOP": shop,
            "KEFU_MODEL": model,
            "KEFU_REDIS_URL": redis,
        }
        run_wizard(given, file=Path(".env"), may_replace=yes, is_checked=not unchecked)
    except NotSetUp as error:
        _fail(str(error))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with all findings.")] = False,
) -> None:
    """Look at Redis, token, webhook, shop data, model, GPU, disk and workers, and say what to do about each.

    Exit code 1 when something must be mended. Changes nothing.

    Example: kefu doctor
    """
    from bot.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json))


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8081,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    token: Annotated[str, typer.Option(help="The token that a bot must show.")] = "1:sandbox",
) -> None:
    """Run Telegram's Bot API on localhost, with a chat page.

    Example: kefu sandbox --port 8081, then KEFU_TELEGRAM_API=http://127.0.0.1:8081 KEFU_BOT_TOKEN=1:sandbox kefu bot
    """
    import asyncio

    from bot.sandbox.main import run

    asyncio.run(run(host=host, port=port, token=token))


@app.command()
def bot(
    http_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Health, metrics, dashboard and webhook.")
    ] = None,
) -> None:
    """Run the Telegram front end: long polling, or a webhook if KEFU_WEBHOOK_URL is set.

    Example: KEFU_BOT_TOKEN=… KEFU_REDIS_URL=redis://localhost:6379/0 kefu bot
    """
    from bot.main import main as run_bot

    run_bot(load_settings(http_port=http_port))


if __name__ == "__main__":
    main()
