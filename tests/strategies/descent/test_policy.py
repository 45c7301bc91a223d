import pytest
import torch

from nascence.costs import Budget
from nascence.errors import DataError, SettingError
from nascence.methods import Problem
from nascence.methods.daas import DAAS
from nascence.relaxations import FixedArchitecture
from nascence.schedules import Constant, Moment
from nascence.seeding import generator
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.game import Turn
from nascence.strategies.descent.policy import DrawnPolicy, PolicyDistribution, PolicyPlayer, score_gradient
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage
from nascence.tasks import load_task
from nascence.tasks.image_operations import IMAGE_OPERATIONS
from nascence.tasks.policy import Policy
from nascence.testing import toy_space
from nascence.testing.toy_graph import toy_graph_task

NAMES = IMAGE_OPERATIONS.names()


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def search(task, **player):
    space = toy_space()
    size = space.networks["search"]
    return BilevelDescent(
        space,
        task,
        FixedArchitecture(space, space.architecture(["nor_conv_3x3"] * 3)),
        lambda partial, seed: space.supernet(size, task.signature, seed=seed),
        stages=(Stage(epochs=2),),
        descent=Descent(batch_size=24, train_images=72, valid_images=72, check_images=0),
        players=(PolicyPlayer(**{"chunks": 4, "wait": 0.0, **player}),),
        budget=Budget().bind(space, size, signature=task.signature),
        seed=0,
    )


def test_probabilities_of_draws():
    made = PolicyDistribution(least=0.4)
    with torch.no_grad():
        made.logits["operations"][0, 3] = 50.0
        made.logits["chances"][:] = -50.0
    draws = [made.draw(generator(0, at)) for at in range(500)]
    assert all(drawn.operations[0] == 3 for drawn in draws)
    assert sum(drawn.applied[0] for drawn in draws) / 500 == pytest.approx(0.4, abs=0.07)
    drawn = DrawnPolicy((3, 0), (2, 9), (True, False))
    expected = torch.tensor([1.0, 0.1, 0.4, 1 / 15, 0.1, 0.6]).log().sum()
    assert float(made.log_probability(drawn).detach()) == pytest.approx(float(expected), rel=1e-4)


def test_the_estimate_is_the_gradient_of_the_expected_reward():
    """Check 1 of the dossier on the operations of the first step: the mean of many estimates is the exact gradient,
    with and without a baseline."""
    made = PolicyDistribution()
    with torch.no_grad():
        made.logits["operations"].copy_(torch.randn(2, 15, generator=generator(1)))
    value = torch.randn(15, generator=generator(2))
    p = made.logits["operations"][0].softmax(-1)
    (exact,) = torch.autograd.grad(-(p * value).sum(), made.logits["operations"])
    picks = torch.multinomial(p.detach(), 200_000, replacement=True, generator=generator(3))
    counts = torch.bincount(picks, minlength=15).double() / 200_000
    for baseline in (0.0, float((p * value).sum().detach())):
        terms = torch.zeros(15, dtype=torch.float64)
        for k in range(15):
            loss = -(float(value[k]) - baseline) * made.log_probability(DrawnPolicy((k, 0), (0, 0), (True, True)))
            (gradient,) = torch.autograd.grad(loss, made.logits["operations"])
            terms += counts[k] * gradient[0].double()
        assert (terms - exact[0]).norm() < 0.02 * exact[0].norm()


def test_advantages_are_normalised_and_entropy_is_rewarded():
    made = PolicyDistribution()
    drawn = [DrawnPolicy((0, 1), (0, 0), (True, True)), DrawnPolicy((2, 3), (0, 0), (True, True))]
    one = score_gradient(made, drawn, [3.0, 1.0], 2.0, 0.0)
    other = score_gradient(made, drawn, [300.0, 100.0], 200.0, 0.0)
    assert float(one.detach()) == pytest.approx(float(other.detach()), rel=1e-5)
    with torch.no_grad():
        made.logits["operations"][0, 0] = 3.0
    (gradient,) = torch.autograd.grad(score_gradient(made, drawn, [1.0, 1.0], 1.0, 1.0), made.logits["operations"])
    assert gradient[0, 0] > 0, "descent lowers the logit that stands out"


