"""transformers' own OpenAI-compatible server, and a small trained network for it to serve."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import torch

from model.decoders import Message, transcript
from model.export import export
from model.gpt import GPT, GPTConfig
from model.prompt import EOS, SPECIAL_TOKENS
from model.tokenizer import Tokenizer
from workers.embedded_redis import die_with_parent


def teach(message: Message, answer: str, folder: Path) -> None:
    """Train a network of a hundred thousand weights to say one answer to one message, and export it."""
    torch.manual_seed(1)
    prompt = transcript([message])[0]
    tokenizer = Tokenizer.train([prompt, answer] * 3, len(SPECIAL_TOKENS) + 500, SPECIAL_TOKENS)
    asked, told = tokenizer.encode(prompt), [*tokenizer.encode(answer), tokenizer.id_of(EOS)]
    shape = GPTConfig(
        tokenizer.vocab_size, context=1024, layers=2, heads=4, kv_heads=2, width=64, hidden=96, pointer=False
    )
    model, ids = GPT(shape), torch.tensor([asked + told])
    wanted = torch.zeros_like(ids, dtype=torch.bool)
    wanted[0, len(asked) - 1 : -1] = True
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(300):
        log_probs = model(ids, wanted)  # (answer's tokens, vocab)
        optimizer.zero_grad()
        torch.nn.functional.nll_loss(log_probs, torch.tensor(told)).backward()
        optimizer.step()
        if log_probs.argmax(-1).tolist() == told and log_probs.exp().max(-1).values.min() > 0.9:
            break
    export(model.eval(), tokenizer, folder)


@asynccontextmanager
async def transformers_serve(folder: Path) -> AsyncIterator[str]:
    """Run `transformers serve` on a model's folder; its address for KEFU_MODEL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder.parent / "serve.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)),
        *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )
    try:
        await _until_healthy(process, f"http://127.0.0.1:{port}/health", folder.parent / "serve.log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()


async def _until_healthy(process: asyncio.subprocess.Process, address: str, log: Path) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        for _ in range(1500):
            assert process.returncode is None, _tail(log)
            try:
                if (await client.get(address)).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.2)
    raise AssertionError("transformers serve did not come up within 300 s")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
