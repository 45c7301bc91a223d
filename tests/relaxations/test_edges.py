import torch

from nascence.costs import Budget
from nascence.relaxations import EdgeNormalised, Softmax
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")


def relaxation(space, scale=1.0):
    return EdgeNormalised(Softmax(space, space.operations, scale=scale), scale=scale)


def test_shares_sum_to_one_over_the_edges_into_each_node():
    for space in (NB201, DARTS):
        for kind, logs in relaxation(space).log_shares().items():
            for node in range(space.shape.inputs, space.shape.inputs + space.shape.nodes):
                into = space.shape.edges_into(node)
                torch.testing.assert_close(logs[into].exp().sum(), torch.tensor(1.0))
                torch.testing.assert_close(
                    logs[into], relaxation(space).parameters[f"{kind}/edges"][into].log_softmax(0)
                )


def test_a_row_of_weights_sums_to_the_share_of_its_edge():
    made = relaxation(DARTS)
    for kind, weights in made.sample(generator(0)).items():
        torch.testing.assert_close(weights.sum(1), made.log_shares()[kind].exp())


def test_uniform_shares_are_darts_up_to_the_number_of_inputs():
    """PC-DARTS with b = 0 and K = 1 is DARTS, each node's sum divided by its number of edges."""
    made = relaxation(NB201)
    with torch.no_grad():
        made.parameters["cell/edges"].zero_()
    plain = made.inner.mean()["cell"]
    degree = torch.tensor([float(target) for _, target in NB201.shape.edges])
    torch.testing.assert_close(made.mean()["cell"], plain / degree[:, None])
    config = NetworkConfig(channels=4, depth=1, affine=False)
    supernet = CellSupernet(NB201, config, num_classes=4).double()
    x = torch.randn(2, 3, 8, 8, generator=generator(0), dtype=torch.float64)
    scaled = {"cell": (plain / degree[:, None]).double()}
    assert torch.allclose(supernet(x, {"cell": made.mean()["cell"].double()}), supernet(x, scaled), rtol=1e-6)


def test_architectures_come_from_the_products():
    made = relaxation(DARTS)
    budget = Budget().bind(DARTS, NetworkConfig(channels=4, depth=2), threads=1)
    chosen = DARTS.edge_operations(budget.best(made.scores()))
    for kind, edges in chosen.items():
        products = made.mean()[kind][:, 1:].max(1).values
        for node in range(2, 6):
            into = DARTS.shape.edges_into(node)
            kept = sorted(into[at] for at in products[into].topk(2).indices.tolist())
            assert kept == [at for at in into if at in edges]


def test_both_kinds_of_parameters_get_gradients_and_are_kept_in_the_state():
    made = relaxation(NB201)
    (made.sample(generator(0))["cell"] * torch.randn(6, 5, generator=generator(1))).sum().backward()
    grads = {name: value.grad for name, value in made.parameters.items()}
    assert set(grads) == {"cell", "cell/edges"}
    assert (grads["cell"] != 0).all()
    assert grads["cell/edges"][0].abs() < 1e-6, "the first node has a single edge"
    assert (grads["cell/edges"][1:] != 0).all()
    other = relaxation(NB201, scale=0.1)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.mean()["cell"], made.mean()["cell"])
    made.keep(2)
    assert ((made.mean()["cell"] != 0).sum(1) == 2).all()
