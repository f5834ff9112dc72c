"""What comes in from outside: a right value or one clear line; nothing lost, no traceback."""

import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from study import TINY, run_study, write_config

import satgpu
from satgpu import answers
from satgpu.answers import answer_run, read_results, read_run, read_similarity
from satgpu.arrays import as_tensor
from satgpu.cli import main
from satgpu.errors import UserError
from satgpu.experiments.region_size import RegionSize
from satgpu.experiments.scale_region import ScaleRegion
from satgpu.geometry import PATTERNS, make_labels, uniform_on_sphere

ROOT = Path(__file__).parent.parent
NO_RUN = ROOT / "satgpu/answers/published/scale_region.csv"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run whose folder has a name that Rich's markup would eat."""
    folder = tmp_path_factory.mktemp("doors")
    return run_study(write_config(folder, experiments=["sweet_spot", "similarity"]), folder / "[v2]:smile:")


def printed(monkeypatch, encoding, *words):
    """Exit status of a command and what it prints to a stream of that encoding; figures are not drawn."""
    monkeypatch.setattr("satgpu.report.write_report", lambda folder: [])
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    status = main(list(words))
    stream.flush()
    return status, stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_names_are_printed_as_they_are_on_any_terminal(finished, monkeypatch, encoding):
    status, text = printed(monkeypatch, encoding, "summarize", str(finished))
    assert status == 0 and "[v2]:smile:/report.html" in text and "L=8 less L=4" in text


@pytest.mark.parametrize("words", [["--help"], ["summarize", "RUN"]])
def test_a_pipe_that_nobody_reads_ends_quietly(finished, monkeypatch, capsys, words):
    monkeypatch.setattr("satgpu.report.write_report", lambda folder: [])
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main([str(finished) if word == "RUN" else word for word in words]) == 0
        monkeypatch.undo()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["summarize"], "the following arguments are required: runs; see satgpu summarize --help"),
        (["summarize", "nowhere"], "nowhere: no such file"),
        (["summarize", "--ot", "x"], "--ot"),
        (["summarize", str(NO_RUN)], "missing column(s) task_id, experiment, protocol, encoder, role and others"),
        (["summarize", "nowhere", "nowhere/"], "the comparison holds"),
        (["extract-location", "a"], "the following arguments are required: out"),
        (["gate", "nosuch"], "unknown encoder 'nosuch'"),
        (["gate", "--small", "xyz", "--out", "no/such/folder.md"], "no/such/folder.md: there is no such folder"),
    ],
)
def test_a_command_that_cannot_be_done_says_so_in_one_line(capsys, words, message):
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error and error.startswith("satgpu: error: ")


WEIGHTS = ROOT / "satgpu/encoders/weights/mini-l10.safetensors"


def test_no_encoder_is_compared_with_itself(tmp_path):
    shutil.copy(WEIGHTS, tmp_path / "mine.safetensors")
    encoders = [str(tmp_path / "mine.safetensors"), "untrained-l10", "xyz"]  # the second is the first's twin
    config = write_config(tmp_path, encoders=encoders, experiments=["sweet_spot", "similarity"])
    run = read_run(run_study(config, tmp_path / "out"))
    assert len(run.results) == 2 * 3 * 4  # replicates, fields, encoders and nearest neighbours: none twice
    answers = {answer.id: answer for answer in answer_run(run)}
    assert not [name for name in answers if name.endswith(".error")]
    assert {"learned.mine", "controls.xyz.mine", "controls.xyz.untrained-l10"} <= set(answers)
    assert "controls.xyz.xyz" not in answers
    gain = satgpu.compare(run.probes("sweet_spot"), "untrained-l10", "mine", by=[]).iloc[0]["difference"]
    assert answers["learned.mine"].values["gain"].value == gain


