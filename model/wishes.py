"""Whether a question asks for things somebody would like, in words that no router has learned.

"I love listening to music, what do you have for me?" names who it is for and asks for things; "do you love music?" asks
the shop itself, and "what music plays in your shop?" is for nobody. Grammar alone: whether a shop has such things is
for its catalogue to say. Knows no shop and no types.
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
