"""No engine takes more memory than there is: fewer slots, or a refusal in one line."""

from pathlib import Path

import pytest
import torch

from model import memory
from model.decoders import ModelError, NativeDecoder
from model.engine import places_of
from model.memory import NoMemory, fitting_slots, free_bytes
from tests.model.test_decoders import make_decoder

CPU = torch.device("cpu")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch):
    """Says how much memory is free."""

    def say(count: int) -> None:
        monkeypatch.setattr(memory, "free_bytes", lambda device: count)

    return say


@pytest.mark.parametrize("rows", [2, 3, 4, 7, 20, 64, 68, 1000])
def test_slots_never_take_more_than_their_share(free, rows: int) -> None:
    free(2 * rows * 1000)
    slots, kept = fitting_slots(1000, 32, CPU)
    assert 1 <= slots <= 32 and 0 <= kept <= slots
    assert slots + places_of(slots) + kept <= rows
    if rows >= 68:
        assert (slots, kept) == (32, 32)


def test_without_room_for_one_answer_the_refusal_says_how_much_is_missing(free) -> None:
    free(3_000_000)
    with pytest.raises(NoMemory, match="one takes 1 MB, and 3 MB are free"):
        fitting_slots(1_000_000, 32, CPU)


def test_our_own_network_is_refused_or_gets_fewer_slots(free) -> None:
    made = make_decoder().checkpoint
    row = made.model.row_bytes()
    free(9 * 2 * row)
    decoder = NativeDecoder(made, slots=32)
    assert decoder.engine.slots == 5
    assert decoder.engine._cache.bytes <= 9 * row
    free(row)
    with pytest.raises(ModelError, match="no memory left"):
        NativeDecoder(made, slots=32)


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    """Both versions of control groups; files in the system's cache do not count as used."""
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 100\n")
    assert memory._left_in_groups(tmp_path) == [400]
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._left_in_groups(tmp_path) == []
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text("100\n")
    (tmp_path / "memory/memory.usage_in_bytes").write_text("200\n")
    (tmp_path / "memory/memory.stat").write_text("total_inactive_file 50\n")
    assert memory._left_in_groups(tmp_path) == [0]


def test_this_machine_has_some_memory_free() -> None:
    assert free_bytes(CPU) > 1_000_000
