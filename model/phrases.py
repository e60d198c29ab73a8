"""What the assistant says without a model: courtesies, questions back and honest refusals, in both languages.

A phrase states no fact of the shop; facts come from passages and records alone.
"""

from model.types import Language

PHRASES: dict[Language, dict[str, str]] = {
    "en": {
        "greeting": "Hello! Ask me about delivery, returns, payment, your orders or our products.",
        "thanks": "You're welcome! Is there anything else I can do for you?",
        "goodbye": "Goodbye, and thank you for writing to us!",
        "about_bot": (
            "I'm the shop's assistant, a program. I answer from the shop's own information and can look up your "
            "orders. If I can't help, a colleague can."
        ),
        "unknown": "I'm sorry, I have no reliable information on that, so I'd rather not guess.",
        "human": "You can reach a person here:",
        "no_orders": "I can't find any orders that belong to you here.",
        "order_not_found": "I can't find order {id} among your orders. Please check the number.",
        "which_order": "Which order do you mean?",
        "which_product": "Which product do you mean? Please send me its name.",
        "order_fact": "Here is what I have on order {title}:",
        "product_fact": "Here is what I have on {title}:",
        "suggest": "These could suit you:",
        "reason_similar": "Similar to {title}",
        "reason_goes_with": "To go with {title}",
        "reason_popular": "Popular with our customers",
        "reason_new": "New in our shop",
        "reason_cheaper": "Similar to {title}, for less",
        "reason_less": "Costs less than {title}",
        "reason_buy": "Because you bought {title}",
        "reason_like": "Because you like {title}",
        "reason_view": "Because you looked at {title}",
        "why_because": "I suggested {title} because of what you did here:",
        "why_nothing": "{title} is not there because of anything you did: many customers like it, or it fits what you asked for.",
        "why_buy": "you bought {title}",
        "why_like": "you like {title}",
        "why_view": "you looked at {title}",
        "suggest_none": "I found nothing in stock that fits. Try other words or a different budget.",
        "empty": "Your message was empty. What would you like to know?",
    },
    "zh": {
        "greeting": "您好！配送、退换货、付款、订单和商品方面的问题，都可以问我。",
        "thanks": "不客气！还有什么可以帮您的吗？",
        "goodbye": "再见，感谢您的来信！",
        "about_bot": "我是本店的智能助手，是一个程序。我只根据店里的资料回答，也能查询您的订单；我帮不上的，同事可以帮您。",
        "unknown": "抱歉，这个问题我没有可靠的资料，不想乱猜。",
        "human": "您可以这样联系人工客服：",
        "no_orders": "这里没有找到属于您的订单。",
        "order_not_found": "在您的订单里没有找到 {id}，请核对一下订单号。",
        "which_order": "请问您指的是哪一个订单？",
        "which_product": "请问您指的是哪件商品？把名称发给我就行。",
        "order_fact": "订单 {title} 的信息如下：",
        "product_fact": "{title} 的信息如下：",
        "suggest": "这些可能适合您：",
        "reason_similar": "与“{title}”相似",
        "reason_goes_with": "与“{title}”搭配",
        "reason_popular": "很受顾客欢迎",
        "reason_new": "新品上架",
        "reason_cheaper": "与“{title}”相似，价格更低",
        "reason_less": "比“{title}”便宜",
        "reason_buy": "因为您买过“{title}”",
        "reason_like": "因为您喜欢“{title}”",
        "reason_view": "因为您看过“{title}”",
        "why_because": "推荐“{title}”，是因为您在这里的这些操作：",
        "why_nothing": "推荐“{title}”与您的操作无关：它受很多顾客喜欢，或者符合您的要求。",
        "why_buy": "您买过“{title}”",
        "why_like": "您喜欢“{title}”",
        "why_view": "您看过“{title}”",
        "suggest_none": "没有找到合适的现货，换个说法或预算试试看。",
        "empty": "您的消息是空的，请问想了解什么？",
    },
}


def phrase(language: Language, name: str, **values: str) -> str:
    """One phrase in the customer's language with its placeholders filled."""
    return PHRASES[language][name].format(**values)
