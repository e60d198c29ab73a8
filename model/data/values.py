"""Random values in the many ways in which shops write them, so that a model learns to copy and not to remember.

A value brings its unit: {days} is "2–4 working days" or "2至4个工作日". Names end in an optional digit:
{days2} is another value of the same kind.
"""

import string
from collections.abc import Callable
from random import Random

from model.types import Language

_SYLLABLES = (
    "al an ar ba bel bo ca cor da del do el en fa fen ga gil ha hol in jo ka kel la lin lo ma mer mi mo na nel "
    "no or pa pel ra ren ri ro sa sel si sol ta tel ti to tor va ven vi wa wen xa ya zen zo"
).split()

_EN = {
    "city": "Berlin Leeds Porto Lyon Graz Utrecht Dublin Boston Denver Bergen Turin Oxford Basel Ghent Malmö Kyoto".split(),
    "country": (
        "Germany Austria France Spain Italy Poland Norway Switzerland Ireland Canada Japan Portugal Belgium Sweden "
        "Finland Denmark Greece Australia"
    ).split()
    + ["the Netherlands", "the United States", "the UK", "Great Britain", "the EU", "Czechia", "New Zealand"],
    "person": [
        f"{first} {last}"
        for first in ("Anna", "Tom", "Maria", "Paul", "Lena", "Omar", "Ivy", "Jack", "Nora", "Wei")
        for last in ("Berger", "Smith", "Rossi", "Novak", "Jones", "Chen", "Keller", "Moreau", "Silva")
    ],
    "carrier": ["DHL", "UPS", "FedEx", "GLS", "DPD", "Hermes", "the post", "PostNL", "Royal Mail", "Evri", "SwiftPost"],
    "category": (
        "lamp chair mug bag jacket backpack blanket kettle notebook pen candle scarf tent bottle speaker watch "
        "pillow vase knife pan shirt hoodie headphones toy rug towel basket umbrella clock shelf charger"
    ).split(),
    "adjective": (
        "Linen Oak Wool Alpine Copper Silent Little Northern Blue Amber Velvet Sunny Cotton Ceramic Harbour Cloud "
        "Classic Pocket Forest Silver Trail Morning Urban Meadow Granite Misty"
    ).split(),
    "noun": (
        "Lamp Chair Mug Bag Jacket Backpack Blanket Kettle Notebook Pen Candle Scarf Tent Bottle Speaker Watch "
        "Pillow Vase Knife Pan Shirt Hoodie Headphones Puzzle Rug Towel Basket Umbrella Clock Shelf Charger Lantern "
        "Teapot Tray Apron Journal Wallet Stool Planter"
    ).split(),
    "street": "Mill Lane,High Street,Park Road,Station Road,Harbour Street,Elm Avenue,Kantstraße,Rue Verte".split(","),
    "month": "January February March April May June July August September October November December".split(),
}  # fmt: skip
_ZH = {
    "city": "北京 上海 广州 深圳 杭州 成都 武汉 南京 西安 苏州 重庆 天津 青岛 厦门 长沙 昆明".split(),
    "country": "日本 韩国 美国 加拿大 英国 法国 德国 意大利 新加坡 澳大利亚 泰国 西班牙 荷兰 香港 台湾 欧盟".split(),
    "person": [last + first for last in "王李张刘陈杨赵黄周吴" for first in ("敏", "建国", "小红", "伟", "丽华", "子涵")],
    "carrier": "顺丰 中通 圆通 申通 韵达 京东快递 邮政 EMS 德邦 极兔 DHL UPS".split(),
    "category": (
        "台灯 椅子 杯子 背包 夹克 毯子 水壶 笔记本 钢笔 蜡烛 围巾 帐篷 水杯 音箱 "
        "手表 枕头 花瓶 菜刀 平底锅 衬衫 卫衣 耳机 玩具 地毯 毛巾 雨伞 书架 充电器"
    ).split(),
    "adjective": (
        "亚麻 橡木 羊毛 极光 红铜 静音 小小 北境 海蓝 琥珀 丝绒 晴天 纯棉 陶瓷 "
        "港湾 云朵 经典 口袋 森林 银色 山径 晨光 都市 草甸 花岗 薄雾"
    ).split(),
    "noun": (
        "台灯 椅子 马克杯 背包 夹克 毛毯 水壶 笔记本 钢笔 蜡烛 围巾 帐篷 保温杯 "
        "音箱 手表 枕头 花瓶 菜刀 平底锅 衬衫 卫衣 耳机 拼图 地毯 毛巾 收纳篮 雨伞 "
        "挂钟 书架 充电器 提灯 茶壶 托盘 围裙 日记本 钱包 凳子 花盆"
    ).split(),
    "street": "人民路,中山路,解放大道,南京西路,建设街,和平里,文化路,长江路".split(","),
    "syllable": "安 博 晨 达 恩 芙 格 禾 嘉 可 蓝 米 诺 欧 派 奇 瑞 森 天 维 溪 雅 泽".split(),
}  # fmt: skip
_WORDS = {
    "en": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
    "zh": ["一", "两", "三", "四", "五", "六", "七", "八", "九", "十"],
}
_UNITS = {
    "en": {
        "days": (("day", "days"), ("working day", "working days"), ("business day", "business days")),
        "weeks": (("week", "weeks"),),
        "months": (("month", "months"),),
        "hours": (("hour", "hours"),),
        "minutes": (("minute", "minutes"),),
        "years": (("year", "years"),),
    },
    "zh": {
        "days": (("天",) * 2, ("个工作日",) * 2, ("日",) * 2),
        "weeks": (("周",) * 2, ("个星期",) * 2),
        "months": (("个月",) * 2,),
        "hours": (("小时",) * 2, ("个小时",) * 2),
        "minutes": (("分钟",) * 2,),
        "years": (("年",) * 2,),
    },
}
_TYPICAL = {
    "days": (1, 2, 3, 5, 7, 10, 14, 21, 30, 60, 100),
    "weeks": (1, 2, 3, 4, 6, 8),
    "months": (1, 2, 3, 6, 12, 18, 24, 36),
    "hours": (1, 2, 4, 6, 12, 24, 48, 72),
    "minutes": (1, 2, 5, 10, 15, 30, 45),
    "years": (1, 2, 3, 5, 10),
}


