"""Precomputed embeddings: found where they are, refused where they aren't."""

import numpy as np
import pandas as pd
import pytest
import torch

from satgpu.encoders import load_encoder
from satgpu.encoders.checkpoint import sha256_of_file
from satgpu.errors import UserError
from satgpu.geometry.sphere import destination_deg

PLACES = torch.tensor([[12.345678901, 48.0], [-180.0, -33.3], [0.0, 90.0], [179.95, 10.0]], dtype=torch.float64)
EMBEDDINGS = torch.arange(12, dtype=torch.float64).reshape(4, 3) / 7


def write_table(folder, kind="csv", places=PLACES, embeddings=EMBEDDINGS):
    path = folder / f"table.{kind}"
    lon, lat = places.T.numpy()
    if kind == "npz":
        np.savez(path, lon=lon, lat=lat, embedding=embeddings.numpy())
    else:
        columns = {f"e{index}": embeddings[:, index].numpy() for index in range(embeddings.shape[1])}
        pd.DataFrame({"lon": lon, "lat": lat, **columns}).to_csv(path, index=False)
    return path


def refusal(spec):
    with pytest.raises(UserError) as caught:
        load_encoder(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_listed_places_are_found_exactly(tmp_path, kind):
    path = write_table(tmp_path, kind)
    encoder = load_encoder(str(path))
    torch.testing.assert_close(encoder(PLACES.flip(0)), EMBEDDINGS.flip(0), rtol=1e-15, atol=0)
    torch.testing.assert_close(load_encoder(path, dtype=torch.float32)(PLACES), EMBEDDINGS.float())
    # The same meridian by its other name, and a pole by any longitude.
    again = encoder(torch.tensor([[180.0, -33.3], [77.0, 90.0]], dtype=torch.float64))
    torch.testing.assert_close(again, EMBEDDINGS[1:3], rtol=1e-15, atol=0)
    provenance = encoder.provenance
    columns = "e0, e1, e2" if kind == "csv" else "embedding[0], embedding[1], embedding[2]"
    assert (provenance.name, provenance.dim) == ("table", 3)
    assert provenance.source == f"file table.{kind}, columns {columns}"
    assert (provenance.sha256, provenance.licence) == (sha256_of_file(path), "not stated")


def test_other_places_are_refused_with_their_number_and_the_distance(tmp_path):
    encoder = load_encoder(write_table(tmp_path))
    asked = torch.cat([PLACES, destination_deg(PLACES[:2], torch.zeros(2), torch.tensor([3.0, 41.5]))])
    with pytest.raises(
        UserError, match="table: 2 of 6 points have no embedding exactly there; .* is 41.5 km from one;"
    ):
        encoder(asked)


def test_the_nearest_place_is_taken_within_the_stated_distance_and_not_beyond(tmp_path):
    encoder = load_encoder(f"{write_table(tmp_path)}?within_km=25")
    assert encoder.name == "table-within25km"
    # Across the antimeridian too: 0.2 degrees east of 179.95 lies -179.85.
    near = torch.cat(
        [destination_deg(PLACES[:1], torch.zeros(1), torch.tensor([24.9])), torch.tensor([[-179.85, 10.0]])]
    )
    torch.testing.assert_close(encoder(near), EMBEDDINGS[[0, 3]])
    with pytest.raises(UserError, match="table-within25km: 1 of 1 points have no embedding within 25 km"):
        encoder(destination_deg(PLACES[:1], torch.zeros(1), torch.tensor([25.1])))


def test_longitude_comes_first(tmp_path):
    encoder = load_encoder(write_table(tmp_path))
    with pytest.raises(UserError, match="1 of 1 points have no embedding exactly there"):
        encoder(PLACES[:1].flip(1))


def test_csv_columns_may_stand_in_any_order_and_hold_integers(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("b,lat,a,lon\n1,50,2.5,10\n3,51,4.5,11\n")
    assert load_encoder(path)(torch.tensor([[11.0, 51.0]])).tolist() == [[3.0, 4.5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lat,e0\n1,2\n", "column 'lon' is missing; wanted lon, lat and the embedding; found lat, e0"),
        ("lon,lat,e0,city\n1,2,3,Ulm\n", "column 'city' does not hold numbers; keep lon, lat and the embedding"),
        ("lon,lat,e0,ok\n1,2,3,True\n", "column 'ok' does not hold numbers"),
        ("lon,lat\n1,2\n", "the table is empty: 1 places, 0 embedding columns"),
        ("lon,lat,e0\n", "does not hold numbers|the table is empty: 0 places"),
        ("lon,lat,e0\n1,2,\n3,4,5\n", "1 of 2 embeddings hold NaN or infinity; drop those rows"),
        ("lon,lat,e0\n1,91,5\n", "lon or lat is missing or out of range \\(are they swapped, or not in degrees\\?\\)"),
        ("lon,lat,e0\n1,,5\n2,3,4\n", "lon or lat is missing or out of range"),
        ("lon,lat,e0\n1,2,5\n1,2,6\n3,4,5\n", "1 place.s. stand in the table twice with different embeddings, first"),
        ("lon,lat,e0\n180,2,5\n-180,2,6\n", "first \\(180, 2\\) and \\(-180, 2\\); keep one"),
        ("lon,lat,e0\n190,2,5\n-170,2,6\n", "stand in the table twice with different embeddings"),
        ("lon,lat,e0\n7,90,5\n99,90,6\n", "stand in the table twice with different embeddings"),
        (",lon,lat,e0\n0,1,2,3\n1,2,3,4\n", "column 'Unnamed: 0' looks like an index, a place or a date"),
        ("id,lon,lat,e0\n7,1,2,3\n", "column 'id' looks like an index, a place or a date, not like a component; name"),
        ("__index_level_0__,lon,lat,e0\n7,1,2,3\n", "looks like an index"),
        ("lon,lat,year,e0\n1,2,2020,3\n", "column 'year' looks like"),
        ("lon,lat,longitude,e0\n1,2,1,3\n", "column 'longitude' looks like"),
        ("lon,lat,n,e0\n1,2,0,3\n2,2,1,4\n3,2,2,4\n", "column 'n' counts the rows like an index; name"),
        ("lon,lat,lon,e0\n1,2,1,3\n", "column 'lon' stands in the header twice; keep one"),
        ("lon,lat,e0\n1,2,3,\n4,5,6,\n", "its rows have 1 value.s. more than its header names; mend the header"),
        ("lon,lat,e0\n3,2,3,8\n7,5,6,9\n", "its rows have 1 value.s. more than its header names"),
        ("lon,lat,e0\n1,2,3,8,9\n4,5,6,9,9\n", "its rows have 2 value.s. more than its header names"),
        ("Lon,lat,e0\n1,2,3\n", "column 'lon' is missing; .*; did you mean 'Lon'\\? rename it to 'lon'"),
        ("lon,LATITUDE,e0\n1,2,3\n", "did you mean 'LATITUDE'\\? rename it to 'lat'"),
        ("x,y,e0\n1,2,3\n", "did you mean 'x'\\? rename it to 'lon'"),
        ("lon,lat,target,e0\n1,2,3,4\n", "column 'target' looks like"),
        ("lon,lat,h3_08,e0\n1,2,3,4\n", "column 'h3_08' looks like an index, a place"),
        (
            "lon,lat,population,e0,e1\n1,2,3,4,5\n",
            "column 'population' has no number as others have; .*columns=\\* takes",
        ),
        ("lon;lat;e0\n1,5;2,5;3,5\n", "its columns are set apart by ';'; write commas, and decimal points"),
        ("Lon\tlat\te0\n1\t2\t3\n", "its columns are set apart by '.t'; write commas"),
        ('lon,lat,e0\n"1,5","2,5","3,5"\n', "column 'lon' does not hold numbers"),
        ("lon,lat ,e0\n1,2,3\n", "did you mean 'lat '\\? rename it to 'lat'"),
        ("", "cannot be read as csv \\(No columns to parse from file\\)"),
    ],
)
def test_a_csv_that_is_no_table_of_embeddings_is_refused(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_encoder(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"lon": [1.0], "lat": [2.0]}, "array 'embedding' is missing; wanted lon \\(n,\\), lat \\(n,\\) and embedding"),
        ({"lon": [1.0], "lat": [2.0, 3.0], "embedding": [[1.0]]}, "wanted lon .*; got .*'lat': \\(2,\\)"),
        ({"lon": [1.0], "lat": [2.0], "embedding": [1.0]}, "wanted lon .*; got .*'embedding': \\(1,\\)"),
        ({"lon": [1.0], "lat": [2.0], "embedding": [["a"]]}, "lon, lat and embedding must hold numbers"),
        ({"lon": [1.0], "lat": [2.0], "embedding": [[{}]]}, "cannot be read as .npz \\(Object arrays cannot be loaded"),
    ],
)
def test_an_npz_that_is_no_table_of_embeddings_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "table.npz", **{name: np.array(value) for name, value in arrays.items()})
    with pytest.raises(UserError, match=message):
        load_encoder(tmp_path / "table.npz")


