"""Do probes trained here score as scikit-learn's do? Paired fits, and a test of equivalence.

    python scripts/parity.py --pairs 200

Each pair has its own labels, inputs, network and seeds. Two one-sided t tests (TOST) ask whether the
mean difference of the test scores lies within ±0.5 points: "equivalent" is claimed only if the 90 %
interval of the difference lies inside, "no difference found" is not enough.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats

from satgpu.encoders import load_encoder
from satgpu.geometry import make_labels
from satgpu.geometry.notebook import notebook_box
from satgpu.probes import ProbeGroup, ProbeOptions, train_probes

MARGIN = 0.005
HIDDEN = [(128, 64), (64,), (100, 50, 25)]
PATTERNS = ["checkerboard", "horizontal_stripes", "vertical_stripes", "diagonal_stripes", "concentric_rings"]


def make_problems(
    n_pairs: int, n_points: int, encoders: tuple[str, ...], scales_km: tuple[float, float] = (500, 3000)
) -> Iterator[tuple[tuple[int, ...], ProbeGroup]]:
    """(hidden layers, group of one probe) for each pair."""
    encoder = [load_encoder(name) for name in encoders]
    cases = itertools.cycle(itertools.product(HIDDEN, PATTERNS, range(len(encoder))))
    rng = np.random.default_rng(0)
    for pair in range(n_pairs):
        hidden, pattern, which = next(cases)
        lonlat_deg = torch.as_tensor(notebook_box(n_points, (-180, 180), (-60, 60), seed=pair))
        labels = make_labels(pattern, lonlat_deg, rng.uniform(*scales_km), protocol="notebook")
        rows = torch.arange(n_points)
        yield (
            hidden,
            ProbeGroup(
                X=encoder[which](lonlat_deg).float(),
                Y=labels[None],
                train_rows=rows[: n_points * 7 // 10],
                test_rows=rows[n_points * 7 // 10 :],
                split_seed=pair,
                probe_seeds=torch.tensor([pair]),
                task="classification",
                keys=[pair],
            ),
        )


def fit_both(problems: list[tuple[tuple[int, ...], ProbeGroup]], n_jobs: int = 1) -> np.ndarray:
    """(pairs, 4): our score, scikit-learn's, our epochs, scikit-learn's."""
    from joblib import Parallel, delayed

    ours = {}
    for hidden in {hidden for hidden, _ in problems}:
        groups = (group for own, group in problems if own == hidden)
        options = ProbeOptions(hidden_layer_sizes=hidden)
        train_probes(groups, options, on_result=lambda r: ours.__setitem__(r.key, r), lightning=False)
    theirs = Parallel(n_jobs=n_jobs)(delayed(fit_sklearn)(hidden, group) for hidden, group in problems)
    keys = [group.keys[0] for _, group in problems]
    return np.array([(ours[k].test_score, s, ours[k].n_iter, e) for k, (s, e) in zip(keys, theirs, strict=True)])


def fit_sklearn(hidden: tuple[int, ...], group: ProbeGroup) -> tuple[float, int]:
    """scikit-learn's test score and epochs on one problem, in float32 too."""
    from sklearn.neural_network import MLPClassifier

    X, y = group.X.numpy(), group.Y[0].numpy()
    train, test = group.train_rows.numpy(), group.test_rows.numpy()
    model = MLPClassifier(hidden, max_iter=500, early_stopping=True, random_state=group.keys[0]).fit(X[train], y[train])
    return model.score(X[test], y[test]), model.n_iter_


def equivalence(differences: np.ndarray, margin: float) -> dict[str, float | bool]:
    """TOST on paired differences: mean, 90 % interval, p value."""
    n = len(differences)
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(n)
    half = stats.t.ppf(0.95, n - 1) * error
    p_value = stats.t.sf((margin - abs(mean)) / error, n - 1)
    return {
        "pairs": n,
        "mean_difference": mean,
        "low": mean - half,
        "high": mean + half,
        "p_value": p_value,
        "equivalent": bool(-margin < mean - half and mean + half < margin),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--encoders", nargs="+", default=["untrained-l10", "untrained-l40"])
    parser.add_argument("--jobs", type=int, default=-1, help="processes for scikit-learn")
    parser.add_argument("--json", help="file for the figures")
    args = parser.parse_args()
    rows = fit_both(list(make_problems(args.pairs, args.points, tuple(args.encoders))), args.jobs)
    found = equivalence(rows[:, 0] - rows[:, 1], MARGIN)
    found |= {"score_mean": rows[:, 0].mean(), "sklearn_score_mean": rows[:, 1].mean()}
    found |= {"epochs_mean": rows[:, 2].mean(), "sklearn_epochs_mean": rows[:, 3].mean()}
    found["epochs_p_value"] = stats.ttest_rel(rows[:, 2], rows[:, 3]).pvalue
    for name, value in found.items():
        print(f"{name:22} {value}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({k: v if isinstance(v, bool) else float(v) for k, v in found.items()}, file, indent=2)
    return 0 if found["equivalent"] else 1


if __name__ == "__main__":
    sys.exit(main())
