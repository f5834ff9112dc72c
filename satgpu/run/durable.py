"""Files that survive a cut: tables that grow by whole rows, and whole-file writes that happen or don't."""

import csv
import heapq
import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from satgpu.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` when all of it is written, or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror or error}; rows already written are intact") from error


def write_atomically(path: Path, text: str) -> None:
    """Replace ``path`` whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


class AppendTable:
    """A CSV file that grows by whole lines.

    Args:
        path: the file; it is made with a header where it doesn't exist.
        columns: names, in order.
    """

    def __init__(self, path: Path, columns: Iterable[str]):
        self.path, self.columns = path, list(columns)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._drop_half_line()
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            if os.fstat(self._file).st_size == 0:
                self._write_whole((",".join(self.columns) + "\n").encode())
        except OSError as error:
            raise self._unwritable(error) from error

    def _drop_half_line(self) -> None:
        """A process cut while writing may leave a line without its end."""
        if not self.path.exists():
            return
        text = self.path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            os.truncate(self.path, whole)

    def append(self, rows: Iterable[Any]) -> None:
        """Write rows (dataclasses or mappings) in one call to the system: a kill can't come between two halves."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        for row in rows:
            values = row if isinstance(row, Mapping) else vars(row)
            writer.writerow([_cell(values.get(column)) for column in self.columns])
        self._write_whole(buffer.getvalue().encode())

    def _write_whole(self, data: bytes) -> None:
        before = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:  # a full disk may take half a row: take it back
            os.ftruncate(self._file, before)
            raise self._unwritable(error) from error
        if not self.path.exists():
            raise UserError(
                f"{self.path} was removed while the run was writing it; start the run again in a new folder"
            )

    def sync(self) -> None:
        """Wait until the rows are on the medium."""
        os.fsync(self._file)

    def close(self) -> None:
        """Sync and close; nothing more can be appended."""
        os.fsync(self._file)
        os.close(self._file)

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write {self.path}: {error.strerror or error}; rows already written are intact: "
            "make room or permissions, then continue with --resume"
        )


def _cell(value: Any) -> Any:
    if value is None or value != value:  # NaN is an empty cell
        return ""
    return repr(value) if isinstance(value, float) else value


def read_lines(path: Path, columns: Iterable[str]) -> list[bytes]:
    """The whole rows of a table as they stand in the file, without the header.

    A half row at the end, and a missing file, count as nothing.

    Raises:
        UserError: the file is not a table with these columns.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    if lines and lines[0].decode(errors="replace") != ",".join(columns):
        raise UserError(f"{path}: its columns are not those of this satgpu; another version or program wrote it")
    return lines[1:]


def first_cell(line: bytes) -> bytes:
    """The row's task: the first column, which never holds a comma or a quote."""
    return line.split(b",", 1)[0]


def merge_tables(paths: list[Path], out: Path, columns: Iterable[str], keep: Callable[[bytes], bool]) -> int:
    """Merge tables into one, sorted by task; rows written twice stay once. Returns how many tasks it holds.

    Rows of a task stay in the order in which they were written. Each file is
    sorted by itself and the files are merged as streams, so that memory holds
    the files' text and no table.

    Args:
        paths: tables with the same columns; missing ones count as empty.
        out: the file to replace, which may be one of them.
        columns: names, in order.
        keep: of a task, whether its rows are wanted.
    """
    columns = list(columns)
    files = [sorted(read_lines(path, columns), key=first_cell) for path in paths]
    tasks = 0
    with replacing(out) as file:
        file.write((",".join(columns) + "\n").encode())
        for task, lines in itertools.groupby(heapq.merge(*files, key=first_cell), key=first_cell):
            if keep(task):
                tasks += 1
                file.writelines(line + b"\n" for line in dict.fromkeys(lines))
    return tasks
