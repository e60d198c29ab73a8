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
        "/news – get the shop's news, or not\n"
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
    broadcast_usage=(
        "Write the message behind the command: /broadcast We are closed on Monday. It would go to {count} customers: "
        "those who have written to me lately and have not declined the shop's news."
    ),
    broadcast_question="This would go to {count} customers:\n\n{text}",
    broadcast_yes="Send it",
    broadcast_no="Do not send it",
    broadcast_dropped="Nothing was sent.",
    broadcast_too_long="Your text has {length} characters; a broadcast may have {limit}.",
    broadcast_confirmed="It is being prepared.",
    broadcast_busy="Another broadcast is under way. Stop it or wait for its end.",
    broadcast_stop="Stop it",
    broadcast_stopping="Nobody else will get it.",
    broadcast_begins="The broadcast begins: {total} recipients.",
    broadcast_progress="Broadcast: {percent} % of {total} done, {sent} sent, {refused} could not be reached.",
    broadcast_done=(
        "Broadcast finished: {sent} of {total} sent. {refused} could not be reached, {unknown} without a known outcome, "
        "{silenced} left out because a person is talking with them, {muted} declined meanwhile."
    ),
    broadcast_stopped="Broadcast stopped: {sent} of {total} sent, {refused} could not be reached.",
    write_usage=(
        "I write from facts alone, and nobody sees the text before you approve it:\n"
        "/write description P1001\n/write questions P1001 (or a topic, such as return_policy)\n"
        "/write reviews P1001, with one review on each line below\n/write news HEADLINE, with one fact on each line below"
    ),
    write_begun="I am writing it.",
    write_approved="Approved. Here it is to copy:",
    write_dropped="Thrown away.",
    news_question="May the shop send you news now and then?",
    news_yes="Yes",
    news_no="No",
    news_on="You get the shop's news. /news changes that at any time.",
    news_off="You get no more news from the shop; your questions are answered as before. /news changes that at any time.",
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
    dashboard_link="Your way into the dashboard. It works once, within {minutes} minutes; do not pass it on.",
    dashboard_here="Open in Telegram",
    dashboard_browser="Open in the browser",
    queue_paused="{line} – paused",
    queues_paused="Paused: {queues}. Workers finish what they have begun and take nothing more; customers wait until /resume.",
    queues_resumed="Resumed: {queues}",
    queue_unknown="There is no queue “{name}”. Name one of: {queues}",
    command_start="Say hello",
    command_help="What I can do",
    command_suggest="Suggest products; add a wish",
    command_why="Why I suggested that",
    command_language="English or 中文",
    command_reset="Start the conversation afresh",
    command_forget="Delete what I remember",
    command_news="The shop's news: yes or no",
    command_broadcast="Write to all customers",
    command_write="Have a text written from facts",
    command_queues="Queues and workers",
    command_stats="Counters",
    command_dashboard="Open the dashboard",
    command_pause="Pause a queue, or all of them",
    command_resume="Resume a queue, or all of them",
    description=(
        "Ask about delivery, returns, payment, your orders and our products, or let me suggest something. "
        "I answer at any hour, from the shop's own pages."
    ),
    short_description="The shop's assistant: questions answered, products suggested.",
)
