"""What training gives and takes, and what L does: satgpu's own pair before and after, seed by seed.

python scripts/train_encoders.py --seeds 0 1 2 --out trained
python scripts/what_training_buys.py --weights trained --out what_training_buys.csv
"""

import argparse
import math
from pathlib import Path

import pandas as pd
from scipy import stats

import satgpu

DEGREES = (1, 2, 3, 5, 8, 10, 12, 15, 18, 20, 25, 30, 36, 40, 45, 60)
FIELDS = ("land", "koppen", "magnetic")


def encoders(weights: Path, legendre_polys: int, seed: int) -> dict[str, object]:
    """Before and after training, of one L and seed; seed 0 is the pair in the box."""
    suffix = f"-seed{seed}" if seed else ""
    trained = weights / f"mini-l{legendre_polys}{suffix}.safetensors" if seed else f"mini-l{legendre_polys}"
    return {"before": f"untrained-l{legendre_polys}{suffix}", "after": str(trained)}


def curves(name: str, replicates: int) -> dict[str, float]:
    """Numbers of the transfer function, one flat row."""
    found = satgpu.transfer_function(satgpu.load_encoder(name), replicates=replicates)
    numbers = ("capacity", "ceiling_capacity", "beyond_l_max", "plateau", "cutoff_km")
    row = {name: getattr(found, name) for name in numbers}
    for degree in DEGREES:
        row |= {f"share_l{degree}": found.share[degree - 1], f"ceiling_l{degree}": found.ceiling[degree - 1]}
    return row


def local(name: str, n_places: int) -> dict[str, float]:
    """Median fine edge over places, in caps of 36 cells."""
    found = satgpu.resolution_map(satgpu.load_encoder(name), n_places=n_places, progress=lambda *_: None)
    return {"local_edge_km": found.median_km}


def parts(name: str, draws: int) -> dict[str, float]:
    """Resolution, zonal and longitude part of the skill on each field at hand."""
    row = {}
    for field in FIELDS:
        try:
            found = satgpu.read_field(satgpu.load_encoder(name), field, draws=draws)
        except satgpu.UserError as error:
            print(f"{field}: {error}", flush=True)
            continue
        for part in ("skill", "resolution", "zonal", "longitude"):
            row[f"{field}_{part}"] = getattr(found, part)
    return row


def measure(weights: Path, seeds: list[int], replicates: int, n_places: int, draws: int) -> pd.DataFrame:
    """One row per L, seed and state."""
    rows = []
    for legendre_polys in (10, 40):
        for seed in seeds:
            for state, name in encoders(weights, legendre_polys, seed).items():
                row = {"L": legendre_polys, "seed": seed, "state": state} | curves(name, replicates)
                row |= local(name, n_places) if n_places else {}
                row |= parts(name, draws) if draws else {}
                rows.append(row)
                print(f"L={legendre_polys} seed {seed} {state}: capacity {row['capacity']:.0f}", flush=True)
    return pd.DataFrame(rows)


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Before, after and the gain of every number, with Student's 95 % interval of the gain over seeds."""
    rows = []
    for legendre_polys, own in table.groupby("L"):
        before, after = (own[own["state"] == state].set_index("seed") for state in ("before", "after"))
        for name in [column for column in table.columns if column not in ("L", "seed", "state")]:
            gain = (after[name] - before[name]).dropna()
            n = len(gain)
            reach = stats.t.ppf(0.975, n - 1) * gain.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
            rows.append(
                {
                    "L": legendre_polys, "number": name, "before": before[name].mean(), "after": after[name].mean(),
                    "gain": gain.mean(), "low": gain.mean() - reach, "high": gain.mean() + reach, "seeds": n,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """The gains as a Markdown table."""
    lines = ["| L | number | before | after | gain | 95 % over seeds |", "| --- | --- | --- | --- | --- | --- |"]
    for row in table.to_dict("records"):
        cells = [f"{row[name]:.3g}" for name in ("before", "after")] + [f"{row['gain']:+.3g}"]
        reach = f"{row['low']:+.3g} to {row['high']:+.3g}"
        lines.append(f"| {row['L']} | {row['number']} | {' | '.join(cells)} | {reach} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write the table, print the gains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("trained"), help="folder of seeds 1 and 2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--replicates", type=int, default=4, help="draws of places of a transfer function")
    parser.add_argument("--places", type=int, default=32, help="places of the local map; 0 leaves it out")
    parser.add_argument("--draws", type=int, default=8, help="draws of places of a real field; 0 leaves them out")
    parser.add_argument("--out", type=Path, default=Path("what_training_buys.csv"))
    options = parser.parse_args()
    table = measure(options.weights, options.seeds, options.replicates, options.places, options.draws)
    table.to_csv(options.out, index=False)
    print(markdown(gains(table)))


if __name__ == "__main__":
    main()
