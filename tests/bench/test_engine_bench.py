"""`kefu bench engine`: every engine gets the same work, and the figures that others read are there."""

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("transformers", reason="the extra `worker` is not installed")

from model.cli import app

COMMAND = ["bench", "engine", "--json", "--shape", "tiny", "--rounds", "1", "--prompt", "70", "--new", "4"]


def test_all_engines_write_the_same_text_and_their_ratios_are_told() -> None:
    options = ["--chats", "1,5", "--arrivals", "together", "--prefixes", "half"]
    done = CliRunner().invoke(app, [*COMMAND, *options])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["rounds"] == 1 and set(result["ratio"]) >= {"naive", "static", "transformers_cb"}
    for by_chats in result["ratio"].values():
        assert set(by_chats) == {"1", "5"} and all(ratio > 0 for ratio in by_chats.values())
    assert result["same_text"] == dict.fromkeys(("static", "transformers_cb", "kefu_fp32", "kefu"), 1.0)
    assert 0 < result["overhead"]["5"] < 1 and result["transformers_attention"]


async def test_where_steps_are_recorded_one_engine_serves_all_workloads_and_forgets_between_them() -> None:
    from model.bench.engine import SHAPES, Options, make_model, make_workload, served_by
    from tests.model.recorder import Recorder

    model, notes, recorder = make_model(SHAPES["tiny"], 1), {}, Recorder()
    load = make_workload(Options(prompt=70, new=4), model.vocab_size, 3, "half", None, 0)
    serve, _ = served_by(model, notes, 4, recorder)
    expected = [one.ids for one in await served_by(model, {}, 4)[0](load)]
    first = (await serve(load), notes.pop("overhead"), recorder.recorded)
    again = (await serve(load), notes.pop("overhead"), recorder.recorded)
    for served, overhead, recorded in (first, again):
        assert [one.ids for one in served] == expected
        assert 0 < overhead < 1 and recorded == first[2]
    assert notes == {"replayed": 1.0}


def test_a_gpu_that_is_not_there_is_said_in_one_line() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = CliRunner().invoke(app, [*COMMAND, "--device", "cuda"])
    assert done.exit_code != 0 and "no GPU" in str(done.exception or done.output)
