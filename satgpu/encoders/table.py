"""Precomputed embeddings: a table looked up by place, exactly or within a stated distance."""

import math
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders.base import ChunkedEncoder, Provenance
from satgpu.encoders.checkpoint import sha256_of_file
from satgpu.errors import UserError
from satgpu.geometry.sphere import EARTH_RADIUS_KM, unit_vectors

TABLE_SUFFIXES = (".csv", ".npz", ".parquet")
# "Exact" is within a millimetre: what printing and reading degrees may move a point.
_EXACT_KM = 1e-6


class EmbeddingTable(ChunkedEncoder):
    """Embeddings of the places a file lists; other places are refused, never guessed.

    Args:
        spec: the file's path, with ``?within_km=25`` to take the nearest listed
            place up to that distance. A ``.csv`` or ``.parquet`` has the columns
            ``lon``, ``lat`` (degrees) and one per embedding component; a ``.npz``
            has the arrays ``lon`` (n,), ``lat`` (n,) and ``embedding`` (n, dim).

    Raises:
        UserError: the file or its option cannot be read, or holds a bad value.
    """

    def __init__(self, spec: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64):
        from scipy.spatial import cKDTree

        path, self.within_km = _split_spec(spec)
        lonlat, embeddings = _read(path)
        _check(path, lonlat, embeddings)
        name = path.stem if self.within_km is None else f"{path.stem}-within{self.within_km:g}km"
        dim = embeddings.shape[1]
        provenance = Provenance(name, f"file {path.name}", "", sha256_of_file(path), True, "not stated", None, dim)
        super().__init__(provenance, device, dtype, 1 << 16)
        self._tree = cKDTree(unit_vectors(torch.from_numpy(lonlat)).numpy())
        self._embeddings = torch.from_numpy(embeddings).to(self.device, dtype)

    def _embed(self, lonlat_deg: Tensor) -> Tensor:
        chord, row = self._tree.query(unit_vectors(lonlat_deg).cpu().numpy())
        distance_km = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1))
        limit_km = _EXACT_KM if self.within_km is None else self.within_km
        self._refuse_far_points(lonlat_deg, distance_km, limit_km)
        return self._embeddings[torch.from_numpy(row).to(self.device)]

    def _refuse_far_points(self, lonlat_deg: Tensor, distance_km: np.ndarray, limit_km: float) -> None:
        far = int((distance_km > limit_km).sum())
        if not far:
            return
        worst = int(distance_km.argmax())
        lon, lat = lonlat_deg[worst].tolist()
        within = "exactly there" if self.within_km is None else f"within {limit_km:g} km"
        raise UserError(
            f"{self.name}: {far} of {len(distance_km)} points have no embedding {within}; the worst, longitude"
            f" {lon:g} latitude {lat:g}, is {distance_km[worst]:.4g} km from one; use a denser table or ?within_km="
        )


def looks_like_table(spec: str) -> bool:
    """The spec names a file this module reads."""
    return Path(spec.partition("?")[0]).suffix.lower() in TABLE_SUFFIXES


def _split_spec(spec: str) -> tuple[Path, float | None]:
    path, _, query = spec.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    text = options.pop("within_km", None)
    if options or (query and text is None):
        raise UserError(f"table {spec!r}: cannot read the option {query!r}; the only one is ?within_km=DISTANCE")
    if text is None:
        return Path(path).expanduser(), None
    try:
        within_km = float(text)
    except ValueError:
        within_km = math.nan
    if not 0 < within_km < math.inf:
        raise UserError(f"table {spec!r}: within_km must be a distance above 0; got {text!r}")
    return Path(path).expanduser(), within_km


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) degrees and (n, dim) embeddings, float64, still unchecked."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the path of a table of embeddings")
    return _read_npz(path) if path.suffix.lower() == ".npz" else _read_frame(path)


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        # Opened here: NumPy leaves a file of its own open where the archive is broken.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in ("lon", "lat", "embedding")}
    except Exception as error:  # a broken archive may raise anything
        raise UserError(f"{path}: cannot be read as .npz ({_first_words(error)})") from None
    missing = [name for name in ("lon", "lat", "embedding") if name not in arrays]
    if missing:
        raise UserError(f"{path}: array {missing[0]!r} is missing; wanted lon (n,), lat (n,) and embedding (n, dim)")
    shapes = {name: array.shape for name, array in arrays.items()}
    n = arrays["lon"].size
    if shapes["lon"] != (n,) or shapes["lat"] != (n,) or arrays["embedding"].ndim != 2 or len(arrays["embedding"]) != n:
        raise UserError(f"{path}: wanted lon (n,), lat (n,) and embedding (n, dim); got {shapes}")
    if any(array.dtype.kind not in "fiu" for array in arrays.values()):
        raise UserError(f"{path}: lon, lat and embedding must hold numbers")
    lonlat = np.stack([arrays["lon"], arrays["lat"]], axis=1).astype(np.float64)
    return lonlat, arrays["embedding"].astype(np.float64)


def _read_frame(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_csv(path, low_memory=False)
    except ImportError:
        raise UserError(f"{path}: reading parquet needs pyarrow; run 'pip install pyarrow' or give a .csv") from None
    except Exception as error:  # a broken file may raise anything
        raise UserError(f"{path}: cannot be read as {path.suffix[1:]} ({_first_words(error)})") from None
    for wanted in ("lon", "lat"):
        if wanted not in frame.columns:
            found = ", ".join(map(str, frame.columns[:6]))
            raise UserError(
                f"{path}: column {wanted!r} is missing; wanted lon, lat and the embedding; found {found:.120}"
            )
    for column in frame.columns:
        if getattr(frame[column].dtype, "kind", "O") not in "fiu":
            raise UserError(
                f"{path}: column {str(column)!r:.60} does not hold numbers; keep lon, lat and the embedding"
            )
    embedding = frame.drop(columns=["lon", "lat"])
    # Copies: pandas may hand out read-only views, which torch does not take.
    lonlat = frame[["lon", "lat"]].to_numpy(np.float64, copy=True, na_value=np.nan)
    return lonlat, embedding.to_numpy(np.float64, copy=True, na_value=np.nan)


def _check(path: Path, lonlat: np.ndarray, embeddings: np.ndarray) -> None:
    if not len(lonlat) or not embeddings.shape[1]:
        raise UserError(f"{path}: the table is empty: {len(lonlat)} places, {embeddings.shape[1]} embedding columns")
    if not np.isfinite(lonlat).all() or np.abs(lonlat[:, 1]).max() > 90 or np.abs(lonlat[:, 0]).max() > 360:
        raise UserError(f"{path}: lon or lat is missing or out of range (are they swapped, or not in degrees?)")
    bad = int((~np.isfinite(embeddings)).any(axis=1).sum())
    if bad:
        raise UserError(f"{path}: {bad} of {len(embeddings)} embeddings hold NaN or infinity; drop those rows")
    places = np.unique(lonlat, axis=0)
    if len(places) < len(lonlat):
        raise UserError(f"{path}: {len(lonlat) - len(places)} places stand in the table twice; keep one embedding each")


def _first_words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
