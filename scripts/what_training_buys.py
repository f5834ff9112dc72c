"""What training gives and takes, and what L does: satgpu's own pair before and after, seed by seed.

python scripts/train_encoders.py --seeds 0 1 2 --out trained
python scripts/what_training_buys.py --weights trained --out what_training_buys.csv

Seed by seed and part by part on several machines, then together:

python scripts/what_training_buys.py --seeds 1 --draws 0 --out one.csv
python scripts/what_training_buys.py --tables one.csv two.csv
"""

import argparse
import math
from pathlib import Path

import pandas as pd
from scipy import stats

import satgpu

DEGREES = (1, 2, 3, 5, 8, 10, 12, 15, 18, 20, 25, 30, 33, 36, 40, 45, 60)  # 33 is half a wavelength of 598 km
FIELDS = ("land", "koppen", "magnetic")
INDEX = ["L", "seed", "state"]


def encoders(weights: Path, legendre_polys: int, seed: int) -> dict[str, object]:
    """Before and after training, of one L and seed; seed 0 is the pair in the box."""
    suffix = f"-seed{seed}" if seed else ""
    trained = weights / f"mini-l{legendre_polys}{suffix}.safetensors" if seed else f"mini-l{legendre_polys}"
    return {"before": f"untrained-l{legendre_polys}{suffix}", "after": str(trained)}


def curves(name: str, replicates: int) -> dict[str, float]:
    """Numbers of the transfer function, one flat row."""
    if not replicates:
        return {}
    found = satgpu.transfer_function(satgpu.load_encoder(name), replicates=replicates)
    numbers = ("capacity", "ceiling_capacity", "beyond_l_max", "plateau", "cutoff_km")
    row = {name: getattr(found, name) for name in numbers}
    for degree in DEGREES:
        row |= {f"share_l{degree}": found.share[degree - 1], f"ceiling_l{degree}": found.ceiling[degree - 1]}
    return row


def local(name: str, n_places: int) -> dict[str, float]:
    """Median fine edge over places, in caps of 36 cells."""
    if not n_places:
        return {}
    found = satgpu.resolution_map(satgpu.load_encoder(name), n_places=n_places, progress=lambda *_: None)
    return {"local_edge_km": found.median_km}


def parts(before: str, after: str, draws: int, turns: int) -> dict[str, dict[str, float]]:
    """By state, the parts of the skill on each field; the untrained encoder is read at the trained one's places."""
    found: dict[str, dict[str, float]] = {"before": {}, "after": {}}
    for field in FIELDS if draws else ():
        read = satgpu.read_field(after, field, draws=draws, turns=turns, twins=[satgpu.load_encoder(before)])
        for part in ("skill", "resolution", "zonal", "longitude"):
            found["after"][f"{field}_{part}"] = getattr(read, part)
            found["before"][f"{field}_{part}"] = getattr(read, part) - read.gain[part][0]
        print(f"{field}: longitude part gains {read.gain['longitude']} over draws; {read.verdict}", flush=True)
    return found


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """One row per L, seed and state."""
    rows = []
    for legendre_polys in (10, 40):
        for seed in options.seeds:
            names = encoders(options.weights, legendre_polys, seed)
            of_fields = parts(names["before"], names["after"], options.draws, options.turns)
            for state, name in names.items():
                row = dict(zip(INDEX, (legendre_polys, seed, state), strict=True))
                row |= curves(name, options.replicates) | local(name, options.places)
                rows.append(row | of_fields[state])
                print(f"L={legendre_polys} seed {seed} {state}: done", flush=True)
    return pd.DataFrame(rows)


