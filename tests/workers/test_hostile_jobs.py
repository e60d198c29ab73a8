"""Whoever can write to Redis gets no code of theirs run: no pickle, and no function but the worker's own."""

import ast
import importlib
import os
import pickle
import re
import zlib
from pathlib import Path

import pytest
from rq import Queue

from tests.workers.shop_floor import ROOT, ShopFloor, until
from workers.channel import JOB_FUNCTIONS

UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
STOCK_RQ = {"bot/bench/naive.py"}
"""The rival of `kefu bench pipeline` is RQ as it comes, with a Redis of its own."""


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


def test_a_pickled_job_is_not_unpickled(floor: ShopFloor, tmp_path: Path) -> None:
    floor.say("hello")
    (job_id,) = floor.jobs()
    floor.redis.hset(f"rq:job:{job_id}", "data", zlib.compress(pickle.dumps(Evil(tmp_path / "evil"))))
    floor.start_worker(timing={"sweep_age": 1})
    until(floor.replies)
    assert floor.texts() == ["hello"]
    assert not (tmp_path / "evil").exists()
    assert floor.jobs()[job_id] == "failed"


def test_a_job_that_names_another_function_is_not_run(floor: ShopFloor, tmp_path: Path) -> None:
    queue = Queue("support", connection=floor.redis, serializer="json")
    job = queue.enqueue("os.mkdir", str(tmp_path / "evil"))
    floor.say("hello")
    floor.start_worker(burst=True).wait(50)
    assert floor.texts() == ["hello"]
    assert floor.jobs()[job.id] == "failed"
    assert not (tmp_path / "evil").exists()


def test_a_worker_runs_every_job_that_kefu_makes() -> None:
    for name in JOB_FUNCTIONS:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))
    source = (ROOT / "workers/channel.py").read_text()
    assert {match.group(1) for match in re.finditer(r'^\w+_FUNCTION = "(.+)"$', source, re.MULTILINE)} == set(
        JOB_FUNCTIONS
    )


@pytest.mark.parametrize("package", ["bot", "workers", "model"])
def test_nothing_reads_or_writes_pickles(package: str) -> None:
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                found += [(name, node.lineno)] if UNSAFE & {part.partition(".")[0] for part in names} else []
            elif isinstance(node, ast.Call) and name not in STOCK_RQ:
                found += [(name, node.lineno)] if _may_pickle(node) else []
    assert found == []


def _may_pickle(call: ast.Call) -> bool:
    """RQ's own default is pickle, and so is torch's and numpy's."""
    function = ast.unparse(call.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if function in ("rq.Queue", "Queue", "rq.SimpleWorker", "rq.Worker") or function.endswith(
        "Job.fetch_many"
    ):
        return given.get("serializer") != "'json'"
    if function == "torch.load":
        return given.get("weights_only") != "True"
    return function in ("numpy.load", "np.load") and given.get("allow_pickle", "False") != "False"
