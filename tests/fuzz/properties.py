"""The properties that no input may break, and a way to try each with as many inputs as one likes."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

Check = Callable[[Any], None]


@dataclass(frozen=True)
class Property:
    """What must hold for every input.

    share: of all inputs, in percent. bench: gives the check; what the check needs lives as long as its context.
    """

    name: str
    share: int
    inputs: SearchStrategy[Any]
    bench: Callable[[], AbstractContextManager[Check]]


_AT_ONCE = 2000
"""Hypothesis keeps track of all inputs of one run, so many are tried in several runs."""


def try_inputs(
    tried: Property, count: int, seed: int | None = None, on_input: Callable[[], None] = lambda: None
) -> None:
    """Try a property with `count` inputs: always the same ones without a seed. Raises what the check raises.

    The input that broke it, made as small as possible, is in the error's notes.
    """
    with tried.bench() as check:
        for number, start in enumerate(range(0, count, _AT_ONCE)):
            own_seed = None if seed is None else seed + number
            make_test(tried, check, min(_AT_ONCE, count - start), own_seed, on_input)()


def make_test(
    tried: Property, check: Check, count: int, seed: int | None, on_input: Callable[[], None]
) -> Any:
    """Hypothesis's test of a property with `count` inputs."""

    @settings(
        max_examples=count,
        derandomize=seed is None,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(tried.inputs)
    def run(value: Any) -> None:
        on_input()
        check(value)

    return run if seed is None else hypothesis.seed(seed)(run)


def all_properties() -> Sequence[Property]:
    """Every property, cheapest to try first."""
    from tests.fuzz import assistant, records, replies, settings, shop_data, telegram_answers, updates

    modules = (replies, telegram_answers, records, settings, shop_data, updates, assistant)
    return [tried for module in modules for tried in module.PROPERTIES]
