import pytest

from nascence.errors import SettingError
from nascence.strategies.descent.stages import Stage, parse_stages, timetable


def test_progressive_stages():
    assert parse_stages(("25:7:6", " 25:4:4 "), 10) == (
        Stage(epochs=25, warmup=10, keep=7, partial=6),
        Stage(epochs=25, warmup=10, keep=4, partial=4),
    )


@pytest.mark.parametrize("text", ["25", "25:7", "25:7:6:1", "a:b:c", "25:7:-1", "", "0:7:6", "25:0:6", "25:7:0"])
def test_no_stage(text):
    with pytest.raises(SettingError):
        parse_stages((text,))


@pytest.mark.parametrize("texts", [("5:3:2", "5:4:2"), ("5:5:2", "5:5:4")])
def test_stages_that_grow_back(texts):
    with pytest.raises(SettingError, match="only fall or stay"):
        parse_stages(texts)


def test_a_warm_up_longer_than_its_stage():
    with pytest.raises(SettingError, match="warm-up of 6"):
        parse_stages(("5:5:1",), 6)


def test_the_timetable():
    epochs = timetable((Stage(epochs=3, warmup=1), Stage(epochs=2, warmup=2, keep=3), Stage(epochs=2, restart=True)))
    moments = [epoch.moment for epoch in epochs]
    assert [(m.epoch, m.stage, m.stage_epoch, m.frozen) for m in moments] == [
        (0, 0, 0, True),
        (1, 0, 1, False),
        (2, 0, 2, False),
        (3, 1, 0, True),
        (4, 1, 1, True),
        (5, 2, 0, False),
        (6, 2, 1, False),
    ]
    assert {m.epochs for m in moments} == {7}
    assert [m.stage_epochs for m in moments] == [3, 3, 3, 2, 2, 2, 2]
    assert [(e.cosine_at, e.cosine_of) for e in epochs] == [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (0, 2), (1, 2)]
