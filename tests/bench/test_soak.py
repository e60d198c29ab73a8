"""The verdict of a soak: what a process may grow, and what is a leak."""

from bot.bench.soak import Sample, report


def samples(leak_mb: float = 0.0, bytes_a_message: float = 150.0) -> list[Sample]:
    return [
        Sample(
            n,
            1000 * n,
            {"bot": 95 + leak_mb * n, "telegram": 80 + 5 * n},
            1 + n * 1000 * bytes_a_message / 1e6,
        )
        for n in range(40)
    ]


def test_markers_and_telegrams_own_memory_are_no_leak() -> None:
    verdict = report(samples(), rate=10, unanswered=0)
    assert (verdict["flat"], verdict["redis_bytes_a_message"], verdict["grown"]) == (True, 150, [])


def test_a_process_that_grows_all_the_time_is_named() -> None:
    assert report(samples(leak_mb=0.5), rate=10, unanswered=0)["grown"] == ["bot"]


def test_more_than_a_marker_for_each_message_is_named() -> None:
    assert report(samples(bytes_a_message=900), rate=10, unanswered=0)["grown"] == ["redis"]
