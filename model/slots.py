"""Values as slots: every value of a text is taken out before the model reads it and put back after it wrote.

A value is a run that contains a digit (a price, a date, a time span, an order id, a phone number), an e-mail
address or a link. The model sees `<v17>` where the value stood, so it cannot write a digit that was not put
before it, and code knows where each value of its answer came from.
"""

import re
from collections.abc import Iterable

SLOT_COUNT = 64
"""How many different slots the vocabulary has; a prompt that needs more leaves its last values out."""

CURRENCY = r"(?:EUR|USD|GBP|CNY|RMB|CHF|JPY|[€$£¥￥])"
_NUMBER = r"\d+(?:[.,:/：]\d+)*"
MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
VALUE = re.compile(
    rf"""
    (?:https?://|www\.)[^\s<>)\]\u0080-\uffff]*[^\s<>)\].,;:!?\u0080-\uffff]  # a link; Chinese text ends it
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+                                          # an e-mail address
    | (?:\d{{4}}年)?\d{{1,2}}月\d{{1,2}}[日号]                                  # a date, Chinese
    | \d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{MONTH}(?:,?\s\d{{4}})?             # a date, day first
    | {MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s\d{{4}})?                    # a date, month first
    | {CURRENCY}\s?{_NUMBER}                                               # a price, currency first
    | \+?\(?{_NUMBER}\)?(?:[ -]\d{{2,}}){{2,}}                              # a phone number in groups
    | [A-Za-z]{{1,6}}-?\d[\w-]*\w | [A-Za-z]{{1,4}}\d                       # an id such as KF-10023 or A5
    | {_NUMBER}(?:\s?[-–—~～至到]\s?{_NUMBER})*
      (?:\s?(?:%|％|[欧美日港]?元|英镑|瑞士法郎|块钱|{CURRENCY}(?![a-z])|[ap]m\b))?   # a number, range, price or time
    """,
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
SLOT = re.compile(r"<v(\d+)>")


def find_values(text: str) -> list[str]:
    """The values of a text in reading order, as they are written there."""
    return [match.group() for match in VALUE.finditer(text)]


class Slots:
    """Gives out slot numbers for values and puts the values back.

    `numbers` is the order in which slots are given out: training shuffles it, so that no number means anything.
    The same value keeps its slot within one prompt.
    """

    def __init__(self, numbers: Iterable[int] = range(SLOT_COUNT)) -> None:
        self._free = list(numbers)[::-1]
        self._slot_of: dict[str, int] = {}
        self._value_of: dict[int, str] = {}

    def take(self, value: str) -> str:
        """The slot token of a value, e.g. `<v17>`; empty when all are used."""
        if value not in self._slot_of:
            if not self._free:
                return ""
            number = self._free.pop()
            self._slot_of[value] = number
            self._value_of[number] = value
        return f"<v{self._slot_of[value]}>"

    def cut(self, text: str) -> str:
        """The text with each value replaced by its slot."""
        return VALUE.sub(lambda match: self.take(match.group()), text)

    def fill(self, text: str) -> str:
        """The text with each slot replaced by its value. Raises KeyError for a slot that was never given out."""
        return SLOT.sub(lambda match: self._value_of[int(match.group(1))], text)

    def values(self) -> dict[str, str]:
        """Slot token to value, for all that were given out."""
        return {f"<v{number}>": value for number, value in self._value_of.items()}
