import json
import os

import pytest
import torch

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.policy import Policy, SubPolicy, uniform_policy


def test_each_image_gets_a_sub_policy_in_proportion_to_the_weights():
    policy = Policy((SubPolicy((("Invert", 1.0, 0.0),), 3.0), SubPolicy((), 1.0)))
    x = torch.zeros(2000, 1, 1, 1)
    changed = policy(x, generator(0))
    assert float(changed.mean()) == pytest.approx(0.75, abs=0.04)
    assert (x == 0).all()


def test_steps_have_chances_of_their_own():
    policy = Policy((SubPolicy((("Invert", 0.3, 0.0), ("Invert", 1.0, 0.0))),))
    assert float(policy(torch.zeros(2000, 1, 1, 1), generator(1)).mean()) == pytest.approx(0.7, abs=0.04)


def test_it_follows_from_the_generator_alone():
    x = torch.rand(8, 3, 8, 8, generator=generator(0))
    state = torch.get_rng_state()
    one, two = (uniform_policy()(x, generator(4)) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)


def test_files(tmp_path):
    policy = Policy((SubPolicy((("Rotate", 0.5, 0.25), ("Color", 1.0, 0.0)), 2.0),))
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(policy.to_json()))
    assert Policy.load(path) == policy
    path.write_text(json.dumps({"architecture": "x", "policy": policy.to_json()}))
    assert Policy.load(path) == policy, "the record of a search that found one"


def test_of_a_run(tmp_path):
    """What its training used comes before what its search found."""
    found, used = uniform_policy(0.5), uniform_policy(0.25)
    with pytest.raises(DataError, match="has no policy: neither its search found one"):
        Policy.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"method": "daas", "training": {"seed": 0}}))
    (tmp_path / "architecture.json").write_text(json.dumps({"policy": found.to_json()}))
    assert Policy.load(tmp_path) == found
    (tmp_path / "config.json").write_text(json.dumps({"training": {"policy": used.to_json()}}))
    assert Policy.load(tmp_path) == used
    (tmp_path / "config.json").write_text(json.dumps({"training": {"policy": {**used.to_json(), "version": 9}}}))
    with pytest.raises(DataError, match=r"config\.json: This policy is of version 9"):
        Policy.load(tmp_path)


GOOD = uniform_policy().to_json()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "This is no policy"),
        ({**GOOD, "version": 9}, "is of version 9, and this program reads version 1"),
        ({**GOOD, "sub_policies": [{"weight": 1, "steps": [["Melt", 1, 1]]}]}, "has the operation 'Melt'; known are"),
        ({**GOOD, "sub_policies": [{"weight": 1, "steps": [["Rotate", 2, 1]]}]}, "are in 0 to 1, not 2.0, 1.0"),
        ({**GOOD, "sub_policies": []}, "needs a sub-policy with a weight above 0"),
        ({**GOOD, "sub_policies": [{"weight": -1, "steps": []}, {"weight": 2, "steps": []}]}, "at least 0, not -1.0"),
        ({**GOOD, "sub_policies": 3}, "policy is damaged: sub_policies: input should be a valid list"),
        ({**GOOD, "sub_policies": [{"steps": []}]}, "is damaged: sub_policies.0.weight: field required"),
        ({**GOOD, "sub_policies": [{"weight": "1", "steps": []}]}, "weight: input should be a valid number"),
        ({**GOOD, "sub_policies": [{"weight": 1, "steps": [["Rotate", 1]]}]}, "steps.0.2: field required"),
        ({**GOOD, "sub_policies": [{"weight": 1, "steps": [["Rotate", True, 1]]}]}, "should be a valid number"),
        ({**GOOD, "sub_policies": [{"weight": 1, "steps": []}] * 10_001}, "at most 10000 items"),
        ({**GOOD, "sub_policies": [{"weight": 1e308, "steps": []}] * 9}, "weights of a finite sum"),
        ({**GOOD, "sub_policies": [{"weight": float("nan"), "steps": []}]}, "number that is not finite"),
    ],
)
def test_bad_files(tmp_path, value, said):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(value))
    with pytest.raises(DataError, match=said):
        Policy.load(path)


def test_no_file_and_no_json(tmp_path):
    with pytest.raises(DataError, match="Cannot read"):
        Policy.load(tmp_path / "none.json")
    (tmp_path / "text").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"text is damaged: it is nested"):
        Policy.load(tmp_path / "text")
    with pytest.raises(DataError, match="has no policy: neither its search"):
        Policy.load(tmp_path)


def test_a_pipe_that_nobody_writes_into_is_no_policy(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"pipe is damaged|nothing came"):
        Policy.load(tmp_path / "pipe")
