"""Files that survive a cut: tables that grow by whole rows, and whole-file writes that happen or don't."""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from satgpu.errors import UserError


def write_atomically(path: Path, text: str) -> None:
    """Replace ``path`` whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror or error}; rows already written are intact") from error


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

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows in one call to the system, so that a kill can't come between two halves of one."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        for row in rows:
            writer.writerow([_cell(row.get(column)) for column in self.columns])
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


def read_text_rows(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """Whole rows of a table as text; a half row at the end, and a missing file, count as nothing."""
    columns = list(columns)
    if not path.exists():
        return pd.DataFrame(columns=columns, dtype=str)
    data = path.read_bytes()
    data = data[: data.rfind(b"\n") + 1]
    if not data:
        return pd.DataFrame(columns=columns, dtype=str)
    try:
        rows = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, encoding="utf-8")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a table that satgpu wrote ({' '.join(str(error).split())})") from error
    if list(rows.columns) != columns:
        raise UserError(f"{path}: its columns are not those of this satgpu; it was written by another version")
    return rows
