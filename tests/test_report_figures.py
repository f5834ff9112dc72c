"""Figures: what they must show, and that nothing in a table makes them fail."""

import doctest
import importlib

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib import rc_context
from matplotlib.patches import Rectangle
from report_run import NOTICE, SIX, STAND_INS, make_run

from satgpu.answers import answer_run, coastline, read_run, world_map
from satgpu.answers import scale_region as regions
from satgpu.readouts import world
from satgpu.report import figures
from satgpu.report.figures import draw_figures, equal_earth
from satgpu.report.style import RC, assign_styles, nice_km_ticks


@pytest.fixture(autouse=True)
def without_land_mask(monkeypatch):
    monkeypatch.setattr(equal_earth, "load_coastlines", list)
    monkeypatch.setattr(coastline, "coast_distance_km", lambda lonlat_deg: None)


def run_of(folder, *args, **options):
    return read_run(make_run(folder / "run", *args, **options))


def drawn(run, narrow=False):
    """Figure to picture."""
    return draw_figures(run, answer_run(run), narrow)


def draw(name, run, **options):
    """One figure."""
    with rc_context(RC):
        return figures.figures()[name](run, answer_run(run), **options)


def texts(picture) -> str:
    """Everything written on a figure."""
    return " ".join(text.get_text() for text in picture.figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    return read_run(make_run(tmp_path_factory.mktemp("runs") / "standin", STAND_INS, 3, notice=NOTICE))


@pytest.fixture(scope="module")
def pictures(standin):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equal_earth, "load_coastlines", list)
        patch.setattr(coastline, "coast_distance_km", lambda lonlat_deg: None)
        return list(drawn(standin).values())


def test_notice_and_protocol_stand_on_every_figure(pictures):
    assert len(pictures) == 9
    for picture in pictures:
        words = " ".join(texts(picture).split())
        assert NOTICE in words and "geodesic protocol · 3 replicates" in words, picture.name


def test_a_figure_that_fails_is_named_and_stops_no_other(standin, monkeypatch):
    def broken(*_):
        raise ValueError("no such colour")

    monkeypatch.setattr(figures, "figures", lambda: {"boundaries": broken, "similarity": figures.similarity.draw})
    found = drawn(standin)
    assert found["boundaries"].alt == "not drawn: ValueError: no such colour" and "similarity" in found


def test_every_axis_with_data_is_labelled_with_units(pictures):
    units = ("km", "degrees", "°", "accuracy", "points", "skill", "%", "similarity", "intervals", "right")
    for picture in pictures:
        for axes in picture.figure.axes:
            if axes.has_data() and axes.axison and axes.lines:
                assert any(unit in axes.get_xlabel() for unit in units), (picture.name, axes.get_xlabel())
                assert any(unit in axes.get_ylabel() for unit in units) or picture.name == "coastline", (
                    picture.name,
                    axes.get_ylabel(),
                )


def test_nothing_is_drawn_over_the_edge(pictures):
    for picture in pictures:
        figure = picture.figure
        figure.draw_without_rendering()
        width, height = figure.get_size_inches() * figure.dpi
        for text in figure.texts:
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, (picture.name, text.get_text())


@pytest.mark.parametrize("experiment", [*synthetic.EXPERIMENTS, "similarity"])
def test_any_single_experiment_is_enough(tmp_path, experiment):
    found = drawn(run_of(tmp_path, STAND_INS, 2, experiments=(experiment,)))
    assert found and not any(picture.alt.startswith("not drawn") for picture in found.values())


@pytest.mark.parametrize("narrow", [False, True])
def test_six_encoders_fit(tmp_path, narrow):
    run = run_of(tmp_path, SIX, 2, experiments=("sweet_spot", "boundaries", "resolution"))
    assert len(drawn(run, narrow)) == 4


def test_one_encoder_and_one_replicate_draw_without_differences(tmp_path):
    found = drawn(run_of(tmp_path, STAND_INS[:1], 1))
    assert len(found) == 9 and not any(picture.alt.startswith("not drawn") for picture in found.values())
    assert "one replicate, so no intervals" in texts(found["sweet_spot"])
    assert found["scale_region"].title == "Scale and region: accuracy of untrained L=10"


def test_an_experiment_of_failures_says_so(tmp_path):
    for experiment in ("sweet_spot", "region_size", "patterns", "scale_region", "boundaries", "coastline"):
        run = run_of(tmp_path / experiment, STAND_INS, 1, experiments=(experiment,), failed=10**6)
        assert "No probe of this experiment has a score" in drawn(run)[experiment].alt, experiment


def hatched_cells(picture) -> int:
    """Hatched rectangles inside the axes; the legend's own is not one of them."""
    return sum(
        isinstance(patch, Rectangle) and patch.get_hatch() == "////"
        for axes in picture.figure.axes
        for patch in axes.patches
    )


def test_undecided_cells_are_hatched_and_decided_ones_are_not(tmp_path):
    run = run_of(tmp_path, (synthetic.L10, synthetic.Planted("b", 1190.0)), 2, experiments=("scale_region",))
    undecided = (regions.table(run)["verdict"] == "undecided").sum()
    assert 0 < undecided <= 90 and hatched_cells(draw("scale_region", run)) == undecided


def test_one_replicate_hatches_every_cell(tmp_path):
    run = run_of(tmp_path, STAND_INS, 1, experiments=("scale_region",))
    assert hatched_cells(draw("scale_region", run)) == 90


