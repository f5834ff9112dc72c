"""Generated rubbish at every door: a right value or one clear line; no traceback, no wrong number, nothing lost."""

import contextlib
import csv
import io
import math
import os
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from synthetic import make_results

import satgpu
from satgpu.answers import read_results
from satgpu.encoders import load_encoder
from satgpu.encoders.siren import draw_siren
from satgpu.errors import UserError
from satgpu.experiments import EXPERIMENTS
from satgpu.geometry import unit_vectors
from satgpu.study.config import Config, parse_run
from satgpu.study.plan import plan_readouts, plan_units

# SATGPU_FUZZ=20 throws twenty times as much.
small = settings(
    max_examples=40 * int(os.environ.get("SATGPU_FUZZ", "1")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="SATGPU_FUZZ" not in os.environ,
)
NAMES = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "last_layer.weight", "last_layer.bias"]


def sound_files():
    tensors = dict(zip(NAMES, draw_siren(4, 3, 2, 2, torch.Generator().manual_seed(0)).tensors(), strict=True))
    zipped, legacy, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    content = {"state_dict": {f"model.nnet.{n}": t for n, t in tensors.items()}, "hyper_parameters": {"capacity": 3}}
    torch.save(content, zipped)
    torch.save(content, legacy, _use_new_zipfile_serialization=False)
    np.savez(archive, lon=np.array([1.0]), lat=np.array([2.0]), embedding=np.array([[3.0]]))
    return {
        "zip.ckpt": zipped.getvalue(),
        "legacy.ckpt": legacy.getvalue(),
        "x.safetensors": save(tensors, {"hyper_parameters": '{"capacity": 3}'}),
        "x.npz": archive.getvalue(),
        "x.csv": b"lon,lat,e0,e1\n1.5,2.5,3,4\n-7,8,9,10\n",
    }


SOUND = sound_files()


def read(path, content):
    """Load the bytes; anything but an encoder or a one-line UserError fails the test."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            load_encoder(path)
        except UserError as error:
            assert "\n" not in str(error)
            assert path.name in str(error)


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_load(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(SOUND[name])
    assert load_encoder(path).dim >= 1


@pytest.mark.parametrize("name", SOUND)
@small
@given(data=st.data())
def test_cut_and_altered_files_give_one_line(tmp_path, name, data):
    content = bytearray(SOUND[name])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read(tmp_path / name, bytes(content[: data.draw(st.integers(0, len(content)))]))


@pytest.mark.parametrize("name", ["x.ckpt", "x.pth", "x.safetensors", "x.npz", "x.csv"])
@small
@given(content=st.binary(max_size=300))
def test_random_bytes_give_one_line(tmp_path, name, content):
    read(tmp_path / name, content)


@small
@given(spec=st.text(alphabet="abluntraiedshxyzrffgeoclpkm-0123456789./?=é ", max_size=24))
def test_random_names_give_one_line(spec):
    try:
        encoder = load_encoder(spec, offline=True)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert encoder.dim >= 1


@contextlib.contextmanager
def one_line(kind=UserError):
    """A complaint of one line is a good answer, and no warning passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            yield
        except kind as error:
            assert "\n" not in str(error) and str(error), error


numbers = st.floats(-1e6, 1e6, allow_nan=False, width=32).map(lambda value: repr(float(value)))
longitudes = st.floats(-361, 361, width=32).map(lambda value: repr(float(value)))
latitudes = st.floats(-91, 91, width=32).map(lambda value: repr(float(value)))
rubbish = st.sampled_from(["", "nan", "x", "1,5", "inf", "1e999", "0x1", "True", '"', "2020-01-01", "1 2", "-", "\x00"])
names = st.sampled_from(
    ["e0", "e1", "e2", "id", "year", "lon", "Lat", "x", "label", "", " e3", "mean", "lon.1", "index"]
)


@st.composite
def tables(draw):
    """A CSV of places and two components, with up to two things wrong with it: (text, rows as they were meant)."""
    n = draw(st.integers(0, 5))
    rows = [[draw(longitudes), draw(latitudes), draw(numbers), draw(numbers)] for _ in range(n)]
    header, meant = ["lon", "lat", "e0", "e1"], [list(map(float, row)) for row in rows]
    for fault in draw(st.lists(st.sampled_from(["column", "cell", "swap", "shift", "repeat", "index"]), max_size=2)):
        at = draw(st.integers(0, len(header)))
        if fault == "column":
            header = [*header[:at], draw(names), *header[at:]]
            rows = [[*row[:at], draw(numbers | rubbish), *row[at:]] for row in rows]
        elif fault == "index":
            header, rows = ["", *header], [[str(i), *row] for i, row in enumerate(rows)]
        elif fault == "swap":
            order = draw(st.permutations(range(len(header))))
            header, rows = [header[i] for i in order], [[row[i] for i in order] for row in rows]
        elif rows:
            row = rows[draw(st.integers(0, len(rows) - 1))]
            if fault == "cell":
                row[min(at, len(row) - 1)] = draw(rubbish)
            elif fault == "shift":
                row.insert(at, draw(numbers))
            else:
                rows.append([*row[:-1], draw(numbers)])
    text = io.StringIO()
    csv.writer(text, delimiter=draw(st.sampled_from(",,,,;\t"))).writerows([header, *rows])
    return text.getvalue(), meant


