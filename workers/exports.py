"""What customers did, out of Redis into a file that `kefu train behaviour` reads.

Chats get numbers in the order in which they are found, not their ids: who somebody is does not leave Redis.
"""

import csv
import gzip
import io
import os
from pathlib import Path

import redis

from workers.channel import EVENTS_PATTERN
from workers.contracts import EventRecord


def export_events(connection: redis.Redis, out: Path) -> tuple[int, int]:
    """Write all events as CSV (`user,item,timestamp,event`; .gz if so named), oldest first; how many chats and events.

    Interests in categories are left out: they name no product. The file is replaced whole.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("user", "item", "timestamp", "event"))
    chats = events = 0
    for key in sorted(connection.scan_iter(match=EVENTS_PATTERN, count=1000)):
        records = [EventRecord.model_validate_json(raw) for raw in connection.lrange(key, 0, -1)]
        rows = [
            (f"c{chats + 1}", record.product_id, f"{record.at:.3f}", record.action)
            for record in records
            if record.action != "category"
        ]
        writer.writerows(rows)
        chats, events = chats + bool(rows), events + len(rows)
    data = text.getvalue().encode()
    unfinished = out.with_name(f"{out.name}.new")
    unfinished.write_bytes(gzip.compress(data) if out.suffix == ".gz" else data)
    os.replace(unfinished, out)
    return chats, events
