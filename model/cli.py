"""Commands of the model: training. They need the extras `worker` and `train`, which the bot does without."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True, add_completion=False)
train = typer.Typer(no_args_is_help=True, help="Train a model.")
app.add_typer(train, name="train")


@app.callback()
def _commands() -> None:
    """kefu's model."""


@train.command("text")
def train_text(
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there goes on.")],
    data: Annotated[Path | None, typer.Option(help="Folder with support/, text/ and catalogue/.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Stop after so many minutes.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Length of the whole plan, over all calls.")
    ] = None,
    batch_tokens: Annotated[int, typer.Option(min=256, help="Tokens of a step.")] = 1536,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = 2e-3,
    layers: Annotated[int, typer.Option(min=1)] = 4,
    width: Annotated[int, typer.Option(min=16)] = 192,
    vocabulary: Annotated[int, typer.Option(min=600)] = 4096,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Train the GPT that answers customers, and write its checkpoint."""
    from model.data.corpus import CorpusError
    from model.gpt import GPTConfig
    from model.tokenizer import TokenizerError
    from model.train import Settings, TrainingError
    from model.train import train_text as run

    console = Console()
    try:
        shape = GPTConfig(
            vocab_size=vocabulary, layers=layers, width=width, hidden=width * 8 // 3 // 64 * 64 or 64
        )
        settings = Settings(
            minutes=minutes, steps=steps, batch_tokens=batch_tokens, learning_rate=learning_rate,
            seed=seed, threads=threads, device=device, model=shape,
        )  # fmt: skip
        run(data, out, settings, console)
    except (CorpusError, TokenizerError, TrainingError, ValueError) as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(2) from None
