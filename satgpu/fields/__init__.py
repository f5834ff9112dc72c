"""Fields of the real Earth: does an encoder know one, or merely resolve it?

* one reading:    ``read_field``, ``read_fields``, ``FieldReading``, ``Known``
* labels needed:  ``field_budget``, ``FieldBudget``
* fields:         ``as_field``, ``Field``, ``names`` (those known by name), ``missing``
"""

from satgpu.fields.budget import FieldBudget, field_budget
from satgpu.fields.field import Field, as_field
from satgpu.fields.parts import Known
from satgpu.fields.read import read_field, read_fields
from satgpu.fields.reading import FieldReading
from satgpu.fields.sources import missing, names

__all__ = [
    "Field", "FieldBudget", "FieldReading", "Known",
    "as_field", "field_budget", "missing", "names", "read_field", "read_fields",
]  # fmt: skip