def test_one_part_stays_as_it_is_and_the_others_are_changed(digits):
    strategy = search(digits)
    (player,) = strategy.players
    turn = Turn(strategy._plan[0].epoch, 0, 3)
    batch = strategy.game.batch("weights", 0)
    changed = player.transform(batch, strategy.game, turn)
    torch.testing.assert_close(changed.inputs[0][:6], batch.inputs[0][:6])
    assert torch.equal(changed.target, batch.target)
    assert len(player._drawn) == 3
    again = player.transform(batch, strategy.game, turn)
    assert torch.equal(again.inputs[0], changed.inputs[0])


def test_rewards_by_two_passes_are_inner_products_of_gradients(digits):
    """Check 2 of the dossier, in float64."""
    strategy = search(digits)
    (player,), game = strategy.players, strategy.game
    strategy.supernet.double()
    game.use(strategy.supernet)
    turn = Turn(strategy._plan[0].epoch, 0, 3)
    train, validation = (game.batch(name, 0) for name in ("weights", "architecture"))
    train, validation = (type(b)((b.inputs[0].double(),), b.target) for b in (train, validation))
    weights = {"cell": strategy.relaxation.mean()["cell"].double()}
    found = player._rewards(train, validation, game, turn, weights)

    def gradient(rows, batch):
        output = game.evaluate(batch, weights, Moment(0, 1)).output
        losses, _ = game.task.each(output, batch)
        return torch.autograd.grad(losses[rows].double().mean(), game.weights, materialize_grads=True)

    v = gradient(slice(None), validation)
    for at, rows in enumerate(player._parts(24)):
        g = gradient(slice(rows.start, rows.stop), train)
        exact = float(sum((a * b).sum() for a, b in zip(v, g, strict=True)))
        assert found[at] == pytest.approx(exact, rel=2e-2, abs=1e-3)


def test_the_policy_moves_and_the_search_resumes(digits):
    whole, resumed = search(digits), search(digits)
    state = whole.state_dict()
    first = whole.advance()
    assert {"policy_entropy", "policy", "policy_reward", "plain_reward"} <= set(first)
    assert (whole.players[0].distribution.logits["operations"] != 0).any()
    resumed.load_state_dict(state)
    assert resumed.advance() == first
    resumed.load_state_dict(whole.state_dict())
    assert resumed.advance() == whole.advance()
    policy = Policy.from_json(whole.findings()["policy"])
    assert len(policy.sub_policies) == 25


def test_it_waits(digits):
    strategy = search(digits, wait=0.9)
    while not strategy.done:
        strategy.advance()
    assert (strategy.players[0].distribution.logits["operations"] == 0).all()


def test_a_planted_reward_is_found():
    """With rewards for Rotate and against Invert, their probabilities part."""
    made = PolicyDistribution()
    adam = torch.optim.Adam(made.logits.values(), 0.05)
    rotate, inverted = NAMES.index("Rotate"), NAMES.index("Invert")
    for step in range(80):
        draws = [made.draw(generator(step, at)) for at in range(8)]
        rewards = [float(rotate in d.operations) - float(inverted in d.operations) for d in draws]
        adam.zero_grad()
        score_gradient(made, draws, rewards, sum(rewards) / 8, 1e-3).backward()
        adam.step()
    p = made.probabilities()
    assert p["Rotate"] > 2 / 15
    assert p["Invert"] < 1 / 30


def problem(task):
    space = toy_space()
    size = space.networks["search"]
    return Problem(space, task, size, Budget().bind(space, size, signature=task.signature), 0)


def test_the_recipe(digits):
    method = DAAS(
        epochs=1, warmup_epochs=0, batch_size=16, train_images=32, valid_images=32, check_images=0, policy_wait=0.0
    )
    strategy = method.strategy(problem(digits))
    strategy.advance()
    assert strategy.done
    assert strategy.findings()["policy"]["version"] == 1
    alone = DAAS(
        epochs=1, warmup_epochs=0, batch_size=16, architecture="fixed", fixed="nor_conv_3x3,none,skip_connect"
    ).strategy(problem(digits))
    assert str(alone.relaxation.architecture) == "nor_conv_3x3,none,skip_connect"


def test_bad_settings(digits):
    with pytest.raises(SettingError, match="needs both"):
        DAAS(architecture="fixed")
    with pytest.raises(SettingError, match="policy_wait must be at least 0 and at most 1, not 2"):
        DAAS(policy_wait=2.0)
    with pytest.raises(SettingError, match="at least 2 parts"):
        PolicyPlayer(chunks=1, entropy=Constant(0.0))
    with pytest.raises((SettingError, DataError), match="images"):
        search(toy_graph_task())