@pytest.mark.parametrize("first", ["1", "Ulm"])
def test_a_header_one_name_short_is_how_r_writes_row_names(tmp_path, first):
    path = tmp_path / "table.csv"
    path.write_text(f'lon,lat,e0\n"{first}",1,2,5\n"2",3,4,6\n')
    assert load_encoder(path)(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist() == [[5.0], [6.0]]


def test_columns_can_be_named_and_are_listed(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("id,lon,lat,year,e0,e1,f0\n7,1,2,2020,5,6,7\n")
    encoder = load_encoder(f"{path}?columns=e*")
    assert encoder(torch.tensor([[1.0, 2.0]])).tolist() == [[5.0, 6.0]]
    assert encoder.provenance.source.endswith("columns e0, e1")
    both = load_encoder(f"{path}?columns=f0,e1&within_km=3")
    assert both(torch.tensor([[1.001, 2.0]])).tolist() == [[6.0, 7.0]]
    assert "no column matches 'g*'; it has id, year, e0" in refusal(f"{path}?columns=g*")
    assert "no column matches 'g'; it has id" in refusal(f"{path}?columns=e*,g")
    assert "an option is given twice; name several columns by comma" in refusal(f"{path}?columns=e0&columns=e1")
    assert load_encoder(f"{path}?columns=*").dim == 5


def test_the_same_place_twice_with_one_embedding_is_merged(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("lon,lat,e0\n180,2,5\n-180,2,5\n0,90,7\n55,90,7\n190,1,3\n-170,1,3\n")
    encoder = load_encoder(path)
    assert len(encoder._embeddings) == 3
    assert encoder(torch.tensor([[180.0, 2.0], [-99.0, 90.0], [-170.0, 1.0]])).tolist() == [[5.0], [7.0], [3.0]]


def test_a_file_that_is_missing_or_of_another_kind_is_refused(tmp_path):
    assert "no such file; give the path of a table" in refusal(tmp_path / "none.csv")
    (tmp_path / "table.npz").write_bytes(b"PK\x03\x04 and no more")
    assert "cannot be read as .npz" in refusal(tmp_path / "table.npz")
    assert "looks like a file of a kind not read here; kinds read: .ckpt" in refusal(str(tmp_path / "table.xlsx"))


def test_parquet_is_read_where_pandas_can_and_else_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1")
    frame = pd.DataFrame({"lon": [1.0], "lat": [2.0], "e0": [3.0]})
    monkeypatch.setattr(pd, "read_parquet", lambda given: frame)
    assert load_encoder(path)(torch.tensor([[1.0, 2.0]])).tolist() == [[3.0]]
    monkeypatch.setattr(pd, "read_parquet", lambda given: frame.set_index(["lon", "lat"]))
    assert load_encoder(path)(torch.tensor([[1.0, 2.0]])).tolist() == [[3.0]]
    levels = frame.set_axis(pd.MultiIndex.from_tuples([("lon", ""), ("lat", ""), ("e", "0")]), axis=1)
    monkeypatch.setattr(pd, "read_parquet", lambda given: levels)
    assert "its columns have names of 2 levels; write one name a column" in refusal(path)

    def without_pyarrow(given):
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", without_pyarrow)
    assert "reading parquet needs pyarrow; run 'pip install pyarrow' or give a .csv" in refusal(path)


@pytest.mark.parametrize("option", ["within_km=0", "within_km=-3", "within_km=far", "within_km=nan", "within_km="])
def test_a_distance_that_is_none_is_refused(tmp_path, option):
    assert "within_km must be a distance above 0; got" in refusal(f"{write_table(tmp_path)}?{option}")


@pytest.mark.parametrize(
    "text", ["\ufefflon, lat, e0\n1, 2, 3\n", "lon,lat,e0\r1,2,3\r", '\n"lon","lat","e0"\n"1","2","3"\n\n']
)
def test_a_csv_of_any_editor_is_read(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text.encode())
    assert load_encoder(tmp_path / "t.csv")(torch.tensor([[1.0, 2.0]])).tolist() == [[3.0]]


def test_metres_are_no_distance(tmp_path):
    assert "within_km holds 25000 km; half the Earth's" in refusal(f"{write_table(tmp_path)}?within_km=25000")


@pytest.mark.parametrize("option", ["within=3", "within_km=3&x=1", "25"])
def test_an_unknown_option_is_refused(tmp_path, option):
    assert "there are ?within_km=DISTANCE and ?columns=PATTERNS" in refusal(f"{write_table(tmp_path)}?{option}")
