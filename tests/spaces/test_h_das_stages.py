import pytest
import torch

from nascence.errors import ArchitectureError
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.h_das_stages import EDGES, HDASStages, sources
from nascence.testing.conformance import SpaceConformance
from nascence.testing.relaxable import RelaxableSpaceConformance

SPACE = get_space("h-das-stages")
SEARCHED = (
    "[S0 S1][S0 S1][S1 M2][M2 S4][M3 S5][M4 S6];[M0 M1][S0 S1][S1 S2][M2 S3][S3 M5][A4 S6];"
    "[S0 S1][S1 S2][S2 S3][M2 S3][M3 S5][M4 M5]"
)
CHAIN = ";".join(["[S0 S1][S1 S2][S2 S3][S3 S4][S4 S5][S5 S6]"] * 3)


class TestConformance(SpaceConformance, RelaxableSpaceConformance):
    space = SPACE
    supernet_size = "search-small"
    relaxed = 3


def test_windows_of_three():
    assert [list(sources(node)) for node in range(4)] == [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert len(EDGES) == 2 + 7 * 3


def test_the_papers_wiring():
    architecture = SPACE.parse(SEARCHED)
    assert str(architecture) == SEARCHED
    assert SPACE.canonical(architecture) == architecture
    assert SPACE.wiring(architecture)[0][2] == [("skip_connect", 1), ("max_pool_3x3", 2)]


def test_depths():
    """Check (d): the longest path; nothing that the window allows is as shallow as six cells side by side."""
    assert SPACE.depths(SPACE.parse(CHAIN)) == [6, 6, 6]
    assert SPACE.depths(SPACE.parse(SEARCHED)) == [5, 4, 4]
    assert min(min(SPACE.depths(SPACE.sample(generator(seed)))) for seed in range(30)) >= 2


def test_what_no_cell_reads_does_not_count():
    """Two architectures that differ in an edge nobody kept compute the same, and have one canonical form."""
    one = SPACE.parse(SEARCHED)
    names = [choice.name for choice in SPACE.choices]
    answers = list(one.answers)
    answers[names.index("stage1/7<-8")] = "avg_pool_3x3"
    other = SPACE.architecture(answers)
    assert other != one
    assert SPACE.canonical(other) == one
    first, second = (SPACE.build(a, network="search-small", seed=1).eval() for a in (one, other))
    x = torch.randn(1, 3, 8, 8, generator=generator(0))
    with torch.no_grad():
        assert torch.equal(first(x), second(x))


def test_cells_of_ones_own():
    darts = get_space("darts")
    own = HDASStages(str(darts.sample(generator(4))))
    assert own.cells != SPACE.cells
    network = own.build(own.parse(CHAIN), network="search-small")
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_the_last_two_cells_side_by_side():
    """16 channels at 32 x 32: 32 times as many features for the classifier (dossier, 3.2)."""
    network = SPACE.build(SPACE.parse(CHAIN), network="search")
    assert network.classifier.in_features == 32 * 16


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[S0 S1]", "three stages of 4 to 8 cells"),
        (CHAIN.replace("[S5 S6]", "[S5 S5]", 1), "reads two different ones of the states 4, 5, 6"),
        (CHAIN.replace("[S5 S6]", "[S0 S6]", 1), "cell 6 of stage1 reads two different ones"),
    ],
)
def test_bad_texts(text, said):
    with pytest.raises(ArchitectureError, match=said):
        SPACE.parse(text)
