"""satgpu: how fine a spatial detail can a geographic location encoder tell apart?

Table of contents; names load what they need when they are first used.

* a whole study:  ``Study``
* encode places:  ``load_encoder``, ``encode``, ``as_encoder``, ``Encoder``, ``Provenance``, ``describe_encoders``
* label fields:   ``make_labels``, ``PATTERNS``, ``great_circle_km``, ``uniform_on_sphere``
* probe:          ``MLPProbes``, ``ProbeOptions``, ``ProbeGroup``, ``train_probes``
* resolution:     ``transfer_function``, ``local_transfer``, ``resolution_map``
* answer:         ``compare``, ``kernel_resolution``, ``probe_resolution``
* the real Earth: ``read_field``, ``read_fields``, ``field_budget``

Letters of shapes, one key for the whole package: G groups, P probes, N points learned from, M points tested, B a batch
(of points, caps, turns, resamples), D embedding, H hidden units, C outputs or classes, T targets, L harmonic degrees
1 to l_max, E terms of an expansion, A penalties, S rungs of a ladder of label counts, K cells of a table, scales or
distances, R replicates or draws. A local tensor of rank two or more may carry them: ``weight_PDH``.
"""

import importlib

_HOME = {
    "Study": "satgpu.study.api",
    "Encoder": "satgpu.encoders",
    "Provenance": "satgpu.encoders",
    "as_encoder": "satgpu.encoders",
    "encode": "satgpu.encoders",
    "describe_encoders": "satgpu.encoders",
    "extract_location": "satgpu.encoders",
    "load_encoder": "satgpu.encoders",
    "PATTERNS": "satgpu.geometry",
    "great_circle_km": "satgpu.geometry",
    "make_labels": "satgpu.geometry",
    "uniform_on_sphere": "satgpu.geometry",
    "MLPProbes": "satgpu.probes",
    "ProbeGroup": "satgpu.probes",
    "ProbeOptions": "satgpu.probes",
    "train_probes": "satgpu.probes",
    "transfer_function": "satgpu.readouts.transfer",
    "compare": "satgpu.answers.compare",
    "local_transfer": "satgpu.readouts.local",
    "resolution_map": "satgpu.readouts.map",
    "kernel_resolution": "satgpu.readouts.similarity",
    "probe_resolution": "satgpu.answers",
    "field_budget": "satgpu.fields",
    "read_field": "satgpu.fields",
    "read_fields": "satgpu.fields",
    "UserError": "satgpu.errors",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'satgpu' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