@small
@given(table=tables(), mark=st.sampled_from(["", "", "\ufeff"]))
def test_a_table_gives_the_embeddings_that_it_lists_or_one_line(tmp_path, table, mark):
    text, meant = table
    path = tmp_path / "t.csv"
    path.write_text(mark + text, encoding="utf-8")
    with one_line():
        encoder = load_encoder(path)
        assert encoder.columns == [name for name in encoder.columns if name[:1] in "em"], text
        for lon, lat, *embedding in meant if encoder.columns == ["e0", "e1"] else ():
            if abs(lon) <= 360 and abs(lat) <= 90:
                with contextlib.suppress(UserError):  # another row has been put in its place
                    found = encoder(torch.tensor([[lon, lat]]))[0].tolist()
                    listed = [row[2:] for row in meant if _near(row, (lon, lat))]
                    listed += [[float(v) for v in row] for row in _cells(text)]
                    assert found in listed or found == embedding, (text, found)


def _near(row, place):
    a, b = (unit_vectors(torch.tensor([point[:2]], dtype=torch.float64)) for point in (row, place))
    return torch.dist(a, b) < 1e-6


def _cells(text):
    """Components of every row of the file, where they can be read by their names."""
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            yield [float(row["e0"]), float(row["e1"])]


arrays = st.builds(
    lambda shape, dtype, scale, seed: np.asarray(np.random.default_rng(seed).normal(size=shape) * scale).astype(dtype),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(["f8", ">f4", "f2", "i8", "u2", "?", "U3", "O", "M8[s]"]),
    st.sampled_from([1.0, 100.0]),
    st.integers(0, 9),
)


@small
@given(found=st.dictionaries(st.sampled_from(["lon", "lat", "embedding", "id"]), arrays))
def test_arrays_in_an_npz_are_a_table_or_one_line(tmp_path, found):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.savez(tmp_path / "t.npz", **found)
    with one_line():
        encoder = load_encoder(tmp_path / "t.npz")
        assert encoder.dim == found["embedding"].shape[1]
        places = np.stack([found["lon"], found["lat"]], 1).astype(float)
        np.testing.assert_allclose(encoder(torch.from_numpy(places)), found["embedding"].astype(float))


RESULTS = make_results(replicates=2).query("experiment == 'sweet_spot' and scale_km < 420 and role == 'compared'")
FIRST, SECOND = RESULTS.query("role == 'compared'")["encoder"].unique()[:2]


@small
@given(data=st.data())
def test_results_read_back_are_their_numbers_or_one_line(tmp_path, data):
    text = RESULTS.iloc[:: data.draw(st.integers(1, 4))].to_csv(index=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(["", ",", "\n", '"', "x", "-1", "nan"])) + text[at + 1 :]
    (tmp_path / "results.csv").write_text(text[: data.draw(st.integers(0, len(text)) | st.just(len(text)))])
    for read in (read_results, pd.read_csv):
        with contextlib.suppress(pd.errors.ParserError, pd.errors.EmptyDataError), one_line():
            rows = read(tmp_path / "results.csv")
            with one_line():
                gap = satgpu.compare(rows, FIRST, SECOND)
                assert gap["difference"].abs().max() <= 1e3 or gap.empty
            with one_line():
                satgpu.probe_resolution(rows)


@small
@given(X=arrays, Y=arrays, task=st.sampled_from(["classification", "regression"]), many=st.booleans())
def test_any_arrays_are_probed_or_told(X, Y, task, many):
    X, Y = (np.concatenate([a] * 12, -2 if a.ndim > 1 else 0) if many and a.ndim else a for a in (X, Y))
    Y = Y.T if many and Y.ndim == 2 else Y
    with one_line(ValueError):
        probes = satgpu.MLPProbes(task, hidden_layer_sizes=(4,), max_iter=2, batch_size=8).fit(X, Y)
        assert np.shape(probes.n_iter_) == Y.shape[:-1]
        score = np.asarray(probes.score(X, Y))
        assert np.isnan(score).all() or task == "regression" or (score[~np.isnan(score)] <= 1).all()
        assert np.shape(probes.predict(X)) == Y.shape