def differences(table: pd.DataFrame, of: str, groups: str) -> pd.DataFrame:
    """Last less first value of the column ``of``, seed by seed within each group, with Student's 95 % interval."""
    rows = []
    for group, own in table.groupby(groups):
        first, last = (own[own[of] == value].set_index("seed") for value in own[of].drop_duplicates())
        for name in [column for column in table.columns if column not in INDEX]:
            found = (last[name] - first[name]).dropna()
            n = len(found)
            reach = stats.t.ppf(0.975, n - 1) * found.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
            ends = {"low": found.mean() - reach, "high": found.mean() + reach, "seeds": n}
            values = {"first": first[name].mean(), "last": last[name].mean(), "difference": found.mean()}
            rows.append({groups: group, "number": name} | values | ends)
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame, first: str, last: str) -> str:
    """Differences as a Markdown table."""
    group = table.columns[0]
    lines = [f"| {group} | number | {first} | {last} | difference | 95 % over seeds |", "| --- " * 6 + "|"]
    for row in table.to_dict("records"):
        cells = [f"{row[name]:.3g}" for name in ("first", "last")] + [f"{row['difference']:+.3g}"]
        reach = f"{row['low']:+.3g} to {row['high']:+.3g}"
        lines.append(f"| {row[group]} | {row['number']} | {' | '.join(cells)} | {reach} |")
    return "\n".join(lines)


def together(paths: list[Path]) -> pd.DataFrame:
    """Tables of several runs as one, whichever parts and seeds each of them has."""
    tables = [pd.read_csv(path).set_index(INDEX) for path in paths]
    found = tables[0]
    for table in tables[1:]:
        found = found.combine_first(table)
    order = {"before": 0, "after": 1}
    return found.reset_index().sort_values(INDEX, key=lambda column: column.replace(order), ignore_index=True)


def draw_learning_curves(weights: Path, out: Path) -> None:
    """Loss and retrieval of the right picture against the step, of every training run found."""
    import matplotlib.pyplot as plt
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tags = ("train/loss", "held_out/top1", "held_out/top10")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for folder in sorted((weights / "runs").iterdir()):
        events = EventAccumulator(str(folder))
        events.Reload()
        colour = "C0" if "-l10" in folder.name else "C1"
        for axis, tag, line in zip((left, right, right), tags, ("-", "-", "--"), strict=True):
            points = events.Scalars(tag)
            label = f"{folder.name}, {tag.rpartition('/')[2]}"
            axis.plot([p.step for p in points], [p.value for p in points], line, color=colour, label=label, alpha=0.8)
    left.set(xlabel="step", ylabel="InfoNCE loss (nats)", yscale="log")
    right.set(xlabel="step", ylabel="right picture among 1000 held out", ylim=(0, 1))
    for axis in (left, right):
        axis.legend(fontsize=6)
    figure.savefig(out, dpi=130)


def main() -> None:
    """Measure, write the table, print the gains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("trained"), help="folder of seeds 1 and 2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--replicates", type=int, default=4, help="draws of a transfer function; 0 leaves it out")
    parser.add_argument("--places", type=int, default=32, help="places of the local map; 0 leaves it out")
    parser.add_argument("--draws", type=int, default=8, help="draws of places of a real field; 0 leaves them out")
    parser.add_argument("--turns", type=int, default=24, help="of each kind, that a real field is compared with")
    parser.add_argument("--out", type=Path, default=Path("what_training_buys.csv"))
    parser.add_argument("--tables", type=Path, nargs="+", help="tables measured before: nothing is measured again")
    parser.add_argument("--learning_curves", type=Path, help="picture of --weights' training runs; nothing is measured")
    options = parser.parse_args()
    if options.learning_curves:
        draw_learning_curves(options.weights, options.learning_curves)
        return
    if options.tables:
        table = together(options.tables)
    else:
        table = measure(options)
        table.to_csv(options.out, index=False)
    print("What training gives\n\n" + markdown(differences(table, "state", "L"), "before", "after"))
    print("\nWhat L = 40 has over L = 10\n\n" + markdown(differences(table, "L", "state"), "L = 10", "L = 40"))


if __name__ == "__main__":
    main()
