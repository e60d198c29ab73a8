"""Settings are used, or refused in one line that names one and does not repeat it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis import strategies as st

from bot.errors import StartError
from bot.telegram import make_bot
from tests.fuzz.inputs import good_short_texts, numbers
from tests.fuzz.properties import Check, Property
from workers.connection import connect, connect_async
from workers.settings import Settings, SettingsError, load_settings

_NAMES = [f"KEFU_{name.upper()}" for name in Settings.model_fields]
_values = st.one_of(
    good_short_texts.filter(lambda text: "\0" not in text),
    numbers.map(str),
    st.sampled_from(
        [
            "nan",
            "inf",
            "-1",
            "1e400",
            "٣",
            "1,2",
            "12 ,x",
            "[1]",
            "true",
            "redis://",
            "redis://h:x/0",
            "redis://h/x",
            "unix://",
        ]
        + ["rediss://:p@[::1", "sentinel://a,b/c", "sentinel://:1", "http://a/b", "https://[", "7:abc", "7:"]
    ),
)


@contextmanager
def _read() -> Iterator[Check]:
    def check(variables: dict[str, str]) -> None:
        with patch.dict(os.environ, variables):
            try:
                settings = load_settings(_env_file=None)
                if settings.redis_url:
                    connect(settings.redis_url).close()
                    connect_async(settings.redis_url)
                make_bot(settings)
            except (SettingsError, StartError) as refusal:
                said = str(refusal)
                assert said and "\n" not in said
                assert not [value for value in variables.values() if len(value) > 12 and value in said]

    yield check


PROPERTIES = [
    Property(
        "settings are used or refused in a line",
        4,
        st.dictionaries(st.sampled_from(_NAMES), _values, max_size=4),
        _read,
    )
]
