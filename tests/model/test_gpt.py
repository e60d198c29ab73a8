"""The network: cached equals uncached, padding changes nothing, the pointer copies, a small net learns."""

import math

import pytest
import torch

from model.gpt import GPT, Cache, GPTConfig, Piece, negative_log_likelihood

SHAPES = {
    "pointer": GPTConfig(
        vocab_size=50, context=130, layers=2, heads=4, kv_heads=2, width=32, hidden=48, pointer_width=16
    ),
    "plain": GPTConfig(
        vocab_size=50, context=130, layers=2, heads=2, kv_heads=2, width=32, hidden=48, pointer=False
    ),
}


def random_model(shape: GPTConfig) -> GPT:
    """A network in which no weight is zero, as after some training."""
    torch.manual_seed(7)
    model = GPT(shape).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> GPT:
    return random_model(SHAPES[request.param])


def test_log_probabilities_sum_to_one(model: GPT) -> None:
    log_probs = model(torch.randint(50, (3, 20)))
    assert log_probs.shape == (3, 20, 50)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(3, 20))


def test_wanted_positions_equal_the_same_positions_of_all(model: GPT) -> None:
    ids = torch.randint(50, (3, 20))
    wanted = torch.rand(3, 20) < 0.3
    torch.testing.assert_close(model(ids, wanted), model(ids)[wanted])


def test_padding_changes_nothing(model: GPT) -> None:
    ids = torch.randint(50, (1, 12))
    padded = torch.cat((ids, torch.full((1, 8), 3)), dim=1)
    torch.testing.assert_close(model(padded)[:, :12], model(ids))


def test_no_position_sees_later_tokens(model: GPT) -> None:
    ids = torch.randint(50, (1, 20))
    changed = ids.clone()
    changed[0, 10:] = (changed[0, 10:] + 1) % 50
    torch.testing.assert_close(model(changed)[:, :10], model(ids)[:, :10])


@pytest.mark.parametrize("chunks", [[100], [1] * 100, [64, 36], [7, 1, 80, 12]])
def test_cached_equals_uncached(model: GPT, chunks: list[int]) -> None:
    ids = torch.randint(50, (2, 100))
    cache = Cache(model.config, rows=4)
    start = 0
    for n in chunks:
        cached = model.extend(ids[:, start : start + n], [start, start], cache, first_row=1)
        start += n
        torch.testing.assert_close(cached, model(ids[:, :start])[:, -1], atol=1e-5, rtol=1e-4)


def test_rows_of_different_length_are_generated_as_if_alone(model: GPT) -> None:
    prompts = [torch.randint(50, (1, length)) for length in (3, 90, 41)]
    cache = Cache(model.config, rows=3)
    last = []
    for row, prompt in enumerate(prompts):
        last.append(model.extend(prompt, [0], cache, first_row=row).argmax(-1))
    rows = [torch.cat((prompt, token[None]), dim=1) for prompt, token in zip(prompts, last, strict=True)]
    for _ in range(30):
        new = torch.cat([row[:, -1:] for row in rows])
        log_probs = model.extend(new, [row.shape[1] - 1 for row in rows], cache)
        for i, row in enumerate(rows):
            torch.testing.assert_close(log_probs[i], model(row)[0, -1], atol=1e-5, rtol=1e-4)
            rows[i] = torch.cat((row, log_probs[i].argmax().view(1, 1)), dim=1)


def test_a_used_row_is_as_good_as_a_new_one(model: GPT) -> None:
    cache = Cache(model.config, rows=2)
    model.extend(torch.randint(50, (1, 100)), [0], cache)
    ids = torch.randint(50, (1, 9))
    torch.testing.assert_close(model.extend(ids, [0], cache), model(ids)[:, -1], atol=1e-5, rtol=1e-4)


def test_a_copied_row_continues_like_its_source(model: GPT) -> None:
    cache = Cache(model.config, rows=3)
    ids = torch.randint(50, (1, 41))
    model.extend(ids[:, :40], [0], cache, first_row=2)
    cache.copy_row(2, 0, 40)
    torch.testing.assert_close(
        model.extend(ids[:, 40:], [40], cache), model(ids)[:, -1], atol=1e-5, rtol=1e-4
    )


def test_untrained_pointer_continues_a_repetition() -> None:
    torch.manual_seed(0)
    shape = GPTConfig(vocab_size=500, context=64, layers=2, heads=4, kv_heads=2, width=64, hidden=64)
    ids = torch.randperm(500)[:20].repeat(2)[None]
    predicted = GPT(shape)(ids).argmax(-1)
    assert predicted[0, 20:39].eq(ids[0, 21:]).float().mean() > 0.8


def test_every_weight_gets_a_finite_gradient(model: GPT) -> None:
    model.requires_grad_(True)
    ids = torch.randint(50, (2, 20))
    loss = negative_log_likelihood(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), torch.ones(38))
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_small_network_learns_by_heart() -> None:
    torch.manual_seed(1)
    model = GPT(SHAPES["pointer"])
    ids = torch.randint(50, (10, 12))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(80):
        loss = negative_log_likelihood(
            model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), torch.ones(110)
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.5


def test_loss_counts_tokens_by_weight() -> None:
    log_probs = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    loss = negative_log_likelihood(log_probs, torch.tensor([0, 0]), torch.tensor([1.0, 3.0]))
    assert loss.item() == pytest.approx((math.log(2) + 3 * math.log(4)) / 4)


def test_the_default_shape_is_small_enough_to_ship() -> None:
    assert sum(parameter.numel() for parameter in GPT(GPTConfig()).parameters()) < 2_600_000


@pytest.mark.parametrize(
    "wrong", [{"layers": 0}, {"width": 100, "heads": 8}, {"heads": 4, "kv_heads": 3}, {"context": 1.5}]
)
def test_an_impossible_shape_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        GPTConfig(**wrong)


def test_what_rows_begin_with_alike_is_read_once_and_changes_nothing(
    model: GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.gpt.LEAST_SPARED", 1)
    torch.manual_seed(3)
    head = torch.randint(50, (1, 70))
    rows = [torch.cat((head, torch.randint(50, (1, n))), dim=1) for n in (1, 2, 40, 9, 17)]
    caches = [model.make_cache(6), model.make_cache(6)]
    for cache in caches:
        for row, ids in enumerate(rows):
            model.extend(ids, [0], cache, first_row=row + 1)
    new, starts = torch.randint(50, (5, 1)), [row.shape[1] for row in rows]
    for common in (64, 70):
        usual = model.extend(new, starts, caches[0], first_row=1)
        sparing = model.extend(new, starts, caches[1], first_row=1, common=common)
        torch.testing.assert_close(sparing, usual, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(caches[1].kv, caches[0].kv, atol=1e-5, rtol=1e-4)


def test_pieces_of_several_rows_together_give_what_each_gives_alone(model: GPT) -> None:
    torch.manual_seed(5)
    alone, together = model.make_cache(5), model.make_cache(5)
    lengths = {0: 0, 2: 0, 3: 0, 4: 0}
    for sizes in ({0: 5, 3: 64}, {0: 1, 2: 30, 3: 7, 4: 1}, {4: 20, 0: 3}):
        pieces = [Piece(row, lengths[row], torch.randint(50, (n,)).tolist()) for row, n in sizes.items()]
        expected = torch.cat(
            [model.extend(torch.tensor([p.ids]), [p.start], alone, first_row=p.row) for p in pieces]
        )
        torch.testing.assert_close(model.extend_pieces(pieces, together), expected, atol=1e-5, rtol=1e-4)
        for piece in pieces:
            lengths[piece.row] += len(piece.ids)
