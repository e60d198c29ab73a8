"""English."""

from bot.texts.form import Texts

EN = Texts(
    start=(
        "Hello! I am the shop's assistant. Ask me about delivery, returns, payment, your orders or our products, "
        "in your own words.\n\n/suggest finds something for you, /help shows what I can do."
    ),
    help=(
        "Write a question and I will look it up for you.\n\n"
        "/suggest – product suggestions; add a wish: /suggest a gift under 30\n"
        "/why – which of your own actions led to the latest suggestions\n"
        "/language – English or 中文\n"
        "/reset – start the conversation afresh\n"
        "/forget – delete everything that I remember about this chat"
    ),
    language_question="Which language shall we speak?",
    language_set="We speak English now.",
    reset_done="Done, we start afresh. What can I do for you?",
    forget_question=(
        "Shall I delete everything I remember about this chat: our conversation, waiting questions, what you liked and disliked, your language? "
        "This cannot be undone. Your orders stay with the shop."
    ),
    forget_yes="Yes, delete it",
    forget_no="No, keep it",
    forget_done="Everything I remembered about this chat is deleted.",
    forget_kept="All right, nothing was deleted.",
    private_only="That works only in a private chat with me.",
    text_only="I can read text only, no pictures, voice messages, stickers or files. Please write your question.",
    empty="Your message has no text that I can read. Please write your question.",
    edited="I cannot follow changes to a message that is already sent. Please send your question again.",
    too_long="Your message has {length} characters; I can read {limit} at once. Please send it in shorter pieces.",
    unknown_command="I do not know that command. /help shows what I can do.",
    queue_full=(
        "Very many customers are writing just now: {waiting} wait before you, so I cannot take your message yet. "
        "Please send it again in a few minutes."
    ),
    too_many=(
        "You are writing faster than I can read. Please wait a minute, then write again; "
        "until then I do not see your messages."
    ),
    trouble="Sorry, something went wrong with that message. Please write it in other words, or try again later.",
    stale_button="That button no longer works. Please write to me instead.",
    in_stock="In stock",
    out_of_stock="Out of stock",
    source="Source: {title}",
    more_like="More like this",
    not_for_me="Not for me",
    details="Details",
    cheaper="Cheaper",
    why="Why this?",
    like="I like it",
    noted="Noted.",
    not_for_me_done="All right, “{title}” is not for you. /suggest looks for something else; add a wish if you have one.",
    details_question="Tell me more about {title}",
    queues_title="Queues",
    queue_line="{name}: {depth} waiting, {in_flight} in flight, {failed} failed",
    nobody_waits="No customer waits.",
    chats_wait="Customers waiting: {count}; the first for {seconds} s.",
    workers_title="Workers",
    worker_line="{name}: {busy} of {slots} slots busy, {fill:.0%} on average",
    no_workers="No worker is running. Start one with: kefu worker",
    stats_title="Since the counters began",
    stat_line="{name}: {value}",
    stats_empty="Nothing was counted yet.",
    alerts_title="Latest alerts",
    command_start="Say hello",
    command_help="What I can do",
    command_suggest="Suggest products; add a wish",
    command_why="Why I suggested that",
    command_language="English or 中文",
    command_reset="Start the conversation afresh",
    command_forget="Delete what I remember",
    command_queues="Queues and workers",
    command_stats="Counters",
    description=(
        "Ask about delivery, returns, payment, your orders and our products, or let me suggest something. "
        "I answer at any hour, from the shop's own pages."
    ),
    short_description="The shop's assistant: questions answered, products suggested.",
)