def test_title_states_the_finding_only_where_replicates_support_it(standin, tmp_path):
    assert draw("sweet_spot", standin).title.startswith("L=40 leads L=10 by up to ")
    single = run_of(tmp_path, STAND_INS, 1, experiments=("sweet_spot",))
    assert draw("sweet_spot", single).title == "Checkerboard accuracy by cell size, whole globe"


def test_resolution_figure_draws_the_skill_of_the_table(standin):
    axes = draw("resolution", standin).figure.axes[0]
    rows = standin.probes("resolution", sampling="fixed_per_cell")
    rows = rows[rows["encoder"] == "untrained-l40"]
    expected = (2 * rows.groupby("scale_km")["test_accuracy"].mean() - 1).to_numpy()
    assert any(
        len(line.get_ydata()) == len(expected) and np.allclose(line.get_ydata(), expected) for line in axes.lines
    )


def test_an_untrained_control_shares_the_colour_of_its_trained_twin():
    styles = assign_styles(
        ["satclip-vit16-l10", "satclip-vit16-l40"],
        ["untrained-l10", "untrained-l40", "xyz"],
        {"satclip-vit16-l10": 10, "satclip-vit16-l40": 40, "untrained-l10": 10, "untrained-l40": 40},
    )
    assert styles["untrained-l40"].colour == styles["satclip-vit16-l40"].colour and styles["untrained-l40"].hollow
    compared = [styles["satclip-vit16-l10"], styles["satclip-vit16-l40"]]
    assert len({(style.colour, style.marker) for style in compared}) == 2


def test_compared_colours_are_told_apart_in_grey():
    styles = assign_styles(["a", "b"], [], {})
    grey = [
        np.dot([int(style.colour[i : i + 2], 16) for i in (1, 3, 5)], (0.2126, 0.7152, 0.0722))
        for style in styles.values()
    ][:2]
    assert abs(grey[0] - grey[1]) > 60


@pytest.mark.parametrize(("low", "high"), [(290, 910), (10, 3000), (480, 4100), (95, 105), (50, 20000)])
def test_ticks_are_round_ascending_and_inside(low, high):
    ticks = nice_km_ticks(low, high)
    assert ticks == sorted(ticks) and all(low * 0.99 <= tick <= high * 1.01 for tick in ticks) and len(ticks) >= 1


def test_equal_earth_keeps_areas():
    cells = world_map.equal_area_cells(10)
    areas = []
    for cell in cells.itertuples():
        lat = np.linspace(cell.south, cell.north, 200)
        lon = np.concatenate([np.full(200, cell.west), np.full(200, cell.east)])
        x, y = equal_earth.equal_earth(lon, np.concatenate([lat, lat[::-1]]))
        areas.append(abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2 * cell.columns)
    assert np.ptp(areas) / np.mean(areas) < 1e-3  # bands are of equal area on the sphere


def test_accuracy_by_cell_counts_right_points_where_they_are():
    lon, lat = np.meshgrid(np.arange(-179.5, 180), np.degrees(np.arcsin(np.linspace(-0.99, 0.99, 60))))
    table = pd.DataFrame({"lon_deg": lon.ravel(), "lat_deg": lat.ravel(), "label": 1})
    table["prediction"] = (table["lon_deg"] > 0).astype(int)
    cells = world_map.accuracy_by_cell(table, 8)
    assert (cells.loc[cells["west"] >= 0, "accuracy"] == 1).all() and (
        cells.loc[cells["east"] <= 0, "accuracy"] == 0
    ).all()


def test_coast_resolution_is_where_three_places_in_four_are_right(monkeypatch):
    away = np.tile(np.geomspace(1, 2000, 4000), 6)  # three replicates of two encoders
    monkeypatch.setattr(coastline, "coast_distance_km", lambda lonlat_deg: away)
    table = pd.DataFrame({"lon_deg": 0.0, "lat_deg": 0.0, "label": 1}, index=range(24000))
    table["encoder"] = np.repeat(["near", "far"], 12000)
    table["replicate"] = np.tile(np.repeat([0, 1, 2], 4000), 2)
    truth = np.where(table["encoder"] == "near", 60.0, 400.0)
    share = 0.5 + 0.5 / (1 + (truth / away) ** 2)  # 75 % at the true distance
    table["prediction"] = (np.random.default_rng(0).random(24000) < share).astype(int)
    found = coastline.coast_resolution(coastline.accuracy_by_distance(table)).set_index("encoder")
    assert found.loc["near", "mean"] == pytest.approx(60, rel=0.2)
    assert found.loc["far", "mean"] == pytest.approx(400, rel=0.2)
    assert found.loc["near", "high"] < found.loc["far", "low"]


def test_without_the_land_mask_there_is_no_distance_and_the_panel_says_what_to_install(standin):
    assert coastline.shares(standin).empty
    assert "pip install 'satgpu[land]'" in texts(draw("coastline", standin))


def test_map_without_the_land_mask_says_so_and_with_coasts_does_not(standin):
    assert "No coastlines" in draw("world_map", standin, coasts=[]).caption
    square = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 0.0]])
    assert "No coastlines" not in draw("world_map", standin, coasts=[square]).caption


def test_coasts_are_cut_at_the_antimeridian():
    coast = np.array([[179.0, 0.0], [179.9, 1.0], [-179.9, 2.0], [-179.0, 3.0]])
    assert [len(piece) for piece in world._unwrapped([coast])] == [2, 2]


@pytest.mark.parametrize("name", ["report.style", "report.words", "run.names", "answers.sentences"])
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(f"satgpu.{name}")).failed == 0
