"""Chinese (simplified)."""

from bot.texts.form import Texts

ZH = Texts(
    start=(
        "您好！我是本店的客服助手。配送、退换货、付款、订单或商品方面的问题，您都可以直接问我。\n\n"
        "/suggest 为您推荐商品，/help 查看我能做什么。"
    ),
    help=(
        "直接写下您的问题，我会为您查找答案。\n\n"
        "/suggest – 推荐商品；可以加上要求：/suggest 30 以内的礼物\n"
        "/why – 最近的推荐是因为您的哪些操作\n"
        "/language – English 或 中文\n"
        "/news – 是否接收本店通知\n"
        "/reset – 重新开始对话\n"
        "/forget – 删除我记住的本聊天的所有内容"
    ),
    language_question="我们用哪种语言交流？",
    language_set="好的，我们现在用中文交流。",
    reset_done="好的，我们重新开始。请问有什么可以帮您？",
    forget_question="要删除我记住的本聊天的所有内容吗？包括对话记录、等待回答的问题、您的喜好和语言设置。此操作无法撤销。您在本店的订单不受影响。",
    forget_yes="是的，删除",
    forget_no="不，保留",
    forget_done="我记住的本聊天的所有内容都已删除。",
    forget_kept="好的，没有删除任何内容。",
    private_only="这个功能只能在与我的私聊中使用。",
    text_only="我只能阅读文字，无法识别图片、语音、贴纸或文件。请用文字写下您的问题。",
    empty="您的消息里没有我能读懂的文字。请写下您的问题。",
    edited="我无法识别对已发送消息的修改。请重新发送您的问题。",
    too_long="您的消息有 {length} 个字符，我一次最多能读 {limit} 个。请分成几条较短的消息发送。",
    unknown_command="我不认识这个命令。发送 /help 查看我能做什么。",
    queue_full="现在咨询的顾客非常多，您前面还有 {waiting} 位，暂时无法接收您的消息。请过几分钟再发一次。",
    too_many="您发得太快了，我来不及看。请等一分钟再发；在此之前我看不到您的消息。",
    trouble="抱歉，处理这条消息时出了问题。请换一种说法，或稍后再试。",
    stale_button="这个按钮已失效，请直接写消息给我。",
    in_stock="有货",
    out_of_stock="缺货",
    source="来源：{title}",
    more_like="更多类似商品",
    not_for_me="不适合我",
    details="详情",
    cheaper="更便宜的",
    why="为什么推荐？",
    like="喜欢",
    noted="已记下。",
    not_for_me_done="好的，“{title}”不适合您。发送 /suggest 可以看看别的商品，也可以加上您的要求。",
    details_question="请详细介绍一下 {title}",
    broadcast_usage="请把内容写在命令后面：/broadcast 周一休息。消息会发给 {count} 位顾客：最近给我写过消息、且没有谢绝本店通知的顾客。",
    broadcast_question="以下内容将发给 {count} 位顾客：\n\n{text}",
    broadcast_yes="发送",
    broadcast_no="不发送",
    broadcast_dropped="没有发送任何内容。",
    broadcast_too_long="您的内容有 {length} 个字符，群发消息最多 {limit} 个。",
    broadcast_confirmed="正在准备。",
    broadcast_busy="已有一条群发消息正在发送，请先停止它或等它结束。",
    broadcast_stop="停止",
    broadcast_stopping="不会再发给其他人。",
    broadcast_begins="群发开始：共 {total} 位收件人。",
    broadcast_progress="群发：{total} 位中已完成 {percent}%，已发送 {sent} 条，{refused} 位无法送达。",
    broadcast_done=(
        "群发结束：{total} 位中已发送 {sent} 条。{refused} 位无法送达，{unknown} 条结果未知，"
        "{silenced} 位正由人工接待而未发送，{muted} 位中途谢绝。"
    ),
    broadcast_stopped="群发已停止：{total} 位中已发送 {sent} 条，{refused} 位无法送达。",
    write_usage=(
        "我只根据事实写作，您批准之前没有人能看到：\n"
        "/write 描述 P1001\n/write 问答 P1001（或主题，例如 return_policy）\n"
        "/write 评价 P1001，下面每行写一条评价\n/write 新闻 标题，下面每行写一条事实"
    ),
    write_begun="正在写。",
    write_approved="已批准，可以复制：",
    write_dropped="已丢弃。",
    news_question="本店可以偶尔给您发送通知吗？",
    news_yes="可以",
    news_no="不要",
    news_on="您会收到本店的通知。随时可以用 /news 更改。",
    news_off="您不会再收到本店的通知，您的问题仍会照常得到解答。随时可以用 /news 更改。",
    queues_title="队列",
    queue_line="{name}：{depth} 个等待，{in_flight} 个处理中，{failed} 个失败",
    nobody_waits="没有顾客在等待。",
    chats_wait="等待中的顾客：{count} 位；最早的已等 {seconds} 秒。",
    workers_title="工作进程",
    worker_line="{name}：{slots} 个槽位中 {busy} 个在用，平均 {fill:.0%}",
    no_workers="没有工作进程在运行。启动命令：kefu worker",
    stats_title="自开始计数以来",
    stat_line="{name}：{value}",
    stats_empty="还没有任何计数。",
    alerts_title="最近的警报",
    dashboard_link="这是您的监控面板登录链接，{minutes} 分钟内有效，只能使用一次，请勿转发。",
    dashboard_here="在 Telegram 中打开",
    dashboard_browser="在浏览器中打开",
    queue_paused="{line}（已暂停）",
    queues_paused="已暂停：{queues}。工作进程会做完手上的任务，不再领取新任务；发送 /resume 之前顾客将一直等待。",
    queues_resumed="已恢复：{queues}",
    queue_unknown="没有名为“{name}”的队列。可选：{queues}",
    command_start="打个招呼",
    command_help="我能做什么",
    command_suggest="推荐商品，可以加上要求",
    command_why="为什么推荐这些",
    command_language="English 或 中文",
    command_reset="重新开始对话",
    command_forget="删除我记住的内容",
    command_news="本店通知：要或不要",
    command_broadcast="群发给所有顾客",
    command_write="根据事实写一段文字",
    command_queues="队列和工作进程",
    command_stats="计数",
    command_dashboard="打开监控面板",
    command_pause="暂停一个或全部队列",
    command_resume="恢复一个或全部队列",
    description="配送、退换货、付款、订单和商品方面的问题都可以问我，也可以让我为您推荐商品。我随时在线，答案都来自本店自己的资料。",
    short_description="本店客服助手：解答问题，推荐商品。",
)
