"""Encoders that learned nothing: what any comparison of trained encoders must be held against."""

import math

import torch
from torch import Tensor

from satgpu.encoders.base import ChunkedEncoder, Provenance, sha256_of_tensors
from satgpu.encoders.harmonics import check_harmonics, spherical_harmonics
from satgpu.encoders.siren import HarmonicSiren, draw_siren
from satgpu.encoders.spec import number_within, parse_options
from satgpu.errors import UserError
from satgpu.geometry.sphere import EARTH_RADIUS_KM, unit_vectors

# Sizes of the published SatCLIP models.
WIDTH, DIM, HIDDEN_LAYERS = 512, 256, 2
# (512, 300²) float64 first-layer weights are 370 MB.
MAX_UNTRAINED_LEGENDRE_POLYS = 300
_NO_LICENCE = "none needed"
_CHUNK_BYTES = 32 * 2**20


def untrained(spec: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64) -> HarmonicSiren:
    """SatCLIP's architecture with seeded random weights.

    Args:
        spec: ``untrained-lN``, with options ``wN`` (hidden width, 512), ``dN``
            (embedding size, 256), ``layersN`` (hidden layers, 2), ``seedN`` (0) and
            ``closedform`` (textbook harmonics): ``untrained-l40-w256-seed3``.

    Raises:
        UserError: the name cannot be read, or a size is out of bounds.
    """
    meanings = {"l": "Legendre polynomials", "w": "hidden width", "d": "embedding size"}
    meanings |= {"layers": "hidden layers", "seed": "seed of the weights"}
    options = parse_options(spec, meanings, flags=("closedform",))
    number = options.numbers
    legendre_polys = _legendre_polys(spec, number, MAX_UNTRAINED_LEGENDRE_POLYS)
    width = number_within(spec, "the hidden width", number.get("w", WIDTH), 1, 8192)
    dim = number_within(spec, "the embedding size", number.get("d", DIM), 1, 8192)
    hidden = number_within(spec, "the number of hidden layers", number.get("layers", HIDDEN_LAYERS), 1, 16)
    seed = number.get("seed", 0)
    generator = torch.Generator().manual_seed(seed)
    weights = draw_siren(legendre_polys**2, width, dim, hidden, generator)
    name = _untrained_name(legendre_polys, width, dim, hidden, seed, _variant(options.flags))
    source = f"random weights of seed {seed}: {legendre_polys**2} harmonics, {hidden} x {width} sine, {dim}"
    provenance = Provenance(
        name, source, "", sha256_of_tensors(weights.tensors()), False, _NO_LICENCE, legendre_polys, dim
    )
    return HarmonicSiren(weights, provenance, device, dtype, _variant(options.flags))


def untrained_spec(encoder: HarmonicSiren) -> str:
    """The name of the untrained encoder that has this one's architecture."""
    layers = encoder.weights.layers
    return _untrained_name(
        encoder.legendre_polys, layers[0][0].shape[0], encoder.dim, len(layers) - 1, 0, encoder.variant
    )


def _untrained_name(legendre_polys: int, width: int, dim: int, hidden_layers: int, seed: int, variant: str) -> str:
    """The shortest spec, options at their defaults left out, so that one encoder has one name."""
    options = (("w", width, WIDTH), ("d", dim, DIM), ("layers", hidden_layers, HIDDEN_LAYERS), ("seed", seed, 0))
    extras = [f"{key}{value}" for key, value, default in options if value != default]
    flags = ["closedform"] if variant == "closed-form" else []
    return "-".join([f"untrained-l{legendre_polys}", *extras, *flags])


