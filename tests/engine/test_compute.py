"""Where things compute: names that users give, what is refused, and what is put where."""

import pytest
import torch
from torch import nn

import nascence
from nascence.engine.compute import ON_CPU, Compute, computes_in_bf16, devices, find_device
from nascence.errors import SettingError, UnknownNameError
from nascence.tasks.base import Batch


@pytest.fixture
def gpus(monkeypatch):
    """As if there were two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **options: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")


@pytest.fixture
def no_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cuda", r"no GPU that PyTorch can use here.*; give --device cpu"),
        ("cuda:7", "no GPU that PyTorch can use here"),
        ("mps", "Apple's processors, and there is none here"),
    ],
)
def test_what_is_not_here_is_one_sentence(no_gpus, name, told):
    with pytest.raises(SettingError, match=told) as refused:
        Compute.choose(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:x", "cuda:-1", "", "mps:0"])
def test_other_names_are_unknown(name):
    with pytest.raises(UnknownNameError, match="auto, cpu, cuda"):
        Compute.choose(name)


def test_names_of_gpus(gpus):
    assert find_device("auto") == find_device("cuda") == torch.device("cuda", 0)
    assert Compute.choose("cuda:1").name == "GPU 1"
    assert devices()[:3] == [torch.device("cpu"), torch.device("cuda", 0), torch.device("cuda", 1)]
    with pytest.raises(SettingError, match="no GPU number 7 here; there is cuda:0, cuda:1"):
        Compute.choose("cuda:7")
    with pytest.raises(SettingError, match="GPU 1 does not compute in bf16; leave --precision at fp32"):
        Compute.choose("cuda:1", "bf16")


def test_auto_without_a_gpu_is_the_cpu(no_gpus):
    assert Compute.choose("auto") == Compute.choose() == ON_CPU
    assert devices() == [torch.device("cpu")]
    assert computes_in_bf16(torch.device("cpu"))
    with pytest.raises(UnknownNameError, match="bf16, fp32"):
        Compute.choose("cpu", "fp16")


def test_what_a_run_keeps_comes_back(no_gpus):
    compute = Compute.choose("cpu", "bf16", channels_last=True)
    assert Compute.restored(compute.describe()) == compute
    assert Compute.restored(None) == ON_CPU
    begun = {"device": "cuda:0", "precision": "fp32", "name": "A GPU"}
    with pytest.raises(SettingError, match=r"begun on A GPU. There is no GPU.* runs resume DIR --device cpu"):
        Compute.restored(begun)
    assert Compute.restored(begun, "cpu") == ON_CPU


@pytest.mark.parametrize("device", devices())
def test_things_are_placed(device):
    compute = Compute(device=device, channels_last=True)
    x_BCHW = torch.zeros(2, 3, 4, 4)
    placed = compute.place({"x": [x_BCHW, (x_BCHW, "text", 3)], "batch": Batch((x_BCHW,), torch.zeros(2))})
    assert placed["x"][0].device.type == device.type
    assert placed["x"][0].is_contiguous(memory_format=torch.channels_last)
    assert placed["x"][1][1:] == ("text", 3)
    assert placed["batch"].inputs[0].is_contiguous(memory_format=torch.channels_last)
    assert placed["batch"].target.device.type == device.type
    network = nn.Conv2d(3, 4, 3)
    assert compute.place(network) is network
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
    assert network.weight.device.type == device.type


@pytest.mark.parametrize("device", devices())
def test_bf16_computes_in_it_and_keeps_weights_in_float32(device):
    if not computes_in_bf16(device):
        pytest.skip("this device has no bf16")
    compute = Compute(device=device, precision="bf16")
    layer = compute.place(nn.Linear(3, 4))
    with compute.autocast():
        assert layer(torch.zeros(2, 3, device=device)).dtype == torch.bfloat16
    with compute.plain().autocast():
        assert layer(torch.zeros(2, 3, device=device)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_time_waits_for_the_device(monkeypatch):
    told = []
    monkeypatch.setattr(Compute, "synchronise", lambda self: told.append("waited"))
    times = iter([10.0, 12.5])

    def clock():
        told.append("looked")
        return next(times)

    assert ON_CPU.time(lambda: told.append("called"), clock) == 2.5
    assert told == ["waited", "looked", "called", "waited", "looked"]


def test_shares_of_a_batch_make_the_whole():
    batch = Batch((torch.arange(7.0)[:, None],), torch.arange(7), torch.ones(7, dtype=torch.bool))
    shares = [batch.share(rank, 3) for rank in range(3)]
    assert torch.cat([share.target for share in shares]).tolist() == list(range(7))
    assert sum(share.part for share in shares) == pytest.approx(1.0)
    assert all(share.counts for share in shares)
    whole = sum(share.part * share.inputs[0].mean() for share in shares)
    assert float(whole) == pytest.approx(3.0), "means of shares, weighed, are the mean"
    small = [batch.share(rank, 4) for rank in range(4)]  # fewer than two examples for each
    assert [share.counts for share in small] == [True, False, False, False]
    assert sum(share.part for share in small) == 1
    assert all(len(share.target) == 7 for share in small)


def test_one_process_averages_with_nobody():
    gradient = torch.ones(3)
    ON_CPU.average([gradient], 0.25)
    assert gradient.tolist() == [1, 1, 1]
    assert ON_CPU.add({"count": torch.tensor(3)}) == {"count": torch.tensor(3)}


def test_scores_and_latencies_say_where_they_are_of():
    text = "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"
    (scored,) = nascence.score([text], ["params"], data="digits", precision="bf16")
    assert scored["device"] == ON_CPU.name
    found = nascence.measure(
        text, data="digits", channels=4, depth=1, precision="bf16", repeats=2, warm_up=0, onnx=False, threads=1
    )
    (latency,) = (cost for cost in found["costs"] if cost["name"].startswith("latency"))
    assert latency["name"] == "latency-ms, PyTorch in bf16"
    assert ON_CPU.name in latency["device"]
    with pytest.raises(UnknownNameError, match="device"):
        nascence.score([text], ["params"], data="digits", device="gpu")
    with pytest.raises(UnknownNameError, match="device"):
        nascence.measure(text, data="digits", device="gpu")
