"""The user's own network in a report."""

from nascence.reporting.contents import Contents
from nascence.reporting.own import own_network
from nascence.reporting.report import write_report

SOURCE = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
"""


def test_what_is_left_and_what_was_left_whole(tmp_path):
    import nascence

    (tmp_path / "net.py").write_text(SOURCE)
    found = nascence.search("random", model=tmp_path / "net.py", data="digits", out=tmp_path / "run", progress=False)
    text = own_network(Contents.read(found.run.path))
    assert "Thinned from net.py:build" in text
    assert "8 units" in text
    assert "its channels are the network&#x27;s outputs" in text or "its channels are the network's outputs" in text
    page = write_report(found.run.path, cloud_size=0).read_text()
    assert "What is left of your network" in page


def test_other_networks_have_no_such_part(tmp_path):
    import nascence

    found = nascence.search("random", data="digits", out=tmp_path / "run", progress=False)
    assert own_network(Contents.read(found.run.path)) == ""
