"""What read_field must get right: encoders that were given a field, encoders that know nothing, fields nobody knows.

python scripts/fields_truth.py [--only 1 4 7 speed] [--nulls 200] [--csv truth.csv]

Prints a Markdown table of what was asked, what was measured, and whether it holds; the splits have a table of their
own. ``docs/fields.md`` holds its output.
"""

import argparse
import time
from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch

import satgpu
from satgpu.fields import FieldReading, as_field
from satgpu.validation import real_fields as truth

UNTRAINED = ("sh-l12", "rff-2000km", "untrained-l5", "untrained-l10", "untrained-l20", "untrained-l40")
TRAINED = ("geoclip", "mini-l10", "mini-l40")
POINTS = ("1", "2", "3", "4", "5", "6", "7", "8", "speed")


def rows_of(point: str, nulls: int, turns: int) -> Iterable[truth.Truth]:
    """The rows of one point at full size."""
    few = {"turns": turns, "n_labels": 300}
    if point == "1":
        yield from truth.calibration(nulls, **few)
    if point == "2":
        yield from truth.zonal_nulls(nulls, **few)
    if point == "3":
        yield from truth.uneven_resolution(nulls, turns=turns, n_labels=600)
    if point == "4":
        bases = ("untrained-l10", "untrained-l40")
        yield from truth.power(["land"], bases, turns=turns, draws=4, n_labels=6000)
        yield from truth.power(["koppen-a", "koppen-b"], bases, turns=turns, draws=2, n_labels=1000)
        yield truth.coarse_knowledge(turns=turns, draws=2, n_labels=1000)
    if point == "5":
        yield from truth.prediction(["land", "magnetic"], UNTRAINED)
    if point == "6":
        yield from truth.negative_controls((*TRAINED, *UNTRAINED), turns=turns, draws=4)
    if point == "7":
        found = list(truth.splits(["untrained-l10", "geoclip", "mini-l40"], turns=6, draws=4, n_labels=1200))
        print(split_table(found), flush=True)
        yield from truth.of_splits(found)
    if point == "8":
        yield from truth.not_to_be_tested(turns=turns, draws=2, n_labels=1000)


def split_table(found: list[FieldReading]) -> str:
    """Skill and longitude part by split, and how far the places held back are from labels."""
    split = [one.split for one in found]
    readers = [one.encoder if one.reader == "linear" else "places alone" for one in found]
    cells = [f"{o.skill:.2f}, {o.longitude:+.2f}" for o in found]
    far = {one.split: f"{one.distance_km[0]:.0f} ({one.wasserstein_km:.0f})" for one in found}
    table = pd.DataFrame({"split": split, "reader": readers, "cell": cells})
    table = table.pivot_table(index="split", columns="reader", values="cell", aggfunc="first", sort=False)
    lines = ["| split | to a label, km (off the domain) | " + " | ".join(table.columns) + " |"]
    lines += ["| --- " * (len(table.columns) + 2) + "|"]
    lines += [f"| {name} | {far[name]} | {' | '.join(row)} |" for name, row in table.T.items()]
    return "\n".join(lines)


def speed(threads: int) -> Iterable[truth.Truth]:
    """Land and its 99 + 99 turns from three encoders, beside scikit-learn's RidgeCV turn by turn, sides in turns."""
    torch.set_num_threads(threads)
    encoders = ("untrained-l10", "untrained-l40", "geoclip")
    satgpu.read_field("untrained-l5", "land", n_labels=500, turns=1, draws=1)
    ours, theirs, n_turns = {1: 0.0, 8: 0.0}, 0.0, 5
    for name in encoders:
        for draws in ours:
            start = time.perf_counter()
            satgpu.read_field(name, "land", draws=draws)
            ours[draws] += time.perf_counter() - start
        theirs += _scikit_learn(name, n_turns)
    asked = f"three encoders, {threads} threads: at most 30 s"
    for draws, seconds in ours.items():
        yield truth.Truth(f"speed, {draws} draws of places", asked, f"{seconds:.1f} s", seconds <= 30)
    measured = f"{theirs:.1f} s for {n_turns} turns, so {theirs / n_turns * 199:.0f} s for 199 (arithmetic)"
    yield truth.Truth("speed, RidgeCV in a loop, 1 draw", "the same turns, penalties and places", measured, True)


def _scikit_learn(name: str, n_turns: int) -> float:
    """Seconds of RidgeCV on so many turns of land, from places and encoder on."""
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import StandardScaler

    from satgpu.fields.turns import draw_turns, turned_deg
    from satgpu.readouts.ridge import PENALTIES

    encoder, land = satgpu.load_encoder(name), as_field("land")
    start = time.perf_counter()
    places = satgpu.uniform_on_sphere(10_000, torch.Generator().manual_seed(0))
    Z = encoder(places).numpy().astype(np.float64)
    scaler = StandardScaler().fit(Z[:6000])
    Z, Z_test = scaler.transform(Z[:6000]), scaler.transform(Z[6000:])
    alphas = PENALTIES.numpy() * np.linalg.eigvalsh(Z.T @ Z)[-1]
    for turned in turned_deg(places, draw_turns(n_turns - 1, 0, 0).rotations):
        values = land.at(turned)[:, 0].numpy()
        RidgeCV(alphas=alphas).fit(Z, values[:6000]).score(Z_test, values[6000:])
    return time.perf_counter() - start


def main() -> None:
    """Measure the points asked for, print row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=POINTS, default=POINTS)
    parser.add_argument("--nulls", type=int, default=200)
    parser.add_argument("--turns", type=int, default=99)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--csv", help="write the rows here too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    print("| point | asked | measured | holds |\n| --- | --- | --- | --- |", flush=True)
    for point in options.only:
        start = time.perf_counter()
        of_point = speed(options.threads) if point == "speed" else rows_of(point, options.nulls, options.turns)
        for row in of_point:
            rows.append(row)
            print(f"| {row.point} | {row.asked} | {row.measured} | {'yes' if row.holds else '**no**'} |", flush=True)
        print(f"<!-- point {point}: {time.perf_counter() - start:.0f} s -->", flush=True)
    if options.csv:
        pd.DataFrame(rows).to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
