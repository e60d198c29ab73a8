"""Whether a question asks for things somebody would like, or for a kind of thing, in words no router has learned.

"I love listening to music, what do you have for me?" names who it is for and asks for things; "do you love music?" asks
the shop itself, and "what music plays in your shop?" is for nobody. "Do you have headphones under 80?" asks for a kind of
thing. Grammar alone: whether a shop has such things is for its catalogue to say. Knows no shop and no types.
"""

import re

_FOR_WHOM = re.compile(
    r"\bfor (?:me|us|him|her|them)\b"
    r"|\b(?:i|i'm|i’m|i've|we|we're|my|our|he|she|they|someone|somebody|anyone|people|who)\b"
    r"|[我咱他她爸妈哥姐弟妹爷奶]|朋友|同事|邻居|老师|女儿|儿子|孩子|女友|男友|老公|老婆"
    r"|[爱喜][^，。？?!！]{1,12}的?(?:人|朋友)|爱好者|迷|控|发烧友|达人|新手",
    re.IGNORECASE,
)
_FITS = (
    r"(?:for (?:me|us|him|her|them|that|this|it|people|someone|somebody|my|our|a)\b"
    r"|(?:do|would|have) you (?:have|got|offer|carry|recommend|suggest|give|pick|choose|point)"
    r"|(?:you|you've|you’ve) (?:have|got)\b"
    r"|(?:would|might|could|will|may|that|to) (?:\w+ )?"
    r"(?:suit|fit|please|enjoy|like|love|use|help|be (?:right|good|nice|useful|of use|fun))"
    r"|useful|suits|fits|make \w+ happy|be happy|right for"
    r"|(?:in|from) your (?:range|shop|store|catalogue|assortment))"
)
_ASKS_FOR_THINGS = re.compile(
    rf"\b(?:what|which|anything|something|things?|stuff|products?|items?)\b[^.?!]{{0,60}}?\b{_FITS}"
    r"|\b(?:any|some|got|give me|come up with|need)\b (?:\w+ )?"
    r"(?:ideas?|suggestions?|recommendations?|inspiration|something|anything)\b"
    r"|\b(?:have you|you have|you got|is there|there)\b (?:anything|something)\b"
    r"|\bhow (?:could|can|do) (?:one|i|we) make \w+ happy\b"
    r"|(?:有|来|选|挑|买|送|用)(?:点|些|个)?(?:什么|啥|哪些)(?!时候|消息|问题|办法|意见)"
    r"|哪些|哪款|哪样|哪种|哪几样|推荐|主意|会中意|会喜欢|拿(?:什么|啥)"
    r"|(?:什么|啥)(?:样的|东西|能|好|可以|合适|会)|(?:想想|看看).{0,8}(?:什么|啥|哪)"
    r"|有.{0,6}适合|适合.{0,10}[吗么？?]|给.{0,4}(?:建议|挑|选)|有[^，。]{0,4}建议",
    re.IGNORECASE,
)
_OF_THE_SHOP = re.compile(
    r"\b(?:do|did|would|are) you (?:love|like|enjoy|listen|play)|你(?:们|平时|自己)?(?:也|最)?(?:爱|喜欢)",
    re.IGNORECASE,
)


def asks_for_things(text: str) -> bool:
    """Whether a question asks what there is for somebody: oneself, somebody one knows, or whoever likes something."""
    return bool(_FOR_WHOM.search(text) and _ASKS_FOR_THINGS.search(text) and not _OF_THE_SHOP.search(text))


_DETERMINERS = r"(?:(?:a|an|any|some|the|your|other|more|of|pair|set)\s+)*"
_THING_EN = re.compile(
    r"(?:\b(?:do|would) you (?:guys )?(?:also |still |even )?(?:have|sell|carry|stock)|\bhave you (?:got|any)"
    r"|\b(?:is|are) there|^\W*(?:got|any|show me|i want|i need|(?:i(?:'m|’m| am) )?looking for|i(?:'d|’d| would) like))"
    rf"\s+{_DETERMINERS}(?P<thing>[^.?!,;:]+)",
    re.IGNORECASE,
)
_THING_ENDS = re.compile(
    r"\b(?:under|below|for|with|without|in|on|at|by|from|to|that|which|who|between|around|about|over|cheaper|cheap|available"
    r"|left|please|than|and|or|my|our|there|here|too|now|today|yet|online)\b|\d|€",
    re.IGNORECASE,
)
_THING_ZH = re.compile(
    r"(?:有没有|有卖|卖不卖|有|卖|想买|想要|找)(?:\s|一?[个些款种点]|的|别的|其他)*"
    r"(?P<thing>[\u3400-\u9fff]{2,8}?)(?:卖|出售|可以买|可买)?[吗么嘛呢没啊]*[\s?？。!！]*$"
)


def kind_asked_for(text: str) -> str:
    """The kind of thing that a question asks the shop for, without limits of price: "headphones", "台灯"; else empty."""
    if match := _THING_ZH.search(text):
        return match["thing"].removeprefix("的")
    if match := _THING_EN.search(text):
        thing = _THING_ENDS.split(match["thing"])[0].strip()
        return thing if len(thing.split()) <= 4 else ""
    return ""