@pytest.mark.parametrize("experiments", [["sweet_spot"], ["transfer"]])
def test_the_same_weights_under_two_names_are_told_before_anything_is_written(tmp_path, experiments):
    for name in "ab":
        shutil.copy(WEIGHTS, tmp_path / f"{name}.safetensors")
    files = [str(tmp_path / f"{name}.safetensors") for name in "ab"]
    config = write_config(tmp_path, encoders=files, experiments=experiments)
    with pytest.raises(UserError, match="'a' and 'b' embed every place alike: one encoder; leave one of them out"):
        run_study(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("coordinates",), "an encoder cannot be called 'coordinates', as a control is; rename the file"),
        (("nearest-neighbour",), "cannot be called 'nearest-neighbour'"),
        (("a,b", "a_b"), "two of the encoders are called 'a,b'; rename one of the files, or leave one out"),
    ],
)
def test_a_name_that_rows_could_not_be_told_apart_by_is_refused(tmp_path, names, message):
    for i, name in enumerate(names):
        (tmp_path / f"{name}.csv").write_text(f"lon,lat,e0\n1,2,{i}.5\n2,3,4.5\n")
    config = write_config(tmp_path, encoders=[str(tmp_path / f"{name}.csv") for name in names])
    with pytest.raises(UserError, match=message):
        run_study(config, tmp_path / "out")


def test_a_plan_of_one_name_for_two_probes_is_refused_before_anything_is_written(tmp_path):
    centers = [["a,b", 0, 0], ["a_b", 90, 0]]
    config = write_config(tmp_path, experiments=["scale_region"], scale_region={"centers": centers, "n_points": 50})
    with pytest.raises(UserError, match="the plan holds 'geodesic/scale_region/a_b-15deg/.* twice; give each once"):
        run_study(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_region_that_the_notebook_cuts_away_is_told_before_anything_is_written(tmp_path):
    sizes = TINY["region_size"] | {"center_deg": [0.0, 85.0]}
    config = write_config(tmp_path, experiments=["region_size"], region_size=sizes, protocol="notebook")
    with pytest.raises(
        UserError, match=r"the notebook's 20° around \(0.0, 85.0\) lies beyond 60°S or 70°N; use geodesic"
    ):
        run_study(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_metres_are_asked_about():
    with pytest.raises(UserError, match="scale_km holds 500000 km; .* are these metres"):
        make_labels("checkerboard", [[0.0, 0.0]], 500_000)


@pytest.mark.parametrize("protocol", ["geodesic", "notebook"])
@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "boundary"])
def test_a_place_has_one_label_whatever_its_longitude_is_called(protocol, pattern):
    places = uniform_on_sphere(500, torch.Generator().manual_seed(0))
    labels = make_labels(pattern, places, 700.0, protocol=protocol)
    for turn in (360.0, -360.0):
        far = (places[:, 0] < 0) if turn > 0 else (places[:, 0] > 0)
        again = make_labels(pattern, places + torch.stack([turn * far, 0 * far], 1), 700.0, protocol=protocol)
        torch.testing.assert_close(again, labels, rtol=0, atol=1e-9)
    meridian = make_labels(pattern, [[180.0, 10.0], [-180.0, 10.0]], 700.0, protocol=protocol)
    assert meridian[0] == meridian[1]
    if protocol == "notebook":  # to the last bit what its own functions give
        assert torch.equal(labels, PATTERNS[pattern].in_degrees(places, 700.0))


def test_a_regions_centre_has_one_longitude_too():
    assert RegionSize(center_deg=(190.0, 50.0)) == RegionSize(center_deg=(-170.0, 50.0))
    assert ScaleRegion(centers=(("Bering", 190.0, 60.0),)).centers == (("Bering", -170.0, 60.0),)
    assert RegionSize(center_deg=(180.0, 50.0)).center_deg == (180.0, 50.0)
    places = uniform_on_sphere(200, torch.Generator().manual_seed(0))
    east, west = (make_labels("checkerboard", places, 500.0, center_deg=(lon, 50)) for lon in (190, -170))
    assert torch.equal(east, west)
    for center in ((50.0, 95.0), (float("nan"), 0.0), (1.0, 2.0, 3.0), ((1.0, 2.0),)):
        with pytest.raises(UserError, match="center_deg"):
            make_labels("checkerboard", places, 500.0, center_deg=center)


ODD_ARRAYS = {
    "backwards": np.arange(6.0).reshape(3, 2)[::-1, ::-1],
    "big-endian": np.arange(6, dtype=">f4").reshape(3, 2),
    "read-only": np.broadcast_to(np.array([1.0, 2.0]), (3, 2)),
    "frame": pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True]}),
    "levels": pd.DataFrame(np.ones((3, 2)), columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
    "nullable": pd.DataFrame({"a": pd.array([1, 2, 3], dtype="Int64"), "b": [0.5, 1, 2]}),
    "tuples": [(1, 2), (3, 4), (5, 6)],
    "tensors": [torch.ones(2, requires_grad=True)] * 3,
    "gradient": torch.ones(3, 2, requires_grad=True),
    "half": np.ones((3, 2), np.float16),
    "unsigned": np.ones((3, 2), np.uint32),
    "huge": np.full((3, 2), 2**63, np.uint64),
    "masked without a hole": np.ma.array(np.ones((3, 2))),
    "memory": memoryview(np.ones((3, 2))),
}


