"""The form that every language fills in. Names in braces are filled by the caller with `str.format`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Every sentence of the bot in one language."""

    start: str
    help: str
    language_question: str
    language_set: str
    reset_done: str
    forget_question: str
    forget_yes: str
    forget_no: str
    forget_done: str
    forget_kept: str
    private_only: str

    text_only: str
    empty: str
    edited: str
    too_long: str
    unknown_command: str
    queue_full: str
    too_many: str
    trouble: str
    stale_button: str

    in_stock: str
    out_of_stock: str
    source: str
    more_like: str
    not_for_me: str
    details: str
    cheaper: str
    why: str
    like: str
    noted: str
    not_for_me_done: str
    details_question: str

    broadcast_usage: str
    broadcast_question: str
    broadcast_yes: str
    broadcast_no: str
    broadcast_dropped: str
    broadcast_too_long: str
    broadcast_confirmed: str
    broadcast_busy: str
    broadcast_stop: str
    broadcast_stopping: str
    broadcast_begins: str
    broadcast_progress: str
    broadcast_done: str
    broadcast_stopped: str
    write_usage: str
    write_begun: str
    write_approved: str
    write_dropped: str
    news_question: str
    news_yes: str
    news_no: str
    news_on: str
    news_off: str

    queues_title: str
    queue_line: str
    nobody_waits: str
    chats_wait: str
    workers_title: str
    worker_line: str
    no_workers: str
    stats_title: str
    stat_line: str
    stats_empty: str
    alerts_title: str
    dashboard_link: str
    dashboard_here: str
    dashboard_browser: str
    queue_paused: str
    queues_paused: str
    queues_resumed: str
    queue_unknown: str

    command_start: str
    command_help: str
    command_suggest: str
    command_why: str
    command_language: str
    command_reset: str
    command_forget: str
    command_news: str
    command_broadcast: str
    command_write: str
    command_queues: str
    command_stats: str
    command_dashboard: str
    command_pause: str
    command_resume: str
    description: str
    short_description: str
