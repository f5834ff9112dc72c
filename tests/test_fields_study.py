"""Your own labels, and real fields as a part of a study: rows, answers, figures, what is left out and refused."""

import json
import struct

import numpy as np
import pandas as pd
import pytest
import torch
from study import run_study, write_config

import satgpu
from satgpu.answers import answer_run, fields, read_run
from satgpu.errors import UserError
from satgpu.experiments.fields import Fields
from satgpu.fields import as_field
from satgpu.fields.files import fields_of_file
from satgpu.fields.raster import Band, field_of_band
from satgpu.report.contents import contents_of
from satgpu.report.figures import draw_figures
from satgpu.report.words import sentence, text
from satgpu.study.config import parse_run


def table_of(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, n))).round(4)
    lon = rng.uniform(0, 360, n).round(4)
    price = (np.cos(np.radians(lat)) * np.sin(np.radians(lon)) + rng.normal(0, 0.1, n)).round(3)
    kind = np.where(price > 0, "dear", "cheap")
    return pd.DataFrame({"id": np.arange(n), "Longitude": lon, "latitude": lat, "price": price, "kind": kind})


@pytest.fixture
def file(tmp_path):
    """Missing values, a value in words, duplicates, a place with two values, places that are none."""
    frame = table_of()
    frame.loc[:4, "price"] = np.nan
    frame = pd.concat([frame, frame.iloc[10:13], frame.iloc[20:22].assign(price=9.0, kind="cheap")], ignore_index=True)
    frame.loc[30, "latitude"], frame.loc[31, "latitude"] = np.nan, 123.0
    frame["price"] = frame["price"].astype(object)
    frame.loc[40, "price"] = "unknown"
    frame.to_csv(tmp_path / "my.csv", index=False)
    frame.to_csv(tmp_path / "my.csv.gz", index=False)
    return tmp_path / "my.csv"


def test_what_can_not_be_used_is_left_out_and_counted(file):
    found = as_field(f"{file}:price")
    assert (found.name, found.task) == ("my.csv:price", "regression")
    assert found.left_out == {
        "no place": 1,
        "place not on the Earth": 1,
        "not a number": 1,
        "missing value": 6,
        "place with several values": 4,
        "met before, with the same value": 3,
    }
    assert len(found.values) == 405 - 2 - 6 - 4 - 3
    assert found.lonlat_deg[:, 0].min() < -90 and found.lonlat_deg[:, 0].max() < 180


def test_every_column_that_can_be_values_is_a_field(file):
    found, notes = fields_of_file(str(file))
    assert [field.name for field in found] == ["my.csv:price", "my.csv:kind"]
    assert [field.task for field in found] == ["regression", "classification"]
    assert notes == [] and found[1].classes == ("cheap", "dear")
    again = as_field(f"{file}.gz:price")
    assert again.values.equal(found[0].values)
    grouped, _ = fields_of_file(f"{file}:price?groups=kind")
    assert set(grouped[0].groups.tolist()) == {0, 1}
    with pytest.raises(UserError, match="holds several fields"):
        as_field(str(file))


def test_points_of_geoparquet_and_columns_of_coordbench(tmp_path):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    frame = table_of(50)
    frame.rename(columns={"Longitude": "lon", "latitude": "lat"}).to_parquet(tmp_path / "bench.parquet")
    plain = as_field(f"{tmp_path}/bench.parquet:price")
    pairs = zip(frame["Longitude"], frame["latitude"], strict=True)
    points = [struct.pack("<BIdd", 1, 1, lon, lat) for lon, lat in pairs]
    table = pa.table({"price": frame["price"], "geometry": points})
    for crs, kind in (("WGS 84", "GeographicCRS"), ("UTM zone 32N", "ProjectedCRS")):
        geo = {"columns": {"geometry": {"encoding": "WKB", "crs": {"type": kind, "name": crs}}}}
        parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), tmp_path / f"{kind}.parquet")
    geo = as_field(f"{tmp_path}/GeographicCRS.parquet:price")
    assert geo.lonlat_deg.equal(plain.lonlat_deg) and geo.values.equal(plain.values)
    with pytest.raises(UserError, match="in 'UTM zone 32N', not in degrees"):
        as_field(f"{tmp_path}/ProjectedCRS.parquet:price")
    lines = table.set_column(1, "geometry", pa.array([struct.pack("<BII", 1, 2, 0)] * 50))
    parquet.write_table(lines, tmp_path / "lines.parquet")
    with pytest.raises(UserError, match="other things than points"):
        as_field(f"{tmp_path}/lines.parquet:price")


def test_a_raster_is_read_everywhere_or_at_its_cells():
    rows, columns = np.mgrid[0:18, 0:36]
    values = np.where(rows < 9, rows * 1.0 + columns / 7, np.nan)
    same = lambda x, y: (x, y)  # noqa: E731
    # Ten degrees a cell from 0°E: column = x/10, row = (90 - y)/10.
    globe = Band(values, (0.1, 0, 0, 0, -0.1, 9), same, west=0.0)
    field = field_of_band(globe, same, "globe")
    assert field.call is not None and not field.everywhere
    north, south = globe(torch.tensor([[-5.0, 85.0], [5.0, -5.0]], dtype=torch.float64))
    assert north == pytest.approx(35 / 7) and np.isnan(south)
    small = Band(values, (10, 0, 0, 0, -10, 9), same, west=0.0)
    own = field_of_band(small, same, "small")
    assert own.call is None and len(own.values) == 9 * 36 and small(own.lonlat_deg) == pytest.approx(own.values.numpy())


