"""Rows of the gate that change an encoder without changing what it knows: nothing may move. For any encoder.

The measures of the first version go through the same changes, so that one sees which of them move.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders.load import load_encoder
from satgpu.geometry.labels import make_labels
from satgpu.geometry.sampling import uniform_on_sphere
from satgpu.geometry.sphere import unit_vectors
from satgpu.probes import MLPProbes
from satgpu.readouts.circles import CircleDesign
from satgpu.readouts.levels import cutoff_degree
from satgpu.readouts.similarity import kernel_resolution
from satgpu.validation.gate import Check, Row, Size, generator
from satgpu.validation.gate_transfer import measure
from satgpu.validation.planted import HarmonicMix, white_noise

Change = Callable[[Tensor, Tensor, float], Tensor]  # (places, embeddings, spread) to embeddings


def _one_huge(_: Tensor, Z: Tensor, spread: float) -> Tensor:
    return torch.cat([Z[:, :1] * 1e6, Z[:, 1:]], 1)


def _duplicated(_: Tensor, Z: Tensor, spread: float) -> Tensor:
    return torch.cat([Z, Z[:, : max(1, Z.shape[1] // 8)]], 1)


def _rotated(_: Tensor, Z: Tensor, spread: float) -> Tensor:
    return Z @ torch.linalg.qr(_square(Z)).Q


def _mapped(_: Tensor, Z: Tensor, spread: float) -> Tensor:
    return Z @ _square(Z)


def _noisy(share: float) -> Change:
    return lambda places, Z, spread: Z + share * spread * white_noise(places, Z.shape[1]).to(Z)


def _square(Z: Tensor) -> Tensor:
    return torch.randn(Z.shape[1], Z.shape[1], generator=generator(7), dtype=torch.float64).to(Z.device)


CHANGES: dict[str, Change] = {
    "offset of 10 rms": lambda p, Z, spread: Z + 10 * spread,
    "scale 1e4": lambda p, Z, spread: Z * 1e4,
    "one dimension × 1e6": _one_huge,
    "an eighth of the dimensions twice": _duplicated,
    "float16": lambda p, Z, spread: Z.half().double(),
    "rotation": _rotated,
}
NOISES: dict[str, Change] = {f"white noise of {share:.0%} added": _noisy(share) for share in (0.01, 0.1)}


def changed(encoder: Callable, change: Change) -> Callable:
    """The encoder with its embeddings, in float64, changed; their spread is the root mean variance of a dimension."""
    sample = torch.as_tensor(encoder(uniform_on_sphere(2000, generator(11)))).double()
    spread = float((sample - sample.mean(0)).square().mean().sqrt())
    return lambda lonlat_deg: change(lonlat_deg, torch.as_tensor(encoder(lonlat_deg)).double(), spread)


def _encoder(size: Size, given: Callable | None) -> Callable:
    """The given encoder; otherwise an untrained SIREN, or a small mix in the tests."""
    return given or (HarmonicMix.flat(6, 20) if size.small else load_encoder("untrained-l10", device="cpu"))


def _share_under(change: Change) -> Callable:
    def rows(size: Size, given: Callable | None) -> list[Check]:
        encoder = _encoder(size, given)
        options = {"replicates": 1, "l_max": 12 if size.small else 40}
        plain, moved = (measure(e, size, **options) for e in (encoder, changed(encoder, change)))
        worst = int(np.abs(moved.share - plain.share).argmax())
        return [
            Check(
                f"share at l = {worst + 1}, where it moves most", float(plain.share[worst]), float(moved.share[worst])
            ),
            Check("capacity / rank", plain.capacity / plain.rank, moved.capacity / plain.rank),
        ]

    return rows


def _never_raised(size: Size, given: Callable | None) -> list[Check]:
    encoder = _encoder(size, given)
    options = {"replicates": 1, "l_max": 12 if size.small else 40}
    plain = measure(encoder, size, **options)
    gains = {name: measure(changed(encoder, c), size, **options).share - plain.share for name, c in NOISES.items()}
    return [Check(f"{name}: most gained at any degree", 0.0, float(gain.max())) for name, gain in gains.items()]


def _ceiling_under_maps(size: Size, given: Callable | None) -> list[Check]:
    encoder = _encoder(size, given)
    options = {"replicates": 1, "l_max": 12 if size.small else 40}
    both = (changed(encoder, lambda p, Z, spread: Z), changed(encoder, _mapped))
    plain, moved = (measure(e, size, **options).ceiling for e in both)
    return [Check("largest move of the ceiling", 0.0, float(np.abs(plain - moved).max()))]


def _below_the_bounds(size: Size, given: Callable | None) -> list[Check]:
    encoder = _encoder(size, given)
    options = {"n_labels": min(size.n_labels, 1000), "replicates": 1, "l_max": 12 if size.small else 30}
    bound = measure(None, size, reader="coordinates", **options)
    checks = []
    for reader in ("linear", "neighbours"):
        curve = measure(encoder, size, reader=reader, **options)
        checks.append(Check(f"{reader}: most above the bound", 0.0, float((curve.share - bound.bound).max())))
        above = max(curve.composite[prior] - bound.composite_bound[prior] for prior in curve.composite)
        checks.append(Check(f"{reader}: composite, most above", 0.0, above))
    return checks


def half_similarity_km(encoder: Callable, size: Size) -> float:
    """The first version's half similarity, uncentred."""
    return _kernel(encoder, size).half_similarity_km