class Harmonics(ChunkedEncoder):
    """The spherical harmonics alone: ``sh-l40``, or ``sh-l40-closedform`` for the textbook values."""

    def __init__(self, spec: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64):
        options = parse_options(spec, {"l": "Legendre polynomials"}, flags=("closedform",))
        legendre_polys = _legendre_polys(spec, options.numbers, 1000)
        self.variant = _variant(options.flags)
        check_harmonics(legendre_polys, self.variant)
        name = "-".join([f"sh-l{legendre_polys}", *options.flags])
        dim = legendre_polys**2
        provenance = Provenance(
            name, f"{self.variant} spherical harmonics", "", "", False, _NO_LICENCE, legendre_polys, dim
        )
        super().__init__(provenance, device, dtype, _CHUNK_BYTES // (8 * dim))

    def _embed(self, lonlat_deg: Tensor) -> Tensor:
        return spherical_harmonics(lonlat_deg, self.provenance.legendre_polys, self.variant)


class UnitVectors(ChunkedEncoder):
    """``xyz``: the coordinates alone, as points on the unit sphere."""

    def __init__(self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64):
        provenance = Provenance("xyz", "unit vectors", "", "", False, _NO_LICENCE, None, 3)
        super().__init__(provenance, device, dtype, _CHUNK_BYTES // (8 * 16))

    def _embed(self, lonlat_deg: Tensor) -> Tensor:
        return unit_vectors(lonlat_deg)


class RandomFourier(ChunkedEncoder):
    """Plane waves of stated wavelengths in random directions through the globe.

    ``rff-500km`` or ``rff-3000km-500km``, with options ``dN`` (embedding size, 256)
    and ``seedN`` (0). Features are cos and sin of 2πR/λ · ⟨direction, unit vector⟩:
    on the ground no wave is shorter than λ. Over directions uniform on the sphere the
    mean of the kernel for one λ is sin(kc)/(kc) with k = 2πR/λ and c the chord
    between the two unit vectors, so the resolution is known by construction.
    """

    def __init__(self, spec: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64):
        meanings = {"d": "embedding size", "seed": "seed of the directions"}
        options = parse_options(spec, meanings, wavelengths=True)
        wavelengths_km = options.wavelengths_km
        if not wavelengths_km:
            raise UserError(f"encoder {spec!r}: give one wavelength or more, such as rff-500km or rff-3000km-500km")
        for wavelength in wavelengths_km:
            number_within(spec, "a wavelength in km", wavelength, 1, 100_000)
        seed, dim = options.numbers.get("seed", 0), options.numbers.get("d", DIM)
        pairs = number_within(spec, "the embedding size", dim, 2 * len(wavelengths_km), 8192) // 2
        if dim % (2 * len(wavelengths_km)):
            wanted = f"a multiple of {2 * len(wavelengths_km)} (a cosine and a sine per wavelength)"
            raise UserError(f"encoder {spec!r}: the embedding size must be {wanted}; got {dim}")
        self.waves = _random_waves(wavelengths_km, pairs // len(wavelengths_km), seed).to(device)
        extras = [f"d{dim}"] * (dim != DIM) + [f"seed{seed}"] * (seed != 0)
        name = "-".join(["rff", *(f"{wavelength}km" for wavelength in wavelengths_km), *extras])
        source = f"random Fourier features of seed {seed}"
        sha256 = sha256_of_tensors([self.waves])
        provenance = Provenance(name, source, "", sha256, False, _NO_LICENCE, None, dim)
        super().__init__(provenance, device, dtype, _CHUNK_BYTES // (8 * dim))

    def _embed(self, lonlat_deg: Tensor) -> Tensor:
        phase = unit_vectors(lonlat_deg) @ self.waves.T
        # √(1/pairs) makes the embedding's dot product the mean over its waves.
        return torch.cat([phase.cos(), phase.sin()], dim=1) * math.sqrt(1 / len(self.waves))


def _random_waves(wavelengths_km: tuple[int, ...], per_wavelength: int, seed: int) -> Tensor:
    """(waves, 3) wave vectors, in radians per unit of the unit sphere."""
    generator = torch.Generator().manual_seed(seed)
    waves = []
    for wavelength in wavelengths_km:
        direction = torch.randn(per_wavelength, 3, generator=generator, dtype=torch.float64)
        direction /= direction.norm(dim=1, keepdim=True)
        waves.append(direction * (2 * math.pi * EARTH_RADIUS_KM / wavelength))
    return torch.cat(waves)


def _legendre_polys(spec: str, numbers: dict[str, int], highest: int) -> int:
    if "l" not in numbers:
        raise UserError(f"encoder {spec!r}: give the number of Legendre polynomials, as in {spec.split('-')[0]}-l40")
    return number_within(spec, "the number of Legendre polynomials", numbers["l"], 1, highest)


def _variant(flags: frozenset[str]) -> str:
    return "closed-form" if "closedform" in flags else "analytic"