def make_value(name: str, language: Language, rng: Random) -> str:
    """A random value of the kind that a placeholder names. Raises ValueError for an unknown kind."""
    kind = name.rstrip(string.digits)
    if kind in _TYPICAL:
        return _span(kind, language, rng)
    if kind in _KINDS:
        return _KINDS[kind](language, rng)
    words = _ZH if language == "zh" else _EN
    if kind in ("city", "country", "person", "carrier", "category"):
        return rng.choice(words[kind])
    raise ValueError(f"There is no value {{{name}}}; the kinds are listed in model/data/topic.py.")


def _span(kind: str, language: Language, rng: Random) -> str:
    low = rng.choice(_TYPICAL[kind]) if rng.random() < 0.7 else rng.randint(1, 99)
    high = low + rng.choice((1, 1, 2, 3, 5))
    one, many = rng.choice(_UNITS[language][kind])
    gap = "" if language == "zh" else " "
    style = rng.random()
    if style < 0.1 and low <= 10:
        return f"{_WORDS[language][low - 1]}{gap}{one if low == 1 else many}"
    if style < 0.55:
        space = rng.choice(("", " ")) if language == "zh" else gap
        return f"{low}{space}{one if low == 1 else many}"
    joint = rng.choice(("至", "-", "到", "–", "~") if language == "zh" else ("-", "–", " to ", " - "))
    return f"{low}{joint}{high}{gap}{many}"


def _price(language: Language, rng: Random) -> str:
    amount = rng.choice((rng.randint(1, 20), rng.randint(20, 200), rng.randint(200, 5000)))
    cents = rng.choice(("", "", ".00", ".90", ".99", ".50", f".{rng.randint(10, 99)}"))
    number = f"{amount:,}" if rng.random() < 0.2 else f"{amount}"
    if language == "zh":
        forms = ("{n}元", "¥{n}", "￥{n}", "{n} 元", "{n}块钱", "人民币{n}元", "{n}欧元", "{n} EUR")
    else:
        forms = (
            "{n} EUR",
            "€{n}",
            "{n} €",
            "${n}",
            "£{n}",
            "{n} USD",
            "EUR {n}",
            "{n} euros",
            "{n} dollars",
            "CHF {n}",
        )
    return rng.choice(forms).format(n=number + cents)


def _percent(language: Language, rng: Random) -> str:
    number = rng.choice((5, 10, 15, 20, 25, 30, 50, rng.randint(1, 95)))
    return f"{number}{rng.choice(('%', '%', ' %') if language == 'en' else ('%', '％'))}"


def _time(language: Language, rng: Random) -> str:
    hour, minute = rng.randint(6, 23), rng.choice(("00", "00", "30", "15", "45"))
    if language == "zh":
        half = "上午" if hour < 12 else "下午" if hour < 18 else "晚上"
        return rng.choice(
            (f"{hour}:{minute}", f"{half}{(hour - 1) % 12 + 1}点", f"{hour}点", f"{hour}：{minute}")
        )
    half = "am" if hour < 12 else "pm"
    short = (hour - 1) % 12 + 1
    return rng.choice(
        (
            f"{hour}:{minute}",
            f"{short} {half}",
            f"{short}{half}",
            f"{short}:{minute} {half}",
            f"{hour}.{minute}",
        )
    )