@small
@given(places=arrays, scale_km=st.floats() | st.integers(), protocol=st.sampled_from(["geodesic", "notebook"]))
def test_any_places_are_labelled_or_told(places, scale_km, protocol):
    with one_line():
        labels = satgpu.make_labels("checkerboard", places, scale_km, protocol=protocol)
        assert labels.shape == places.shape[:1] and set(labels.tolist()) <= {0, 1}
    with one_line():
        km = satgpu.great_circle_km(places, [0.0, 0.0])
        assert (~torch.isfinite(km) | (km <= 20016)).all()


WAYS = {
    "rows": lambda Z: Z[1:],
    "turned": lambda Z: Z.T,
    "array": lambda Z: Z.numpy(),
    "list": lambda Z: Z.tolist(),
    "frame": lambda Z: pd.DataFrame(Z.numpy()),
    "half": lambda Z: Z.half(),
    "tuple": lambda Z: (Z, Z),
    "sorted": lambda Z: Z.sort(0).values,
    "centred": lambda Z: Z - Z.mean(0),
    "noise": lambda Z: Z + torch.rand_like(Z),
    "nothing": lambda Z: None,
    "nan": lambda Z: Z * math.nan,
    "gradient": lambda Z: Z * torch.ones(1, requires_grad=True),
    "backwards": lambda Z: Z.flip(0).numpy()[::-1],
    "columns": lambda Z: Z[:, :0],
}


@small
@given(ways=st.lists(st.sampled_from(sorted(WAYS)), max_size=3))
def test_any_callable_is_an_encoder_of_places_or_told(ways):
    def call(lonlat_deg):
        Z = unit_vectors(lonlat_deg)
        for way in ways:
            Z = WAYS[way](torch.as_tensor(Z))
        return Z

    places = torch.tensor([[10.0, 50.0], [190.0, -20.0], [-170.0, -20.0]], dtype=torch.float64)
    with one_line():
        Z = satgpu.encode(satgpu.as_encoder(call, "mine"), places)
        torch.testing.assert_close(Z, unit_vectors(places).float(), atol=1e-3, rtol=0)
        assert torch.equal(Z[1], Z[2])


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
_keys = st.sampled_from([*Config.__dataclass_fields__, *EXPERIMENTS]) | st.text(max_size=8)
_of_part = {
    name: st.dictionaries(
        st.sampled_from(sorted(entry.options.__dataclass_fields__)),
        st.integers(-2, 5000) | st.lists(st.integers(-1, 30000) | st.floats(0, 3e4), max_size=4) | _scalars,
        max_size=2,
    )
    for name, entry in EXPERIMENTS.items()
}


def read_options(*words):
    """A study whose plan can be listed and names no probe twice, or one line."""
    with one_line((UserError, SystemExit)):
        config, _ = parse_run(list(words), "run_all.py")
        ids = [task_id for unit in plan_units(config, 1) for task_id in unit.task_ids()]
        assert len(ids) == len(set(ids))
        assert all(unit.points.area_km2 > 0 for unit in plan_units(config, 1))
        list(plan_readouts(config, 1))


@small
@given(values=st.dictionaries(_keys, _values, max_size=4) | st.fixed_dictionaries({}, optional=_of_part))
def test_any_mapping_is_a_study_or_one_line(tmp_path, values):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    read_options("--config", str(tmp_path / "c.yaml"))


@small
@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_study_or_one_line(tmp_path, content):
    (tmp_path / "c.yaml").write_bytes(content)
    read_options("--config", str(tmp_path / "c.yaml"))


_flags = [f"--{name}" for name in (*Config.__dataclass_fields__, *EXPERIMENTS, "out", "resume", "dry-run", "no-report")]
_flags += [f"--{name}.{option}" for name, entry in EXPERIMENTS.items() for option in entry.options.__dataclass_fields__]
_odd = ["0", "-1", "3", "010", "1:30", "nan", "[1,2]", "[]", "{}", "xyz", "auto", "no", "[[a,1,2]]", "null", "--"]
_words = st.sampled_from(_odd) | st.text(max_size=5)


@small
@given(words=st.lists(st.sampled_from(_flags) | _words | st.tuples(st.sampled_from(_flags), _words).map("=".join)))
def test_any_command_line_is_a_study_or_one_line(words):
    with contextlib.redirect_stdout(io.StringIO()):
        read_options(*words)
