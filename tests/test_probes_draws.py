"""Random numbers that depend on their key alone."""

import torch

from satgpu.probes.draws import HashedDraws, hash_bits, hash_order, hash_uniform, hashed_orders, probe_seed

_MASK = (1 << 64) - 1


def _mix(x: int) -> int:
    """SplitMix64's step in Python's unbounded integers."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def test_splitmix64_gives_its_published_first_number():
    # The first output of the reference implementation seeded with 0, and with 1234567.
    assert _mix(0) == 0xE220A8397B1DCDAF
    assert _mix(1234567) == 6457827717110365317


def test_bits_equal_the_same_formula_in_unbounded_integers():
    golden = 0x9E3779B97F4A7C15
    index = torch.arange(50)
    for seed in (0, 42, -1, 2**63 - 1, 2**64 + 42):
        for stream in (0, 3, 1 << 20):
            key = _mix((_mix(seed & _MASK) + stream * golden) & _MASK)
            expected = [_mix((key + i * golden) & _MASK) for i in range(50)]
            assert [value & _MASK for value in hash_bits(seed, stream, index).tolist()] == expected


def test_tensors_of_seeds_and_streams_give_what_single_ones_give():
    index = torch.arange(9)
    seeds, streams = torch.tensor([1, 5]), torch.tensor([7, 8])
    together = hash_bits(seeds[:, None], streams[:, None], index)
    assert torch.equal(together[1], hash_bits(5, 8, index))


def test_uniform_numbers_are_uniform_and_unrelated_between_seeds():
    index = torch.arange(100_000)
    first, second = hash_uniform(1, 0, index), hash_uniform(2, 0, index)
    assert first.min() >= 0 and first.max() < 1
    # Four standard errors of the mean, the variance and the correlation of uniform numbers.
    assert abs(first.mean() - 0.5) < 4 * (1 / 12) ** 0.5 / 100_000**0.5
    assert abs(first.var() - 1 / 12) < 4 * (1 / 180) ** 0.5 / 100_000**0.5
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 4 / 100_000**0.5
    assert abs(torch.corrcoef(torch.stack([first[1:], first[:-1]]))[0, 1]) < 4 / 100_000**0.5


def test_an_order_holds_every_row_once_and_changes_with_the_epoch():
    draws = HashedDraws(7, torch.tensor([1, 2]))
    orders = [draws.order(0, epoch, 100) for epoch in range(3)]
    assert all(torch.equal(order.sort().values, torch.arange(100)) for order in orders)
    assert not torch.equal(orders[0], orders[1])
    assert torch.equal(hash_order(3, 1, 20, torch.device("cpu")), hash_order(3, 1, 20, torch.device("cpu")))


def test_many_orders_at_once_equal_one_at_a_time():
    together = hashed_orders(torch.tensor([7, 8]), torch.tensor([0, 5]), 50)
    assert torch.equal(together[0], HashedDraws(7, torch.zeros(1)).order(0, 0, 50))
    assert torch.equal(together[1], HashedDraws(8, torch.zeros(1)).order(0, 5, 50))


def test_shared_splits_are_the_same_for_every_probe_and_own_splits_are_not():
    labels = torch.arange(200) % 2
    seeds = torch.tensor([1, 2])
    shared, own = HashedDraws(7, seeds), HashedDraws(7, seeds, shared=False)
    assert torch.equal(shared.split(0, labels, 20)[1], shared.split(1, labels, 20)[1])
    assert not torch.equal(own.split(0, labels, 20)[1], own.split(1, labels, 20)[1])


def test_an_own_split_of_two_classes_is_stratified():
    labels = (torch.arange(1000) < 130).long()
    draws = HashedDraws(7, torch.arange(5), shared=False)
    for probe in range(5):
        fit, validation = draws.split(probe, labels, 100)
        assert labels[validation].sum() == 13 and len(validation) == 100
        assert torch.equal(torch.cat([fit, validation]).sort().values, torch.arange(1000))


def test_derived_seeds_are_distinct_and_not_negative():
    seeds = [probe_seed(42, i) for i in range(1000)]
    assert len(set(seeds)) == 1000 and min(seeds) >= 0
