"""Semantic ids: an item as a few codes made of its text, so that items with like texts begin alike.

An autoencoder squeezes the vector of a text; what comes out is told by the nearest code of a first codebook, what is then
missing by one of a second, and so on (residual quantisation: arXiv 2107.03312 and 2203.01941; for items: Rajput et al.,
"Recommender Systems with Generative Retrieval", arXiv 2305.05065). A last number tells items with equal codes apart.
Knows no customer and no event.

n: items, E: width of a text's vector, L: levels, K: codes of a level.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

COMMITMENT = 0.25
"""How much the encoder is drawn to the codes, beside the codes to what it says."""

_BATCH = 256
_CLUSTERINGS = 10
_RENEWAL = 50
"""Steps after which codes that nothing was nearest to are put elsewhere; not in the last fifth of a training."""


@dataclass(frozen=True)
class CodesConfig:
    """The shape of an autoencoder. `text`: width of what it reads; `hidden`: of the layers; `latent`: of a code."""

    text: int
    hidden: tuple[int, ...] = (256, 128)
    latent: int = 32
    levels: int = 3
    codes: int = 64


class ResidualAutoencoder(nn.Module):
    """Vectors to codes and back. It reads vectors as they are: their mean and scale are learned with it."""

    def __init__(self, config: CodesConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.text, *config.hidden, config.latent)
        self.encoder, self.decoder = _layers(widths), _layers(widths[::-1])
        self.books = nn.Parameter(torch.zeros(config.levels, config.codes, config.latent))
        self.register_buffer("mean", torch.zeros(config.text))
        self.register_buffer("scale", torch.ones(()))

    def quantise(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes (n, L), what they stand for together (n, latent), and the loss that draws codes and encoder together."""
        rest, codes, loss = latent, [], latent.new_zeros(())
        for book in self.books:
            nearest = torch.cdist(rest.detach(), book.detach()).argmin(1)
            chosen = book[nearest]
            loss = loss + F.mse_loss(chosen, rest.detach()) + COMMITMENT * F.mse_loss(rest, chosen.detach())
            codes.append(nearest)
            rest = rest - chosen.detach()
        return torch.stack(codes, 1), (latent - rest).detach(), loss

    def loss(self, texts: Tensor) -> Tensor:
        """The mean error of what comes back, and of the codes; gradients pass the codes as if they were not there."""
        read = (texts - self.mean) / self.scale
        latent = self.encoder(read)
        _, told, drawn = self.quantise(latent)
        return F.mse_loss(self.decoder(latent + (told - latent).detach()), read) + drawn

    @torch.inference_mode()
    def codes(self, texts: Tensor) -> Tensor:
        """The codes of some texts, (n, L)."""
        return self.quantise(self.encoder((texts - self.mean) / self.scale))[0]

    @torch.inference_mode()
    def explained(self, texts: Tensor) -> float:
        """The share of the texts' variance that their codes bring back; 0 for no more than the mean of those it learned."""
        read = (texts - self.mean) / self.scale
        back = self.decoder(self.quantise(self.encoder(read))[1])
        return float(1 - (back - read).square().mean() / read.square().mean())


def learn_codes(texts: Tensor, config: CodesConfig, steps: int = 3000, seed: int = 1) -> ResidualAutoencoder:
    """Train an autoencoder on the vectors of some texts, (n, E)."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = ResidualAutoencoder(config)
    model.mean.copy_(texts.mean(0))
    model.scale.copy_((texts - model.mean).square().mean().sqrt().clamp(min=1e-6))
    with torch.no_grad():
        rest = model.encoder((texts - model.mean) / model.scale)
        for book in model.books:
            book.copy_(_clusters(rest, config.codes, generator))
            rest = rest - book[torch.cdist(rest, book).argmin(1)]
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-4)
    used = torch.zeros(config.levels, config.codes, dtype=torch.bool)
    for step in range(1, steps + 1):
        batch = texts[torch.randint(0, len(texts), (min(_BATCH, len(texts)),), generator=generator)]
        loss = model.loss(batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        for level, codes in enumerate(model.codes(batch).T):
            used[level, codes] = True
        if step % _RENEWAL == 0:
            if step <= 0.8 * steps:
                _renew(model, used, batch, generator)
            used[:] = False
    return model.eval().requires_grad_(False)


def numbered(codes: np.ndarray) -> np.ndarray:
    """Codes (n, L) with a number that tells equal ones apart, (n, L + 1): 0 for the first of them, 1 for the second…"""
    met: dict[tuple[int, ...], int] = {}
    numbers = np.zeros(len(codes), dtype=np.int64)
    for row, code in enumerate(map(tuple, codes.tolist())):
        numbers[row] = met.get(code, 0)
        met[code] = met.get(code, 0) + 1
    return np.column_stack([codes, numbers])


def usage(codes: np.ndarray, size: int) -> list[float]:
    """For each level how many codes are used as if all of those were used alike (2 to the entropy), as a share of `size`."""
    shares = [np.bincount(column, minlength=size) / len(codes) for column in codes.T]
    return [round(float(2 ** -(p[p > 0] * np.log2(p[p > 0])).sum() / size), 4) for p in shares]


def _layers(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _clusters(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """The centres of k clusters (k-means); where there are fewer points than that, some are the same."""
    order = torch.randperm(len(points), generator=generator)
    centres = points[order.repeat(-(-k // len(points)))[:k]].clone()
    for _ in range(_CLUSTERINGS):
        nearest = torch.cdist(points, centres).argmin(1)
        counts = torch.bincount(nearest, minlength=k)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
    return centres


@torch.no_grad()
def _renew(model: ResidualAutoencoder, used: Tensor, texts: Tensor, generator: torch.Generator) -> None:
    """Put every code that was not used where one of these texts is."""
    rest = model.encoder((texts - model.mean) / model.scale)
    for book, alive in zip(model.books, used, strict=True):
        dead = int((~alive).sum())
        if dead:
            book[~alive] = rest[torch.randint(0, len(rest), (dead,), generator=generator)]
        rest = rest - book[torch.cdist(rest, book).argmin(1)]
