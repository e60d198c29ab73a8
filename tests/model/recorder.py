"""Stands where CUDA graphs stand, on a machine without a GPU: what is recorded is run again for each replay."""

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from model.graphs import NoRoom


class Recorder:
    """Replays by running the step. `room`: how many recordings it takes."""

    def __init__(self, room: int = 1000) -> None:
        self.recorded = 0
        self.replays = 0
        self._room = room

    def record(self, step: Callable[[], None]) -> Callable[[], object]:
        if self.recorded == self._room:
            raise NoRoom
        self.recorded += 1
        step()

        def replay() -> None:
            self.replays += 1
            step()

        return replay


HOST_BOUND = {"lift_fresh", "_local_scalar_dense", "nonzero"}
"""Operations that bring numbers from the host or back to it, which no graph can hold."""


class Watched(TorchDispatchMode):
    """Notes the name of every operation that torch is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))
