"""Fields of the real Earth: does an encoder know one, or merely resolve it?

* one reading:    ``read_field``, ``FieldReading``, ``Known``
* fields:         ``as_field``, ``Field``, ``names`` (those known by name), ``missing``
"""

from satgpu.fields.field import Field, as_field
from satgpu.fields.parts import Known
from satgpu.fields.reading import FieldReading, read_field
from satgpu.fields.sources import missing, names

__all__ = ["Field", "FieldReading", "Known", "as_field", "missing", "names", "read_field"]
