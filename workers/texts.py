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
