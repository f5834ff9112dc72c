"""The shadow device itself: it computes, and it catches the faults that are planted here."""

import numpy as np
import pytest
import torch
from shadow_cuda import shadow_cuda

CUDA = "cuda:0"


@pytest.fixture
def shadow():
    with shadow_cuda() as device:
        yield device


def _capture(action, stream=None) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        action()
    return graph


def test_numbers_are_real_and_say_where_they_are(shadow):
    a = torch.arange(6.0, device=CUDA).reshape(2, 3)
    b = torch.ones(3, 2).pin_memory().to("cuda:0", non_blocking=True)
    assert (a @ b).tolist() == [[3.0, 3.0], [12.0, 12.0]]
    assert str(a.device) == "cuda:0" and a.is_cuda and a[1].device == a.device
    assert torch.nn.Linear(3, 1).to(CUDA)(a).device == a.device
    with pytest.raises(TypeError, match="use Tensor.cpu"):
        np.asarray(a)


def test_memory_is_counted_and_given_back(shadow):
    a = torch.zeros(1000, device=CUDA)
    view = a[:10]
    del a
    assert shadow.held_bytes == 4000  # the view holds it
    del view
    assert (shadow.held_bytes, shadow.peak_bytes) == (0, 4000)
    shadow.memory_bytes = 5000
    with pytest.raises(torch.OutOfMemoryError):
        torch.zeros(2000, device=CUDA)


def test_every_launch_is_noted_with_its_bytes(shadow):
    a = torch.zeros(10, device=CUDA)
    b = a + 1
    b.mul_(a.expand(3, 10)[0])
    assert [(launch.name, launch.nbytes) for launch in shadow.launches[1:]] == [
        ("aten.add.Tensor", 80),
        ("aten.mul_.Tensor", 80),
    ]


@pytest.mark.parametrize(
    "sync",
    [
        lambda a: a.sum().item(),
        lambda a: a[a > 0],
        lambda a: a.nonzero(),
        lambda a: bool((a > 0).all()),
        lambda a: torch.tensor([1.0, 2.0], device=CUDA),
        lambda a: a[torch.tensor([0, 1])],
        lambda a: a.cpu(),
        lambda a: torch.cuda.synchronize(),
    ],
    ids=["item", "mask", "nonzero", "bool", "host constant", "host index", "cpu", "synchronize"],
)
def test_a_sync_is_noted_and_in_a_capture_it_raises(shadow, sync):
    a = torch.ones(3, device=CUDA)
    sync(a)
    assert sum(shadow.syncs.values()) == 1
    with pytest.raises(RuntimeError, match="not allowed in a capture"):
        _capture(lambda: sync(a))


def test_operands_on_two_devices_raise(shadow):
    a, b = torch.ones(3, device=CUDA), torch.ones(3, device="cuda:1")
    for other in (b, torch.ones(3)):
        with pytest.raises(RuntimeError, match="operands on several devices"):
            a + other
    assert (a + torch.tensor(1.0)).tolist() == [2.0, 2.0, 2.0]  # a number on the host is allowed


def test_a_call_before_cuda_is_started_raises(shadow):
    with pytest.raises(RuntimeError, match="did you call init"):
        torch.cuda.reset_peak_memory_stats(CUDA)
    torch.zeros(1, device=CUDA)
    torch.cuda.reset_peak_memory_stats(CUDA)


def test_a_graph_replays_on_the_memory_that_it_saw(shadow):
    class Counter:
        written = torch.zeros(1, device=CUDA)
        replaced = torch.zeros(1, device=CUDA)

        def step(self):
            self.written += 1
            self.replaced = self.replaced + 1

    counter = Counter()
    graph = _capture(counter.step)
    for _ in range(3):
        graph.replay()
    assert counter.written.item() == 3.0  # the capture itself records and does nothing
    assert counter.replaced is not Counter.replaced and counter.replaced.item() == 1.0


def test_a_capture_of_another_device_raises(shadow):
    b = torch.ones(3, device="cuda:1")
    _capture(lambda: None)  # makes the default stream, on cuda:0
    with torch.cuda.device("cuda:1"):
        with pytest.raises(RuntimeError, match="on cuda:1 in a capture of cuda:0"):
            _capture(lambda: b + 1)
        _capture(lambda: b + 1, stream=torch.cuda.Stream("cuda:1"))


def test_an_asynchronous_copy_holds_nothing_until_it_is_waited_for(shadow):
    landed = torch.empty(2, pin_memory=True)
    landed.copy_(torch.tensor([1.0, 2.0], device=CUDA), non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    assert landed.tolist() != [1.0, 2.0]
    event.synchronize()
    assert landed.tolist() == [1.0, 2.0]