@pytest.mark.parametrize(
    ("change", "spec", "message"),
    [
        (lambda f: f, "my.csv:prize", "no column 'prize'; did you mean 'price'"),
        (lambda f: f, "your.csv:price", "no such file"),
        (lambda f: f.head(2), "my.csv:price", "has 2 values; at least 10"),
        (lambda f: f.assign(one="a"), "my.csv:one", "one value only"),
        (lambda f: f.assign(name=[f"n{i}" for i in range(len(f))]), "my.csv:name", "no number in the column"),
        (lambda f: f.drop(columns="latitude"), "my.csv:price", "column 'lat' is missing"),
        (lambda f: f.assign(latitude=f["latitude"] * 1e5), "my.csv:price", "not on the Earth"),
        (lambda f: f[["Longitude", "latitude", "id"]], "my.csv", "no column besides the places"),
    ],
)  # fmt: skip
def test_files_that_are_no_labels_end_in_a_line(tmp_path, monkeypatch, change, spec, message):
    monkeypatch.chdir(tmp_path)
    change(table_of(60)).to_csv("my.csv", index=False)
    with pytest.raises(UserError, match=message) as caught:
        fields_of_file(spec)
    assert "\n" not in str(caught.value)


def test_fields_on_the_command_line_are_names_of_the_experiment():
    config, _ = parse_run(["--experiments", "fields", "--fields", "land", "my.csv:a,b", "--seed", "3"], "run_all.py")
    assert config.parts["fields"].names == ("land", "my.csv:a,b") and config.seed == 3
    assert Fields().wanted() == ("land", "koppen", "magnetic")
    with pytest.raises(UserError, match="names no field"):
        parse_run(["--fields", "--seed", "3"], "run_all.py")
    for options, words in (({"names": ()}, "is empty"), ({"twins": -1}, "0 or more"), ({"turns": 0}, "positive")):
        with pytest.raises(UserError, match=words):
            Fields(**options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    table_of(300).to_csv(folder / "my.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("satgpu.study.fields.missing", lambda name: "needs x" if name == "koppen" else "")
        patch.setattr("satgpu.experiments.fields.DEFAULT_NAMES", ("koppen",))
        options = {"names": ["auto", f"{folder}/my.csv"], "n_labels": 100, "turns": 9, "draws": 2, "twins": 2}
        config = write_config(folder, encoders=["mini-l10", "sh-l4"], experiments=["fields"], fields=options)
        out = run_study(config, folder / "run")
        before = {name: (out / f"{name}.csv").read_bytes() for name in ("fields", "field_residuals", "readouts")}
        done = out / "readouts.csv"
        lines = done.read_text().splitlines(keepends=True)
        done.write_text("".join(lines[: len(lines) // 2]))  # half of the read-outs count as not done
        run_study(config, out, resume=True)
        assert before == {name: (out / f"{name}.csv").read_bytes() for name in before}
        yield read_run(out)


def test_a_study_reads_fields_and_answers_in_parts(run):
    table = fields.table(run)
    assert list(table["field"]) == ["my.csv:price"] * 2 + ["my.csv:kind"] * 2
    assert np.allclose(table[list(fields.PARTS)].sum(axis=1), table["skill"], atol=1e-5)
    assert list(table["twins"]) == [2, 0, 2, 0]
    told = {answer.id: sentence(answer) for answer in answer_run(run)}
    assert told["fields.not_read"] == "Not read: needs x."
    assert "knows none" in told["fields.known"] or "knows my.csv" in told["fields.known"]
    assert "over 2 untrained twins" in told["fields.gain.my.csv:price.mini-l10"]
    header, rows = fields.cells(run, text)
    assert len(rows) == 4 and {len(row) for row in rows} == {len(header)}


def test_every_number_of_the_page_is_an_answers_and_figures_are_drawn(run, monkeypatch):
    monkeypatch.setattr("satgpu.report.figures.field_residuals.coastlines", list)
    answers = answer_run(run)
    pictures = draw_figures(run, answers)
    assert {"fields", "field_residuals"} <= set(pictures)
    assert pictures["fields"].png[:4] == pictures["field_residuals"].png[:4] == b"\x89PNG"
    assert not any("not drawn" in picture.alt for picture in pictures.values())
    sections = {part.name: part for part in contents_of(run, answers, {run.protocol: pictures}).parts[0].sections}
    assert sections["fields"].figures == ["fields", "field_residuals"]
    words = " ".join(line.text for line in sections["fields"].own)
    for row in sections["fields"].cells[1]:
        assert all(cell in words for cell in row[2:6])


def test_only_what_survives_all_fields_together_is_known(run):
    rows = run.fields.assign(failure="", verdict="knows", p_polar=0.04, p_all=0.04)
    rows.loc[rows.index[0], ["p_polar", "p_all"]] = 0.3
    rows.loc[rows.index[0], "verdict"] = "no evidence"
    fresh = type(run)(results=run.results, fields=rows, environment=run.environment)
    assert "knows" not in set(fields.table(fresh)["known"])  # 4 of 5 at .04 are at .05 together


def test_a_reading_draws_itself():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    found = satgpu.read_field("sh-l3", lambda p: p[:, 1].numpy(), n_labels=60, turns=3, draws=2)
    assert "sh-l3" in found.plot().get_title()
    matplotlib.pyplot.close("all")