@pytest.mark.parametrize("kind", ODD_ARRAYS)
def test_an_array_of_any_make_is_taken_for_its_numbers(kind):
    values = ODD_ARRAYS[kind]
    expected = torch.stack(values).detach().numpy() if kind == "tensors" else values
    expected = expected.detach().numpy() if kind == "gradient" else np.asarray(expected, dtype=float)
    found = as_tensor(values)
    assert not found.requires_grad and found.shape == (3, 2)
    np.testing.assert_array_equal(found.double().numpy(), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(2, complex), "X must hold numbers; got an array of complex128"),
        (torch.ones(2, dtype=torch.complex64), "X must hold real numbers, densely; got a tensor of torch.complex64"),
        (torch.ones(2).to_sparse(), "densely; got a tensor of torch.sparse_coo"),
        (np.array(["2020-01-01"], "M8[D]"), "got an array of datetime64"),
        (np.zeros(2, [("a", float)]), "got an array of .*'a'"),
        (np.array([1.0, None]), "got an array of object"),
        ((i for i in range(3)), "got an array of object"),
        ([torch.ones(2), torch.ones(3)], "X is ragged: 2 tensors of several shapes, dtypes or devices"),
        ([[1], [1, 2]], "X is ragged or no array"),
        (np.ma.array([1.0, 2.0], mask=[0, 1]), "X has 1 masked values; fill or drop them"),
        (pd.DataFrame({"a": ["1", "2"], "b": [0.5, 1.0]}), "got an array of object"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"]), "b": [1.0]}), "got an array of object"),
        ("abc", "got an array of <U3"),
        ([10**30], "got an array of object"),
    ],
)
def test_what_holds_no_numbers_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        as_tensor(values, "X")


def test_a_study_takes_one_name_paths_and_numbers_of_any_make():
    assert satgpu.Study("xyz").config.encoders == ("xyz",)
    assert satgpu.Study([WEIGHTS, "xyz"]).config.encoders == (str(WEIGHTS), "xyz")
    config = satgpu.Study(["xyz"], replicates=np.int64(2), sweet_spot={"scales_km": np.array([300.0, 500.0])}).config
    assert config.replicates == 2 and config.parts["sweet_spot"].scales_km == (300.0, 500.0)
    assert satgpu.Study(["xyz"], sweet_spot={"scales_km": range(300, 500, 100)}).config.parts["sweet_spot"].scales_km
    for encoders in (None, [], ()):
        with pytest.raises(UserError, match="encoders is empty; name at least one, or auto"):
            satgpu.Study(encoders)


def test_a_table_that_fails_is_named_and_stops_no_report(finished, monkeypatch, capsys):
    def fail(*args):
        raise KeyError("planted")

    for name in ("contents.headline", "write.effective", "write.write_json", "console.similarity.curve"):
        monkeypatch.setattr(f"satgpu.report.{name}", fail)
    monkeypatch.setattr("satgpu.answers.sweet_spot.table", fail)
    monkeypatch.setattr("satgpu.report.write.draw_figures", lambda *args, **more: {})
    assert main(["summarize", str(finished)]) == 0
    assert "KeyError: 'planted'" in capsys.readouterr().out
    summary = (finished / "summary.md").read_text(encoding="utf-8")
    for name in ("effective_resolution.csv", "deep_dive_results.json", "tensorboard"):
        assert f"{name} not written: KeyError: 'planted'" in summary
    assert "| not computed |" in summary
    assert "## Controls" in summary and (finished / "report.html").exists()


