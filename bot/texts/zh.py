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
    command_start="打个招呼",
    command_help="我能做什么",
    command_suggest="推荐商品，可以加上要求",
    command_why="为什么推荐这些",
    command_language="English 或 中文",
    command_reset="重新开始对话",
    command_forget="删除我记住的内容",
    command_queues="队列和工作进程",
    command_stats="计数",
    description="配送、退换货、付款、订单和商品方面的问题都可以问我，也可以让我为您推荐商品。我随时在线，答案都来自本店自己的资料。",
    short_description="本店客服助手：解答问题，推荐商品。",
)
