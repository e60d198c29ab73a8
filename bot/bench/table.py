"""The figures of `kefu bench pipeline` as a table for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_PROCESSES = ("bot", "worker", "redis", "telegram")


def show_pipeline(figures: Mapping[str, Any], console: Console) -> None:
    """Print one table for each way in which Redis writes its file."""
    for title, part in (("everysec", figures), ("always", figures["always"])):
        if part is not None:
            console.print(_table(f"Redis appendfsync {title}", part))
            sent = ", ".join(f"{name} {count:g}" for name, count in part["commands_sent"].items())
            console.print(f"kefu / naive at saturation: {part['ratio']}; commands that clients send: {sent}")
    console.print(
        "p50, p99: ms to the reply. cmds: Redis commands a message, those in scripts too. bot to telegram: CPU ms a message"
    )
    memory = figures["redis_bytes"]
    console.print(
        f"Redis memory: {memory['per_chat']} bytes a chat with {memory['turns_in_it']} turns, "
        f"{memory['per_update_for_48_h']} bytes an update for 48 h"
    )
    console.print(f"{figures['cores']} cores; load of the machine before the run: {figures['other_load']}")


def show_soak(figures: Mapping[str, Any], console: Console) -> None:
    """Print how large everything was in the course of a soak, and the verdict."""
    samples = figures["samples"]
    table = Table(box=None, padding=(0, 1, 0, 0))
    names = list(samples[0]["rss_mb"])
    for name in ("minute", "answered", *(f"{name} MB" for name in names), "Redis data MB"):
        table.add_column(name, justify="right")
    for sample in samples[:: max(1, len(samples) // 10)]:
        sizes = (f"{sample['rss_mb'][name]:.1f}" for name in names)
        table.add_row(f"{sample['minute']:.1f}", str(sample["answered"]), *sizes, f"{sample['redis_mb']:.1f}")
    console.print(table)
    console.print(
        f"{figures['rate']} messages/s for {figures['minutes']} minutes, {figures['unanswered']} without a reply; "
        f"{figures['redis_bytes_a_message']} bytes a message stay in Redis for 48 h"
    )
    grown = ", ".join(figures["grown"])
    console.print(f"Memory grows: {grown}." if grown else "Memory is flat.")


def _table(title: str, part: Mapping[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    numbers = ("msgs/s", "p50", "p99", "cmds", *_PROCESSES)
    for name in ("load", "stack", *numbers):
        table.add_column(name, justify="right" if name in numbers else "left", no_wrap=True)
    loads = [(f"all, {count} chats", both) for count, both in part["by_chats"].items()]
    loads += [(f"{percent} %", both) for percent, both in part["by_load_percent"].items()]
    for load, both in loads:
        for stack, row in both.items():
            waits = row.get("to_reply_ms") or {}
            table.add_row(
                load,
                stack,
                f"{row['messages_per_s']:g}",
                str(waits.get("p50", "")),
                str(waits.get("p99", "")),
                f"{row['redis_commands']:g}",
                *(str(row["cpu_ms"].get(name, "")) for name in _PROCESSES),
            )
    return table
