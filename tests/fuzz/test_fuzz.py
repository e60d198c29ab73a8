"""Every property with the same few inputs each time; `make fuzz` tries 100,000 others."""

import pytest

from tests.fuzz.properties import Property, all_properties, try_inputs

INPUTS = 40

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("tried", all_properties(), ids=lambda tried: tried.name)
def test_no_input_breaks(tried: Property) -> None:
    try_inputs(tried, INPUTS)


def test_the_shares_are_of_the_whole() -> None:
    assert sum(tried.share for tried in all_properties()) == 100
