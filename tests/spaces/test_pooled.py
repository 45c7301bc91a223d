"""Networks over a pool of blocks: decoding, text, variation that stays within the pool, counts."""

import pytest
import torch

from nascence.costs import Budget, CostModel, params
from nascence.errors import ArchitectureError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.spaces.eg import KINDS
from nascence.spaces.pooled import BlockPool, PooledNetworks, pool_of

SPACE = get_space("eg")
STACK = SPACE.block_search()


def block(seed):
    return STACK.sample(generator(seed)).answers[:12]


POOL = BlockPool((block(0), block(1), block(2)), (block(3), block(4)))
NETWORKS = PooledNetworks(SPACE, POOL)


def test_eleven_choices_and_their_number():
    assert len(NETWORKS.choices) == 11
    assert NETWORKS.size == 7 * 6**3 * 2**2 * 3**3 * 2**2
    assert [choice.name for choice in NETWORKS.choices][6:] == list(KINDS)
    assert sum(choice.ordered for choice in NETWORKS.choices) == 6, "widths and depths are steps of a scale"


def test_decoding_puts_the_blocks_where_they_belong():
    architecture = NETWORKS.decode(NETWORKS.architecture(("18", "1", "2", "3", "1.5", "2", "2", "1", "0", "0", "1")))
    assert architecture.space == "eg"
    assert architecture.answers[:6] == ("18", "1", "2", "3", "1.5", "2")
    placed = [architecture.answers[6 + 12 * at : 18 + 12 * at] for at in range(5)]
    assert placed == [block(2), block(4), block(0), block(3), block(1)]


def test_encoding_is_the_inverse():
    draws = generator(0)
    for _ in range(50):
        chromosome = NETWORKS.sample(draws)
        assert NETWORKS.encode(NETWORKS.decode(chromosome)) == chromosome
        assert NETWORKS.parse(NETWORKS.format(chromosome)) == chromosome
        assert NETWORKS.format(chromosome) == str(NETWORKS.decode(chromosome))


def test_a_block_from_elsewhere_is_refused():
    with pytest.raises(ArchitectureError, match="not in the pool"):
        NETWORKS.encode(SPACE.sample(generator(9)))


def test_variation_stays_within_the_pool():
    draws = generator(1)
    first, second = NETWORKS.sample(draws), NETWORKS.sample(draws)
    for _ in range(20):
        child = NETWORKS.mutate(NETWORKS.crossover(first, second, draws), draws, 1 / 11)
        assert NETWORKS.encode(NETWORKS.decode(child)) == child


def test_networks_and_costs_are_those_of_the_decoded_architecture():
    chromosome = NETWORKS.architecture(("12", "1", "1", "1", "1.5", "1.5", "0", "0", "1", "1", "2"))
    config = NetworkConfig(channels=8)
    built = NETWORKS.build(chromosome, network=config)
    assert params(built) == params(SPACE.build(NETWORKS.decode(chromosome), network=config))
    networks = CostModel(NETWORKS, config).networks
    assert networks.count("params", chromosome) == params(built)
    with torch.no_grad():
        assert built.eval()(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_a_budget_holds_for_the_pool():
    checker = Budget(max_params=2e5).bind(NETWORKS, SPACE.networks["evaluation"])
    draws = generator(2)
    verdicts = {
        checker.allows(one): checker.model.networks.count("params", one) for one in map(NETWORKS.sample, [draws] * 40)
    }
    assert set(verdicts) == {True, False}
    assert verdicts[True] <= 2e5 < verdicts[False]


def test_a_pool_holds_every_block_once_and_survives_json():
    pool = pool_of([block(0), block(1), block(0)], [block(3), block(3)])
    assert pool == BlockPool((block(0), block(1)), (block(3),))
    assert BlockPool.from_dict(pool.to_dict()) == pool