READ_BACK = {
    "compare": lambda t: satgpu.compare(t, "sh-l4", "sh-l8", by=["experiment", "scale_km"]),
    "probe_resolution": satgpu.probe_resolution,
    "resolution_ratio": lambda t: answers.resolution_ratio(t, "sh-l4", "sh-l8"),
    "skill": answers.skill,
    "is_starved": answers.is_starved,
    "answer_run": lambda t: [(a.id, a.verdict, str(a.values)) for a in answer_run(answers.Run(results=t))],
}
READ_BACK_SIMILARITY = {
    "kernel_resolutions": answers.kernel_resolutions,
    "similarity_curve": answers.similarity_curve,
    "kernel_spectrum": answers.kernel_spectrum,
    "resolution_from_kernel": lambda t: answers.resolution_from_kernel(t[t["encoder"] == "sh-l8"]),
}


@pytest.mark.parametrize("name", [*READ_BACK, *READ_BACK_SIMILARITY])
def test_every_function_takes_the_csv_as_pandas_reads_it(finished, name):
    call = (READ_BACK | READ_BACK_SIMILARITY)[name]
    file, read = ("results", read_results) if name in READ_BACK else ("similarity", read_similarity)
    plain, typed = call(pd.read_csv(finished / f"{file}.csv")), call(read(finished))
    if isinstance(typed, pd.DataFrame):
        assert len(typed)
        pd.testing.assert_frame_equal(plain, typed)
    else:
        assert repr(plain) == repr(typed)


@pytest.mark.parametrize("name", [*READ_BACK, *READ_BACK_SIMILARITY])
def test_what_is_no_table_of_a_run_is_told(finished, name):
    call = (READ_BACK | READ_BACK_SIMILARITY)[name]
    file = "results" if name in READ_BACK else "similarity"
    rows = pd.read_csv(finished / f"{file}.csv")
    column = {"is_starved": "train_points_per_cell", "skill": "chance"}.get(name, "encoder")
    for wrong in (rows.drop(columns=column), rows.set_index(column), {"a": 1}, None):
        if name in ("answer_run", "resolution_from_kernel"):
            continue  # built from a table, or a part of one
        with pytest.raises(UserError, match="lacks the column|as a pandas DataFrame, or its path; got"):
            call(wrong)
    if name != "resolution_from_kernel":
        words = rows.assign(**{{"results": "test_accuracy", "similarity": "similarity_mean"}[file]: "x"})
        with pytest.raises(UserError, match="must hold numbers"):
            call(words)


def test_comparisons_that_mean_nothing_are_told(finished):
    rows = pd.read_csv(finished / "results.csv")
    for names in (("sh-l4", "sh-l4"), ("sh-l4", "none"), ("sh-l4", None)):
        for call in (satgpu.compare, answers.resolution_ratio):
            with pytest.raises(UserError, match="compared with itself|unknown encoder"):
                call(rows, *names)
    for more, message in (
        ({"by": ["encoder"]}, "by cannot hold 'encoder'"),
        ({"value": "region"}, "column of numbers"),
    ):
        with pytest.raises(UserError, match=message):
            satgpu.compare(rows, "sh-l4", "sh-l8", **more)
    with pytest.raises(UserError, match="confidence must lie between 0 and 1"):
        satgpu.probe_resolution(rows, confidence=2)


