"""Tables that grow by whole rows, and whole-file writes that happen or don't."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satgpu.errors import UserError
from satgpu.run.durable import AppendTable, merge_tables, read_lines, write_atomically

COLUMNS = ["name", "value"]


def test_rows_are_on_disk_as_soon_as_append_returns(tmp_path):
    table = AppendTable(tmp_path / "t.csv", COLUMNS)
    table.append([{"name": "a", "value": 0.1}, {"name": "b, with comma", "value": None}])
    assert read_lines(tmp_path / "t.csv", COLUMNS) == [b"a,0.1", b'"b, with comma",']


@given(cut=st.integers(min_value=0, max_value=200))
def test_a_file_cut_anywhere_reads_as_whole_rows_and_can_be_continued(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "t.csv"
    table = AppendTable(path, COLUMNS)
    table.append([{"name": f"row{i}", "value": i / 7} for i in range(5)])
    table.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    left = read_lines(path, COLUMNS)
    assert left == whole.splitlines()[1 : len(left) + 1]
    again = AppendTable(path, COLUMNS)
    again.append([{"name": "next", "value": 1.0}])
    again.close()
    assert read_lines(path, COLUMNS) == [*left, b"next,1.0"]


def test_a_full_disk_keeps_the_rows_that_were_there(tmp_path, monkeypatch):
    table = AppendTable(tmp_path / "t.csv", COLUMNS)
    table.append([{"name": "kept", "value": 1}])

    real_write = os.write

    def half_then_full(file, data):
        if len(data) > 4:
            return real_write(file, data[:4])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    with pytest.raises(UserError, match="No space left on device; rows already written are intact"):
        table.append([{"name": "lost", "value": 2}])
    monkeypatch.undo()
    assert (tmp_path / "t.csv").read_text() == "name,value\nkept,1\n"


def test_a_folder_that_vanishes_is_told(tmp_path):
    table = AppendTable(tmp_path / "t.csv", COLUMNS)
    (tmp_path / "t.csv").unlink()
    with pytest.raises(UserError, match="was removed while the run was writing it"):
        table.append([{"name": "a", "value": 1}])


def test_a_path_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write .*make room or permissions"):
        AppendTable(tmp_path / "file" / "t.csv", COLUMNS)


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "f.json"
    write_atomically(path, "old")

    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match="No space left on device"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.json"]


def test_a_foreign_table_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="its columns are not those of this satgpu"):
        read_lines(tmp_path / "t.csv", COLUMNS)


_tables = st.lists(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3)), max_size=8), max_size=4)


@given(_tables)
def test_merging_equals_sorting_everything_at_once(tmp_path_factory, tables):
    folder = tmp_path_factory.mktemp("merge")
    for i, rows in enumerate(tables):
        table = AppendTable(folder / f"{i}.csv", COLUMNS)
        table.append({"name": name, "value": value} for name, value in rows)
        table.close()
    everything = dict.fromkeys(row for rows in tables for row in rows)
    expected = [f"{n},{v}".encode() for n, v in sorted(everything, key=lambda row: row[0]) if n != "c"]
    paths = [folder / f"{i}.csv" for i in range(len(tables))] + [folder / "missing.csv"]
    merge_tables(paths, folder / "out.csv", COLUMNS, keep=lambda task: task != b"c")
    assert read_lines(folder / "out.csv", COLUMNS) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "t.csv"
    path.write_bytes(data)
    try:
        read_lines(path, COLUMNS)
    except UserError as error:
        assert "\n" not in str(error)
