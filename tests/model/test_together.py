"""Who asks at the same moment is answered in one step, each with their own answer."""

import asyncio

import pytest

from model.assistant import Assistant
from model.recommender import Recommender
from model.together import Together


def test_callers_of_one_moment_share_a_step_and_get_their_own_answer() -> None:
    steps: list[list[int]] = []

    def double(asked: list[int]) -> list[int]:
        steps.append(list(asked))
        return [2 * one for one in asked]

    together = Together(double, most=3)

    async def ask_all() -> list[int]:
        return await asyncio.gather(*(together(number) for number in range(5)))

    assert asyncio.run(ask_all()) == [0, 2, 4, 6, 8]
    assert steps == [[0, 1, 2], [3, 4]]
    assert asyncio.run(together(7)) == 14  # another loop


def test_an_error_reaches_everybody_who_shares_the_step_and_a_cancelled_caller_is_not_asked_for() -> None:
    asked_for: list[list[str]] = []

    def fail(asked: list[str]) -> list[str]:
        asked_for.append(list(asked))
        raise ValueError("no")

    async def ask_all() -> list[object]:
        together = Together(fail)
        callers = [asyncio.ensure_future(together(name)) for name in "abc"]
        await asyncio.sleep(0)
        callers[1].cancel()
        return await asyncio.gather(*callers, return_exceptions=True)

    results = asyncio.run(ask_all())
    assert [type(result) for result in results] == [ValueError, asyncio.CancelledError, ValueError]
    assert asked_for in ([["a", "c"]], [["a", "b", "c"]])


def test_many_customers_are_read_in_one_step_and_get_what_each_would_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assistant = Assistant.load("passages")
    histories = [["P1001"], ["P1040", "P1041"], [], ["P1100", "P1101", "P1102"]]
    alone = [asyncio.run(assistant.suggest("", "en", 50 + n, seen=seen)) for n, seen in enumerate(histories)]
    read: list[int] = []
    scores = Recommender.scores

    def counted(self: Recommender, some: list, *rest: object) -> object:
        read.append(len(some))
        return scores(self, some, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Recommender, "scores", counted)

    async def ask_all() -> list:
        asked = (assistant.suggest("", "en", 50 + n, seen=seen) for n, seen in enumerate(histories))
        return await asyncio.gather(*asked)

    together = asyncio.run(ask_all())
    assert read == [3]
    assert [[p.product_id for p in some] for some in together] == [
        [p.product_id for p in some] for some in alone
    ]