class Counting(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.calls = torch.nn.Linear(2, 3), 0

    def forward(self, lonlat_deg):
        self.calls += 1
        return self.layer(lonlat_deg) + self.calls


TAKEN = {
    "list": lambda p: p.tolist(),
    "array": lambda p: p.numpy(),
    "frame": lambda p: pd.DataFrame(p.numpy()),
    "half": lambda p: p.half(),
    "whole": lambda p: p.long(),
    "gradient": lambda p: p * torch.ones(2, requires_grad=True),
    "turned": lambda p: p.T.contiguous().T,
    "in place": lambda p: p.mul_(1),
    "tensors": lambda p: list(p),
}
REFUSED = {
    "tuple": (lambda p: (p, p), r"3 points must give a \(3, dim\) array; got \(2, 3, 2\)"),
    "dict": (lambda p: {"embedding": p}, "must hold numbers"),
    "none": (lambda p: None, "must hold numbers"),
    "row fewer": (lambda p: p[1:], r"got \(2, 2\)"),
    "vector": (lambda p: p[:, 0], r"got \(3,\)"),
    "complex": (lambda p: torch.complex(p, p), "must hold real numbers"),
    "meta": (lambda p: torch.empty(len(p), 3, device="meta"), "got a tensor of no values"),
    "sparse": (lambda p: p.to_sparse(), "densely"),
    "chance": (lambda p: torch.rand(len(p), 3), "other numbers for the same place"),
    "company": (lambda p: p - p.mean(0), "other numbers for the same place alone and among others"),
    "counter": (Counting(), "other numbers for the same place"),
    "raises": (lambda p: 1 / 0, "fails at its trial places .ZeroDivisionError"),
    "two arguments": (lambda lon, lat: lon, "fails at its trial places .TypeError"),
    "tokens": (torch.nn.Embedding(9, 3), "fails at its trial places"),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_what_a_callable_gives_is_taken_for_its_numbers(kind):
    places = torch.tensor([[12.0, 48.0], [190.0, -3.0]], dtype=torch.float64)
    found = satgpu.as_encoder(TAKEN[kind], "mine")(places)
    wanted = torch.tensor([[12.0, 48.0], [-170.0, -3.0]], dtype=torch.float64)
    assert found.is_floating_point() and not found.requires_grad
    torch.testing.assert_close(found.double(), wanted)
    assert places[1, 0] == 190  # what was given is not touched


@pytest.mark.parametrize("kind", REFUSED)
def test_a_callable_that_is_no_encoder_is_told(kind):
    call, message = REFUSED[kind]
    with pytest.raises(UserError, match=message) as caught:
        satgpu.as_encoder(call, "mine")
    assert "\n" not in str(caught.value)
    if kind != "company":  # places of its own choice have another company, so that a readout finds it out too
        with pytest.raises(UserError) as caught:
            satgpu.kernel_resolution(call)
        assert "\n" not in str(caught.value)


def test_an_argument_that_no_encoder_has_is_told():
    for more, message in (
        ({"name": "a\nb"}, "an encoder's name must be a word to print"),
        ({"name": ""}, "an encoder's name must be a word"),
        ({"device": "nosuch"}, "device 'nosuch' cannot be used here"),
        ({"dtype": torch.int64}, "dtype must be a floating-point dtype; got torch.int64"),
    ):
        with pytest.raises(UserError, match=message):
            satgpu.as_encoder(lambda p: p, **({"name": "mine"} | more))
    with pytest.raises(UserError, match="numbers too large for torch.float32; ask for torch.float64"):
        satgpu.encode(satgpu.as_encoder(lambda p: p * 1e300, "large"), torch.ones(2, 2))
    fails_later = satgpu.as_encoder(lambda p: p if len(p) < 9 else 1 / 0, "late")
    with pytest.raises(UserError, match="encoder 'late' fails at 9 places .ZeroDivisionError"):
        fails_later(torch.ones(9, 2))


@pytest.mark.parametrize("measure", [satgpu.kernel_resolution, satgpu.transfer_function])
def test_a_module_is_measured_as_it_comes(measure):
    layers = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Dropout(0.5))  # float32, training
    with torch.no_grad():
        layers[0].weight.mul_(0.02)
    quick = {"n_labels": 200, "n_test": 100, "l_max": 4} if measure is satgpu.transfer_function else {}
    first, second = measure(layers.train(), **quick), measure(layers.train(), **quick)
    assert not layers.training and str(first) == str(second)
    wild = torch.nn.Dropout(0.5)
    with pytest.raises(UserError, match="other numbers the second time"):
        measure(lambda p: wild(torch.cos(p / 50)) + 1e-3, **quick)


X, QUICK = np.random.default_rng(0).normal(size=(120, 4)), {"hidden_layer_sizes": (4,), "max_iter": 2}
TWO = (X[:, 0] > 0).astype(int)
HOLED = np.where(X[:, 1] > 1, np.nan, TWO)


@pytest.mark.parametrize(
    ("Y", "message"),
    [
        (X[:, 0] * 30, r"Y holds numbers such as -?[\d.]+, which are no classes; give task='regression'"),
        ((X[:, 0] * 3000).astype(int), "different numbers in 120 rows, too many for classes; give task='regression'"),
        (TWO * 1j, "Y must hold labels that can be sorted; got an array of complex128"),
        (np.zeros(120, [("a", int)]), "labels that can be sorted"),
        (np.array([1, "a"] * 60, dtype=object), "Y mixes words with other labels"),
        (np.array([None, "a"] * 60, dtype=object), "Y holds 60 NaN among its classes"),
        (pd.Series([True, None, False] * 40, dtype="boolean"), "Y holds 40 NaN among its classes"),
        (pd.Series(TWO).where(TWO > 0).astype("Int64"), "NaN among its classes"),
        (HOLED, "NaN among its classes; drop those rows or name a class"),
        (np.ma.array(TWO, mask=TWO > 0), "Y has .* masked values"),
        (np.stack([TWO, TWO], 1), "one row is one label set: give Y.T"),
        (TWO[:0], r"Y must be .*; got \(0,\)"),
        (None, "Y must be|NaN among"),
    ],
)
def test_what_are_no_labels_is_refused(Y, message):
    with pytest.raises(ValueError, match=message) as caught:
        satgpu.MLPProbes(**QUICK).fit(X, Y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "Y",
    [
        TWO > 0,
        np.where(TWO, "a", "b"),
        np.where(TWO, "a", "b").astype(object),
        pd.Series(np.where(TWO, "a", "b"), dtype="category"),
        np.where(TWO, np.datetime64("2020-01-01"), np.datetime64("2021-01-01")),
        TWO * 10**15 - 5,
        TWO.astype("u1")[::-1],
        TWO.astype(">f4"),
        TWO.tolist(),
    ],
)
def test_labels_of_any_kind_come_back_as_they_were(Y):
    found = satgpu.MLPProbes(**QUICK).fit(X, Y)
    assert np.isin(found.predict(X), np.asarray(Y)).all()
    classes = np.unique(np.asarray(Y), return_inverse=True)[1]
    assert found.score(X, Y) == satgpu.MLPProbes(**QUICK).fit(X, classes).score(X, classes)


def test_missing_labels_are_named_probe_by_probe():
    probes = satgpu.MLPProbes(**QUICK).fit(X, np.stack([HOLED, TWO]))
    assert probes.failure_.tolist() == ["NaN among its labels", ""]
    alone = satgpu.MLPProbes(random_state=probes.probe_seeds_[1], split_seed=0, **QUICK).fit(X, TWO)
    np.testing.assert_array_equal(probes.loss_curve_[1], alone.loss_curve_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"random_state": -1}, "random_state must be a whole number, 0 or more; got -1"),
        ({"random_state": 1.5}, "random_state must be a whole number, 0 or more; got 1.5"),
        ({"random_state": "a"}, "random_state must be a whole number"),
        ({"random_state": np.random.RandomState(0)}, "random_state must be a whole number, 0 or more; got RandomState"),
        ({"random_state": 2**70}, "random_state must be a whole number"),
        ({"random_state": [1.5]}, "random_state must hold whole numbers"),
        ({"split_seed": -3}, "split_seed must be a whole number, 0 or more; got -3"),
        ({"early_stopping": "no"}, "early_stopping must be True or False; got 'no'"),
        ({"standardize": "yes"}, "standardize must be True or False"),
        ({"shared_draws": "no"}, "shared_draws must be True or False; got 'no'"),
        ({"alpha": [-1.0]}, "alpha must be 0 or more; got -1.0"),
        ({"learning_rate_init": [0.0]}, "learning_rate_init must be above 0; got 0.0"),
        ({"alpha": ["a"]}, "alpha must hold numbers"),
    ],
)
def test_an_option_that_means_nothing_is_told(options, message):
    with pytest.raises(UserError, match=message):
        satgpu.MLPProbes(**(QUICK | options)).fit(X, TWO)


def test_numbers_of_any_make_are_seeds():
    curves = [
        satgpu.MLPProbes(random_state=seed, split_seed=split, **QUICK).fit(X, TWO).loss_curve_.tolist()
        for seed, split in ((5, 3), (np.int64(5), np.int64(3)), (torch.tensor(5), np.uint8(3)), (np.array(5), 3))
    ]
    assert all(curve == curves[0] for curve in curves)


def test_a_score_of_labels_that_fit_never_saw_is_refused():
    probes = satgpu.MLPProbes(**QUICK).fit(X, TWO)
    with pytest.raises(ValueError, match="Y holds none of the labels of fit, such as '0'; give labels of their kind"):
        probes.score(X, np.where(TWO, "a", "b"))
    with pytest.raises(ValueError, match=r"Y must have a label for each row of X, \(120,\); got \(10,\)"):
        probes.score(X, TWO[:10])
    with pytest.raises(ValueError, match=r"X must hold rows and features; got \(0, 4\)"):
        satgpu.MLPProbes(**QUICK).fit(X[:0], TWO[:0])
