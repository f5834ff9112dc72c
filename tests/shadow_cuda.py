"""A CUDA device made of CPU memory: tensors say ``cuda:N``, numbers are real, and what would fail on a GPU raises here.

    with shadow_cuda() as shadow:
        train(...)            # device="cuda" exists, twice
        shadow.syncs          # where the host waited
        shadow.launches       # what was started, and how many bytes it read and wrote

These raise: operands on several devices; a sync, or a launch on another device, inside a
capture; a call that needs CUDA before anything has started it; NumPy on a device tensor. What would go wrong in
silence does so here too: a captured graph replays on the memory it saw, so a tensor that was replaced instead of
written stays as it was; an asynchronous copy to the host holds no numbers until its event has been waited for.

A graph is the list of operations recorded in its capture.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

import satgpu
from satgpu.probes.gpu import fused

aten = torch.ops.aten
_PACKAGE = str(Path(satgpu.__file__).parent) + "/"
_LOOKS_AT_VALUES = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.repeat_interleave.Tensor,
    aten.bincount.default,
    aten.one_hot.default,
}
_INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
_TO, _COPY = aten._to_copy.default, aten.copy_.default
_NOT_LANDED = -77  # what a host buffer holds until its copy has been waited for


class _Block:
    """Device memory of one allocation; freed with the last tensor that reads it."""

    def __init__(self, shadow: "Shadow", nbytes: int):
        self.shadow, self.nbytes = shadow, nbytes
        shadow.held_bytes += nbytes
        shadow.peak_bytes = max(shadow.peak_bytes, shadow.held_bytes)

    def __del__(self):
        self.shadow.held_bytes -= self.nbytes


class ShadowTensor(torch.Tensor):
    """C++ takes it for a tensor on "meta", Python for one on ``place``; its numbers are in ``elem``."""

    @staticmethod
    def __new__(cls, elem, place, block):
        like = {"strides": elem.stride(), "dtype": elem.dtype, "storage_offset": elem.storage_offset()}
        tensor = torch.Tensor._make_wrapper_subclass(cls, elem.size(), device="meta", **like)
        tensor.elem, tensor.place, tensor.block = elem, place, block
        return tensor

    device = property(lambda self: self.place)
    is_cuda = property(lambda self: True)
    is_meta = property(lambda self: False)
    is_cpu = property(lambda self: False)
    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if Shadow.active is None:
            raise RuntimeError("a tensor of the shadow device was used after the device had gone")
        return Shadow.active.run(func, args, kwargs or {})

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        # C++ would make a tensor on "meta" of a list, without its numbers.
        parts = tuple(torch.tensor(part).to(self.device) if isinstance(part, list) else part for part in parts)
        return super().__getitem__(parts if isinstance(index, tuple) else parts[0])

    def __repr__(self, **_):
        return f"{self.place}: {self.elem!r}"

    def tolist(self):
        return self.cpu().tolist()

    def numpy(self, *_, **__):
        raise TypeError("can't convert a cuda tensor to numpy: use Tensor.cpu() first")

    __array__ = numpy


@dataclass(frozen=True)
class Launch:
    """One operation on the device.

    Attributes:
        name: of the operation or kernel.
        place: file and line of the package that asked for it.
        nbytes: read and written, every operand once.
        allocates: whether it took new memory.
    """

    name: str
    place: str
    nbytes: int
    allocates: bool


class Shadow(TorchDispatchMode):
    """The device's state.

    Attributes:
        syncs: (what, where) and how often the host waited.
        launches: in their order.
        held_bytes, peak_bytes, memory_bytes: in use, the most that was, and all there is.
        is_started: whether something has initialised CUDA.
        before_allocation: called with each allocation's place; may raise.
    """

    active: "Shadow | None" = None

    def __init__(self, memory_bytes: int = 80 << 30):
        super().__init__()
        self.syncs: Counter[tuple[str, str]] = Counter()
        self.launches: list[Launch] = []
        self.held_bytes = self.peak_bytes = 0
        self.memory_bytes = memory_bytes
        self.is_started = False
        self.current, self.latest = torch.device("cuda", 0), None
        self.capture: list | None = None
        self.capture_device: torch.device | None = None
        self.overwritten: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.before_allocation: Callable[[str], None] | None = None
        self._copies: list[tuple[int, torch.Tensor, torch.Tensor]] = []  # to the host, not waited for yet
        self.clock = 0

    def sync(self, what: str) -> None:
        """The host waits for everything."""
        if self.capture is not None:
            raise RuntimeError(f"not allowed in a capture: {what} at {place_in_package()}")
        self.syncs[what, place_in_package()] += 1
        self.land(self.clock)

    def land(self, clock: int) -> None:
        """The copies to the host that were asked for up to ``clock`` arrive."""
        with _disable_current_modes():
            for _, target, value in [copy for copy in self._copies if copy[0] <= clock]:
                target.copy_(value)
        self._copies = [copy for copy in self._copies if copy[0] > clock]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {})

    def run(self, func, args, kwargs):
        """One operation, checked as a CUDA build would and then done on the CPU."""
        flat, spec = tree_flatten((args, kwargs))
        mine = [t for t in flat if isinstance(t, ShadowTensor)]
        host = [t for t in flat if isinstance(t, torch.Tensor) and not isinstance(t, ShadowTensor)]
        place = self._place(args[:1] if func is _COPY else mine, kwargs.get("device"))
        if func is aten.is_pinned.default:
            return getattr(args[0], "pinned", False)
        if func is aten._pin_memory.default:
            return _pinned(args[0].clone())
        if func is _TO and mine and place == mine[0].place and kwargs.get("dtype") in (None, mine[0].dtype):
            return mine[0]
        if place is None and not mine:
            out = func(*args, **{**kwargs, "pin_memory": False} if kwargs.get("pin_memory") else kwargs)
            return _pinned(out) if kwargs.get("pin_memory") else out
        self.is_started, self.latest = True, place or self.latest
        is_async = self._check(func, args, kwargs, place, mine, host)
        plain, options = tree_unflatten([t.elem if isinstance(t, ShadowTensor) else t for t in flat], spec)
        if options.get("device") is not None:
            options["device"] = torch.device("cpu")
        if func is _TO and (place is not None) != bool(mine):
            options.pop("device", None)  # a real copy, not an alias
        if is_async and place is None:
            return self._copy_later(func, plain, options)
        return self._wrap(func, plain, options, place, mine, host)

    def _place(self, mine, wanted) -> torch.device | None:
        """Where the result is: a shadow device, or None for the host."""
        if wanted is None:
            return getattr(mine[0], "place", None) if mine else None
        wanted = torch.device(wanted)
        if wanted.type == "cuda":
            return wanted if wanted.index is not None else self.current
        if wanted.type == "cpu":
            return None
        # "meta": C++ took the place of a tensor that it does not show here, as in ``host.to(on_the_device)``.
        return mine[0].place if mine else self.latest or self.current

    def _check(self, func, args, kwargs, place, mine, host) -> bool:
        """Raise or note what a GPU would; whether the operation is a copy that the host does not wait for."""
        if self.capture is not None and place not in (None, self.capture_device):
            raise RuntimeError(
                f"{func} on {place} in a capture of {self.capture_device}: not recorded, at {place_in_package()}"
            )
        if func in (_TO, _COPY):
            ends = [isinstance(t, ShadowTensor) for t in args[:2]] if func is _COPY else [place is not None, bool(mine)]
            wish = kwargs.get("non_blocking", len(args) > 2 and args[2])
            is_async = bool(wish) and any(getattr(t, "pinned", False) for t in host)
            if ends[0] != ends[1] and not is_async:
                self.sync("copy to the host" if ends[1] else "copy from pageable host memory")
            return is_async and not ends[0]
        if func in _LOOKS_AT_VALUES:
            self.sync(str(func))
        elif func in _INDEXING:
            indices = [i for i in args[1] if i is not None]
            if any(i.dtype in (torch.bool, torch.uint8) for i in indices):
                self.sync("boolean mask as an index")
            if any(not isinstance(i, ShadowTensor) for i in indices):
                self.sync("index on the host")
        elif mine and (any(t.dim() for t in host) or len({t.place for t in mine}) > 1):
            places = sorted({str(t.device) for t in mine + host})
            raise RuntimeError(f"{func}: operands on several devices, {places}, at {place_in_package()}")
        return False

    def _copy_later(self, func, plain, options):
        """A copy into pinned memory: no numbers yet."""
        self.clock += 1
        target = plain[0] if func is _COPY else _pinned(torch.empty_like(plain[0], device="cpu"))
        value = (plain[1] if func is _COPY else plain[0]).clone()
        self._copies.append((self.clock, target, value))
        self.launches.append(Launch("copy to the host", place_in_package(), 2 * _nbytes(value), False))
        return target.fill_(_NOT_LANDED)

    def _wrap(self, func, plain, options, place, mine, host):
        """Do it, note the launch, and put the results on the device."""
        views, fresh = _is_view(func), place is not None and allocates(func)
        if fresh and self.before_allocation is not None:
            self.before_allocation(place_in_package())
        if self.capture is not None:
            self._remember(func, plain, options)
        out = func(*plain, **options)
        nbytes = sum(_nbytes(t) for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor))
        if fresh and self.held_bytes + nbytes > self.memory_bytes:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {nbytes} bytes.")
        if not views and func is not aten._local_scalar_dense.default:
            operands = sum(_nbytes(t.elem) for t in mine)
            written = nbytes if fresh else 0
            self.launches.append(Launch(str(func), place_in_package(), operands + written, fresh))
            if self.capture is not None:
                self.capture.append((func, plain, options, out))
        known = {id(t.elem): t for t in mine}

        def wrapped(value):
            if id(value) in known:
                return known[id(value)]
            if place is None or any(value is t for t in host):
                return value
            block = mine[0].block if views and mine else _Block(self, _nbytes(value))
            return ShadowTensor(value, place, block)

        return tree_map_only(torch.Tensor, wrapped, out)

    def _remember(self, func, plain, options) -> None:
        """What a captured operation is about to write over: a capture records and does nothing."""
        for position, argument in enumerate(func._schema.arguments):
            if argument.alias_info and argument.alias_info.is_write:
                value = options[argument.name] if argument.name in options else plain[position]
                for tensor in tree_flatten(value)[0]:
                    self.overwritten.append((tensor, tensor.clone()))

    def kernel(self, name: str, nbytes: int, action: Callable[[], None]) -> None:
        """A hand-written kernel: ``action`` does its work on plain tensors, now and at each replay."""
        self.launches.append(Launch(name, place_in_package(), nbytes, False))
        if self.capture is not None:
            self.capture.append((action, (), {}, None))
            return
        with _disable_current_modes():
            action()

    def launch(self, kernel, grid, *arguments, **constants) -> None:
        """A Triton kernel, interpreted; stands in for ``fused.launch``."""
        tensors = [argument for argument in arguments if isinstance(argument, torch.Tensor)]
        places = sorted({str(tensor.device) for tensor in tensors})
        if len(places) > 1 or not all(isinstance(tensor, ShadowTensor) for tensor in tensors):
            raise RuntimeError(f"{kernel}: operands on several devices, {places}, at {place_in_package()}")
        plain = [argument.elem if isinstance(argument, ShadowTensor) else argument for argument in arguments]
        self.kernel(kernel.fn.__name__, 0, lambda: kernel[grid](*plain, **constants))


class _Graph:
    """``torch.cuda.CUDAGraph``."""

    def __init__(self, *_, **__):
        self.operations: list = []

    def replay(self) -> None:
        Shadow.active.launches.append(Launch("graph", place_in_package(), 0, False))
        with _disable_current_modes():
            for func, args, kwargs, out in self.operations:
                again = func(*args, **kwargs)
                if out is not None and not _writes(func):
                    for old, new in zip(tree_flatten(out)[0], tree_flatten(again)[0], strict=True):
                        old.copy_(new)


class _Capture:
    """``torch.cuda.graph``; the stream that it takes by default is made once, on the device of that moment."""

    default_stream = None

    def __init__(self, graph, pool=None, stream=None, capture_error_mode="global"):
        if stream is None and _Capture.default_stream is None:
            _Capture.default_stream = _Stream()
        self.graph, self.stream = graph, stream or _Capture.default_stream

    def __enter__(self):
        shadow = Shadow.active
        shadow.sync("begin of a capture")
        shadow.capture, shadow.capture_device = [], self.stream.device

    def __exit__(self, *_):
        shadow = Shadow.active
        self.graph.operations, shadow.capture, shadow.capture_device = shadow.capture, None, None
        with _disable_current_modes():
            for tensor, before in reversed(shadow.overwritten):
                tensor.copy_(before)
        shadow.overwritten.clear()


class _Stream:
    """``torch.cuda.Stream``."""

    def __init__(self, device=None, **_):
        Shadow.active.is_started = True
        self.device = _as_device(device)

    def wait_stream(self, other) -> None:
        """Order on the device; the host goes on."""

    wait_event = wait_stream

    def synchronize(self) -> None:
        Shadow.active.sync("stream.synchronize")


class _Event:
    """``torch.cuda.Event``."""

    def __init__(self, **_):
        self.clock = -1

    def record(self, stream=None) -> None:
        self.clock = Shadow.active.clock

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        """Copies from before the record arrive; later ones do not."""
        shadow = Shadow.active
        if shadow.capture is not None:
            raise RuntimeError(f"not allowed in a capture: event.synchronize at {place_in_package()}")
        shadow.syncs["event.synchronize", place_in_package()] += 1
        shadow.land(self.clock)


class _Use:
    """``torch.cuda.device``."""

    def __init__(self, device):
        self.wanted = _as_device(device)

    def __enter__(self):
        self.before, Shadow.active.current = Shadow.active.current, self.wanted

    def __exit__(self, *_):
        Shadow.active.current = self.before


class _UseStream(_Use):
    """``torch.cuda.stream``."""

    def __init__(self, stream):
        self.wanted = Shadow.active.current if stream is None else stream.device


@contextlib.contextmanager
def shadow_cuda(memory_bytes: int = 80 << 30, triton: bool = False) -> Iterator[Shadow]:
    """Two shadow devices for as long as the block lasts; on them torch trains, or interpreted Triton kernels."""
    shadow = Shadow(memory_bytes)
    before = fused.has_triton, fused.launch
    fused.has_triton, fused.launch = (lambda: triton), shadow.launch
    new = _stand_ins(shadow)
    old = {name: getattr(torch.cuda, name) for name in new}
    lift = torch._C._only_lift_cpu_tensors()
    Shadow.active, _Capture.default_stream = shadow, None
    for name, value in new.items():
        setattr(torch.cuda, name, value)
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="cuda:0") shows its copy from the host
    try:
        with shadow:
            yield shadow
    finally:
        torch._C._set_only_lift_cpu_tensors(lift)
        for name, value in old.items():
            setattr(torch.cuda, name, value)
        Shadow.active = None
        fused.has_triton, fused.launch = before


def _stand_ins(shadow: Shadow) -> dict[str, object]:
    """What ``torch.cuda`` holds meanwhile."""

    def start(*_, **__):
        shadow.is_started = True

    def started(device=None):
        if not shadow.is_started:
            raise RuntimeError(f"Invalid device argument {_as_device(device).index}: did you call init?")

    def held(device=None):
        return shadow.memory_bytes - shadow.held_bytes, shadow.memory_bytes

    return {
        "_lazy_init": start,
        "init": start,
        "is_initialized": lambda: shadow.is_started,
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "Stream": _Stream,
        "Event": _Event,
        "CUDAGraph": _Graph,
        "graph": _Capture,
        "graph_pool_handle": lambda: (0, 1),
        "stream": _UseStream,
        "device": _Use,
        "current_stream": _Stream,
        "current_device": lambda: shadow.current.index,
        "set_device": lambda device: setattr(shadow, "current", _as_device(device)),
        "synchronize": lambda device=None: shadow.sync("cuda.synchronize"),
        "empty_cache": lambda: None,
        "mem_get_info": held,
        "reset_peak_memory_stats": started,
        "max_memory_allocated": lambda device=None: shadow.peak_bytes,
        "memory_allocated": lambda device=None: shadow.held_bytes,
        "get_device_capability": lambda device=None: (9, 0),
        "get_device_name": lambda device=None: "shadow",
        "is_current_stream_capturing": lambda: shadow.capture is not None,
    }


def place_in_package() -> str:
    """``file:line`` of the package's innermost frame."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(_PACKAGE):
            return f"{frame.f_code.co_filename.removeprefix(_PACKAGE)}:{frame.f_lineno}"
        frame = frame.f_back
    return "outside the package"


def _as_device(device) -> torch.device:
    if device is None:
        return Shadow.active.current
    device = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    return device if device.index is not None else Shadow.active.current


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    tensor.pinned = True
    return tensor


@cache
def allocates(func) -> bool:
    """Whether an operation's result takes new memory."""
    return not _is_view(func) and not _writes(func)


@cache
def _is_view(func) -> bool:
    returns = func._schema.returns
    return bool(returns) and all(r.alias_info and not r.alias_info.is_write for r in returns)


@cache
def _writes(func) -> bool:
    schema = getattr(func, "_schema", None)
    return schema is not None and any(a.alias_info and a.alias_info.is_write for a in schema.arguments)


def _nbytes(tensor: torch.Tensor) -> int:
    """Bytes of memory behind a tensor, what is expanded counted once."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return count * tensor.element_size()