def _date(language: Language, rng: Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2024, 2031)
    if language == "zh":
        return rng.choice((f"{month}月{day}日", f"{year}年{month}月{day}日", f"{year}-{month:02}-{day:02}"))
    name = _EN["month"][month - 1]
    forms = (f"{day} {name}", f"{name} {day}", f"{day} {name[:3]} {year}", f"{day} {name} {year}")
    return rng.choice(
        (*forms, f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year}", f"{day}.{month}.{year}")
    )


def _word(rng: Random, most: int = 3) -> str:
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, most)))


def _host(rng: Random) -> str:
    return f"{_word(rng)}{rng.choice(('', '-' + _word(rng, 2)))}.{rng.choice(('com', 'example', 'shop', 'cn', 'de', 'co.uk'))}"


def _email(language: Language, rng: Random) -> str:
    name = rng.choice(
        ("help", "service", "hello", "support", "info", "shop", "orders", "returns", _word(rng))
    )
    return f"{name}@{_host(rng)}"


def _phone(language: Language, rng: Random) -> str:
    digits = [str(rng.randint(0, 9)) for _ in range(12)]
    a, b, c = "".join(digits[:3]), "".join(digits[3:7]), "".join(digits[7:11])
    if language == "zh":
        return rng.choice((f"400-{a}-{b}", f"010-{b}{c}", f"1{a[:2]}{b}{c}", f"0{a}-{b}{c}", f"95{a}"))
    return rng.choice(
        (f"+49 {a} {b}{c}", f"0{a} {b} {c}", f"+44 20 {b} {c}", f"({a}) {b[:3]}-{c}", f"1-800-{a}-{b}")
    )


def _url(language: Language, rng: Random) -> str:
    page = rng.choice(("", "/help", "/account", "/returns", "/faq", f"/{_word(rng)}", "/jobs", "/sizes"))
    return f"{rng.choice(('https://', 'www.', 'https://www.'))}{_host(rng)}{page}"


def _code(language: Language, rng: Random) -> str:
    return rng.choice(("SAVE", "HELLO", "KF", "WEL", "SUN", "NEW", "VIP", _word(rng, 2).upper()[:5])) + str(
        rng.randint(5, 2031)
    )


def _order_id(language: Language, rng: Random) -> str:
    number = rng.randint(1000, 10 ** rng.randint(4, 9))
    prefix = rng.choice(("", "", "#", "KF-", "AB-", "NO", _word(rng, 2).upper()[:3] + "-", "A"))
    return f"{prefix}{number}"


def _tracking(language: Language, rng: Random) -> str:
    letters = "".join(rng.choice(string.ascii_uppercase) for _ in range(rng.choice((0, 1, 2, 2))))
    return letters + str(rng.randint(10**7, 10**12))


def _street(language: Language, rng: Random) -> str:
    if language == "zh":
        return f"{rng.choice(_ZH['street'])}{rng.randint(1, 999)}号"
    street = rng.choice(_EN["street"])
    return rng.choice((f"{rng.randint(1, 199)} {street}", f"{street} {rng.randint(1, 199)}"))


def _product(language: Language, rng: Random) -> str:
    words = _ZH if language == "zh" else _EN
    gap = "" if language == "zh" else " "
    brand = "".join(rng.sample(_ZH["syllable"], 2)) if language == "zh" else _word(rng).capitalize()
    adjective, noun = rng.choice(words["adjective"]), rng.choice(words["noun"])
    other = rng.choice(words["noun"]) if language == "en" else rng.choice(words["adjective"])
    forms = (
        (adjective, noun),
        (adjective, noun),
        (brand, noun),
        (brand, adjective, noun),
        (adjective, other, noun),
    )
    name = gap.join(rng.choice(forms))
    return (
        f"{name}{gap}{rng.choice(('X', 'S', 'Pro ', 'Mk'))}{rng.randint(1, 900)}"
        if rng.random() < 0.08
        else name
    )


def _shop(language: Language, rng: Random) -> str:
    return "".join(rng.sample(_ZH["syllable"], 2)) if language == "zh" else _word(rng).capitalize()


def _number(language: Language, rng: Random) -> str:
    return str(rng.choice((rng.randint(2, 9), rng.randint(10, 60), rng.randint(60, 500))))


_KINDS: dict[str, Callable[[Language, Random], str]] = {
    "price": _price, "percent": _percent, "time": _time, "date": _date, "email": _email, "phone": _phone, "url": _url,
    "code": _code, "order": _order_id, "tracking": _tracking, "street": _street, "product": _product, "shop": _shop,
    "number": _number, "year": lambda language, rng: str(rng.randint(1950, 2026)),
}  # fmt: skip
