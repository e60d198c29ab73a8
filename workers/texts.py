"""What a worker says in its own words, in every language."""

from workers.contracts import Language

APOLOGY: dict[Language, str] = {
    "en": "I'm sorry, I could not answer that. Please try again, or put it in other words.",
    "zh": "很抱歉，这个问题我没能回答。请再试一次，或者换一种说法。",
}
SUGGESTIONS: dict[Language, str] = {
    "en": "You might like these:",
    "zh": "这些您可能会喜欢：",
}
WRITTEN: dict[Language, str] = {
    "en": "Nobody else sees this unless you approve it.\n\n{text}",
    "zh": "您批准之前，其他人看不到这段文字。\n\n{text}",
}
WRITTEN_UNSOUND: dict[Language, str] = {
    "en": "The facts do not support all of this ({values}), so it cannot be approved.\n\n{text}",
    "zh": "以下内容没有依据：{values}，因此不能批准。\n\n{text}",
}
APPROVE: dict[Language, str] = {"en": "Approve", "zh": "批准"}
DROP: dict[Language, str] = {"en": "Throw away", "zh": "丢弃"}
NOT_WRITTEN: dict[Language, dict[str, str]] = {
    "en": {
        "unknown_subject": "I do not know that product. Give its id, such as P1001, or its full name.",
        "no_facts": "There is nothing to write from. Put the facts on lines of their own under the command.",
        "fault": "Something went wrong while the text was written; the worker's log says where. Please ask once more.",
    },
    "zh": {
        "unknown_subject": "没有找到这件商品。请写出商品编号（例如 P1001）或完整名称。",
        "no_facts": "没有可用的内容。请在命令下面每行写一条事实。",
        "fault": "撰写时出了故障，详情请看 worker 的日志。请重新提交一次。",
    },
}
NO_SUGGESTIONS: dict[Language, str] = {
    "en": "I found nothing that fits. Try it in other words, or with fewer conditions.",
    "zh": "没有找到合适的商品。请换一种说法，或者少加一些条件。",
}
OFFER: dict[Language, str] = {
    "en": "You may also like: {title}, {price}. More of it: /suggest. Never again: /news",
    "zh": "您可能还会喜欢：{title}，{price}。更多推荐：/suggest。不想再收到：/news",
}
SHOW_MORE: dict[Language, str] = {"en": "Show me more", "zh": "再看看别的"}
CHOOSE: dict[Language, str] = {
    "en": "Tell me what interests you and I will choose better, or simply write what you look for after /suggest.",
    "zh": "告诉我您对什么感兴趣，我会推荐得更准；也可以在 /suggest 后面直接写下您想要的。",
}
JUDGE: dict[Language, str] = {
    "en": "Which of these do you like, which not? Then press “Show me more”.",
    "zh": "这些当中，您喜欢哪些，不喜欢哪些？选好后请点“再看看别的”。",
}
NOTHING_SHOWN: dict[Language, str] = {
    "en": "I have not suggested anything yet. /suggest finds something for you.",
    "zh": "我还没有为您推荐过商品。发送 /suggest 看看吧。",
}
