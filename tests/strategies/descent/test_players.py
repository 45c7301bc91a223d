import math

import pytest
import torch

from nascence.errors import NascenceError
from nascence.objectives import TaskLoss
from nascence.relaxations.fixed import FixedArchitecture
from nascence.relaxations.uniform import UniformPath
from nascence.seeding import generator
from nascence.spaces import NetworkConfig
from nascence.strategies.descent.game import Game, Turn
from nascence.strategies.descent.players import WeightsPlayer
from nascence.strategies.descent.settings import Descent, SearchData, WeightSteps
from nascence.strategies.descent.stages import Stage, timetable
from nascence.tasks import ImageClassification, ImageSet
from nascence.testing import toy_space

SPACE = toy_space()
ARCHITECTURE = SPACE.sample(generator(2))
EMPTY = SPACE.parse("none,none,none")
TURN = Turn(timetable([Stage(epochs=1, warmup=1)])[0], 0, 1)


def squares(count=16):
    images = torch.randint(256, (count, 3, 8, 8), generator=generator(0)).to(torch.uint8)
    data = ImageSet(images, torch.arange(count) % 4)
    return ImageClassification("squares", tuple("abcd"), data, data, (0.4,) * 3, (0.2,) * 3)


def player(relaxation=None, resting=False, remedy=None, **weights):
    task = squares()
    steps = WeightSteps(learning_rate=0.1, weight_decay=0.1, **weights)
    descent = Descent(weights=steps, data=SearchData(batch_size=8))
    relaxation = relaxation or FixedArchitecture(SPACE, ARCHITECTURE)
    game = Game(task, relaxation, descent, {"mine": task.part("train")}, 0, remedy=remedy)
    game.use(SPACE.supernet(NetworkConfig(channels=4), task.signature, seed=0))
    weights_player = WeightsPlayer(game, (TaskLoss(),), resting=resting)
    weights_player.begin()
    return weights_player


def moved(player, steps=1):
    """Names of the weights that steps changed."""
    supernet = player.game.supernet
    before = {name: weight.detach().clone() for name, weight in supernet.named_parameters()}
    for number in range(steps):
        player.play(player.game.batch("mine", number), TURN)
    return {name for name, weight in supernet.named_parameters() if not torch.equal(weight, before[name])}


def test_weights_that_rest_neither_decay_nor_follow_their_momentum():
    decaying, resting = player(), player(resting=True)
    ran = moved(resting)
    idle = {name for name, weight in resting.game.supernet.named_parameters() if bool(weight.any())} - ran
    assert ran
    assert idle
    assert moved(decaying) >= ran | idle
    for each in (decaying, resting):
        each.game.relaxation = FixedArchitecture(SPACE, EMPTY)
    assert ran & moved(decaying) > ran & moved(resting), "of what the first architecture ran alone"


def test_random_numbers_can_be_given():
    drawn = []

    def draw(random):
        drawn.append(torch.rand((), generator=random).item())
        return ARCHITECTURE

    weights = player(UniformPath(SPACE, draw=draw))
    batch = weights.game.batch("mine", 0)
    weights.play(batch, TURN, generator(5))
    weights.play(batch, TURN)
    weights.play(batch, TURN)
    given, of_turn, again = drawn
    assert given == torch.rand((), generator=generator(5)).item()
    assert of_turn == again != given


def test_the_rate_falls_along_a_cosine():
    steps = WeightSteps(learning_rate=0.3, final_learning_rate=0.1)
    assert [steps.rate(position, 4) for position in (0, 2, 4)] == pytest.approx([0.3, 0.2, 0.1])
    assert steps.rate(1, 4) == pytest.approx(0.1 + 0.2 * (1 + math.cos(math.pi / 4)) / 2)


@pytest.mark.parametrize(("remedy", "said"), [(None, "learning_rate=0.01"), ("go home", "go home")])
def test_a_loss_that_is_no_number_says_what_to_try(remedy, said):
    weights = player(remedy=remedy)
    torch.nn.init.constant_(weights.game.weights[0], float("nan"))
    with pytest.raises(NascenceError, match=f"epoch 1, step 1; .*{said}"):
        weights.play(weights.game.batch("mine", 0), TURN)
