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
NO_SUGGESTIONS: dict[Language, str] = {
    "en": "I found nothing that fits. Try it in other words, or with fewer conditions.",
    "zh": "没有找到合适的商品。请换一种说法，或者少加一些条件。",
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
