"""How many slots the memory has room for: an engine takes all its memory at its start, so this is asked before.

A machine's free memory, a container's limit (control groups of both versions), or what is free on a GPU.
"""

import logging
from pathlib import Path

import torch

from model.engine import places_of

logger = logging.getLogger(__name__)

MEMORY_SHARE = 0.5
"""Of the memory that is free when the model is loaded, the part that slots may take; the rest is for the work."""

_UNKNOWN = 4 << 30

_GROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


class NoMemory(ValueError):
    """There is no room for answers beside the model."""


def fitting_slots(row_bytes: int, slots: int, device: torch.device) -> tuple[int, int]:
    """How many slots to make, and how many rows that remember, where `slots` of each are wanted.

    row_bytes: what one row takes. A few rows more are where prompts are computed. Raises NoMemory if not even one
    slot has room.
    """
    rows = int(free_bytes(device) * MEMORY_SHARE / row_bytes)
    for fitting in range(slots, 0, -1):
        left = rows - fitting - places_of(fitting)
        if left >= min(fitting, rows // 4):
            break
    else:
        raise NoMemory(
            f"there is no memory left for answers beside this model: one takes {row_bytes / 1e6:.0f} MB, and "
            f"{free_bytes(device) / 1e6:.0f} MB are free; take a smaller model or a machine with more"
        )
    if fitting < slots:
        logger.warning("memory has room for %d of %d slots", fitting, slots)
    return fitting, min(fitting, left)


def free_bytes(device: torch.device) -> int:
    """What this process may still take of a device's memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return _UNKNOWN
    return min([free, *_left_in_groups(Path("/sys/fs/cgroup"))])


def _left_in_groups(root: Path) -> list[int]:
    """What the container's limit leaves; files that the system would drop again do not count as used."""
    left = []
    for limit, used, statistics, dropped in _GROUPS:
        try:
            most = int((root / limit).read_text(encoding="ascii"))
            now = int((root / used).read_text(encoding="ascii"))
            lines = (root / statistics).read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):  # no such limit: "max", or another version
            continue
        pairs = (line.split() for line in lines)
        cached = next((int(value) for name, value in pairs if name == dropped), 0)
        left.append(max(0, most - now + cached))
    return left