def extent_km(encoder: Callable, size: Size) -> float:
    """The first version's 180 degrees / l90."""
    return _kernel(encoder, size).spectral_km


def checkerboard_km(encoder: Callable, size: Size) -> float:
    """The first version's probe resolution: cells of a checkerboard at which an MLP's skill falls below ½."""
    n = 1000 if size.small else 2500
    places = uniform_on_sphere(2 * n, generator(3))
    scales_km = torch.logspace(np.log10(4000), np.log10(250), 9, dtype=torch.float64)
    labels = make_labels("checkerboard", places, scales_km)
    Z = torch.as_tensor(encoder(places)).float()
    probes = MLPProbes(early_stopping=True).fit(Z[:n], labels[:, :n])
    skill = 2 * np.asarray(probes.score(Z[n:], labels[:, n:])) - 1
    below = np.flatnonzero(skill < 0.5)
    if not len(below) or not below[0]:
        return float("nan") if len(below) else float(scales_km[-1])
    i = below[0]
    at = np.interp(0.5, [skill[i], skill[i - 1]], np.log(scales_km[[i, i - 1]].numpy()))
    return float(np.exp(at))


def _kernel(encoder: Callable, size: Size):
    design = CircleDesign() if not size.small else CircleDesign(circles=8)
    return kernel_resolution(encoder, design=design)


def _former(name: str, former: Callable) -> Row:
    changes = {k: v for k, v in (CHANGES | NOISES).items() if k != "rotation"}

    def rows(size: Size, given: Callable | None) -> list[Check]:
        encoder = _encoder(size, given)
        plain = former(encoder, size)
        return [Check(f"{what}, km", plain, former(changed(encoder, change), size)) for what, change in changes.items()]

    return Row(name, "the same number under every change", rows, 20.0, None, of_any_encoder=True, former=True)


def _noisy_xyz(size: Size, _) -> list[Check]:
    return [
        Check(
            f"{share:.0%} of the power is noise: cut-off, degrees", 1.0, cutoff_degree(_curve_of_noisy_xyz(share, size))
        )
        for share in (0.0, 0.08, 0.16)
    ]


def _curve_of_noisy_xyz(share: float, size: Size) -> np.ndarray:
    return measure(changed(unit_vectors, _noisy((share / (1 - share)) ** 0.5)), size, replicates=1, l_max=12).share


def _former_extent_of_noisy_xyz(size: Size, _) -> list[Check]:
    plain = extent_km(unit_vectors, size)
    return [
        Check(f"{share:.0%} of the power is noise, km", plain, extent_km(changed(unit_vectors, _noisy(ratio)), size))
        for share in (0.08, 0.16)
        for ratio in ((share / (1 - share)) ** 0.5,)
    ]


ROWS = [
    *(
        Row(name, "nothing moves", _share_under(change), 0.01, 0.03, of_any_encoder=True)
        for name, change in CHANGES.items()
    ),
    Row("noise added", "never raises a share", _never_raised, 0.01, 0.03, below=True, of_any_encoder=True),
    Row("every invertible linear map", "the ceiling stays", _ceiling_under_maps, 1e-6, 1e-6, of_any_encoder=True),
    Row("bounds", "no reader above them", _below_the_bounds, 0.01, 0.05, below=True, of_any_encoder=True),
    Row("xyz with noise", "still ends at degree 1", _noisy_xyz, 0.0, 0.0),
    _former("first version: half similarity", half_similarity_km),
    _former("first version: 180°/l90", extent_km),
    Row(
        "first version: 180°/l90, xyz with noise",
        "the same number whatever the noise",
        _former_extent_of_noisy_xyz,
        20.0,
        former=True,
    ),
    _former("first version: MLP on a checkerboard", checkerboard_km),
]
