"""The gate, small: every row holds, a measure that moves is caught, and any encoder can be sent through."""

import pytest
from rich.console import Console

from satgpu.cli import main
from satgpu.validation import gate
from satgpu.validation.gate_transfer import harmonics_below, ridge_theory

ROWS = [row for row in gate.all_rows() if row.small_tolerance is not None]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_holds(row):
    (outcome,) = gate.run_gate([row], gate.SMALL)
    assert outcome.holds, [(c.label, c.expected, c.measured) for c in outcome.checks]


def _row(measured, **options):
    return gate.Row("a", "b", lambda size, encoder: [gate.Check("c", 1.0, measured)], 0.1, 0.1, **options)


@pytest.mark.parametrize(
    ("measured", "below", "holds"),
    [(1.05, False, True), (0.8, False, False), (0.8, True, True), (1.2, True, False), (float("nan"), True, False)],
)
def test_a_number_holds_within_its_tolerance(measured, below, holds):
    (outcome,) = gate.run_gate([_row(measured, below=below)], gate.SMALL)
    assert outcome.holds is holds
    assert ("**no**" in gate.markdown_table([outcome])) is not holds


def test_of_an_encoder_only_the_rows_that_can_be_asked_of_any_are_run():
    assert not list(gate.run_gate([_row(1.0)], gate.SMALL, harmonics_below(3)))
    names = [row.name for row in gate.all_rows() if row.of_any_encoder]
    assert "every invertible linear map" in names and "closed form, η = 1" not in names
    outcomes = list(gate.run_gate([r for r in ROWS if r.of_any_encoder][:2], gate.SMALL, harmonics_below(4)))
    assert len(outcomes) == 2 and all(o.holds for o in outcomes)


def test_rows_have_names_of_their_own(monkeypatch):
    monkeypatch.setattr(gate, "ROOMS", gate.ROOMS * 2)
    with pytest.raises(ValueError, match="two rows of the gate are called"):
        gate.all_rows()


def test_closed_form_has_its_limits():
    assert ridge_theory(100, 10**9, 0.1) == pytest.approx(1, abs=1e-6)
    assert ridge_theory(1000, 100, 1e-9) == pytest.approx(0.1, abs=1e-3)


def test_command_prints_writes_and_says_by_its_status_whether_a_row_fails(monkeypatch, tmp_path, capsys):
    from satgpu.validation import gate_command

    good, bad = _row(1.0), _row(2.0)
    for rows, status in (([good], 0), ([bad], 1)):
        monkeypatch.setattr(gate_command, "all_rows", lambda rows=rows: rows)
        assert main(["gate", "--small", "--out", str(tmp_path / "gate.md")]) == status
    assert "| a | b | c: 1 → 2 | 0.1 | **no** |" in (tmp_path / "gate.md").read_text()
    assert "1 rows don't hold" in capsys.readouterr().out
    former = [_row(2.0, former=True)]
    monkeypatch.setattr(gate_command, "all_rows", lambda: former)
    assert gate_command.run_gate_command([], True, "", "cpu", Console()) == 0
