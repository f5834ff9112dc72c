"""A run folder without a run: the synthetic tables on disk, for the report's tests."""

import json
from pathlib import Path

import pandas as pd
import synthetic

from satgpu.run.rows import CurveRow, PredictionRow, SimilarityRow, columns

NOTICE = "untrained weights stand in for SatCLIP: the Hugging Face hub could not be reached"
STAND_INS = (
    synthetic.Planted("untrained-l10", 1200.0, "compared", False, 10),
    synthetic.Planted("untrained-l40", 500.0, "compared", False, 40, 0.9),
    synthetic.XYZ,
)
SIX = (
    *synthetic.ENCODERS[:2],
    synthetic.Planted("geoclip", 350.0),
    synthetic.Planted("sh-l10", 1500.0, legendre_polys=10),
    synthetic.Planted("sh-l40", 700.0, legendre_polys=40),
    synthetic.Planted("tables/mine.csv", 900.0),
    *synthetic.ENCODERS[2:],
)


def make_run(
    folder: Path,
    encoders=synthetic.ENCODERS,
    replicates: int = 3,
    protocol: str = "geodesic",
    experiments=(*synthetic.EXPERIMENTS, "similarity"),
    notice: str | None = None,
    failed: int = 0,
    seed: int = 0,
) -> Path:
    """Write a whole run folder and return it.

    Args:
        protocol: one, or ``"both"`` for rows of the two.
        failed: how many of the first rows to turn into failures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    protocols = ("geodesic", "notebook") if protocol == "both" else (protocol,)
    probed = tuple(name for name in experiments if name != "similarity")
    results = pd.concat(
        [synthetic.make_results(1 if p == "notebook" else replicates, seed, p, encoders, probed) for p in protocols]
    )
    _fail(results, failed).to_csv(folder / "results.csv", index=False)
    similarity = [synthetic.make_similarity(seed, p, encoders) for p in protocols if "similarity" in experiments]
    pd.concat(similarity or [pd.DataFrame(columns=list(columns(SimilarityRow)))]).to_csv(
        folder / "similarity.csv", index=False
    )
    curves = synthetic.make_training_curves(encoders) if probed else pd.DataFrame(columns=list(columns(CurveRow)))
    curves.to_csv(folder / "training_curves.csv", index=False)
    _predictions(encoders, probed).to_csv(folder / "predictions.csv", index=False)
    environment = synthetic.make_environment(encoders, replicates, protocols[0]) | {"notice": notice}
    (folder / "environment.json").write_text(json.dumps(environment))
    (folder / "config.yaml").write_text(
        f"protocol: {protocol}\nreplicates: {replicates}\nseed: 42\nexperiments: [{', '.join(experiments)}]\n"
    )
    return folder


def _fail(results: pd.DataFrame, n: int) -> pd.DataFrame:
    """Turn the first ``n`` rows into probes that went non-finite."""
    results = results.reset_index(drop=True)
    rows = results.index[:n]
    results.loc[rows, ["train_accuracy", "validation_accuracy", "test_accuracy"]] = float("nan")
    results.loc[rows, ["converged", "learned"]] = False
    results.loc[rows, ["stop_reason", "failure"]] = ["failed", "non-finite loss at epoch 3"]
    return results


def _predictions(encoders, probed) -> pd.DataFrame:
    """Kept predictions of the sweet spot and of land or ocean."""
    compared = tuple(e for e in encoders if e.role == "compared")
    frames = [synthetic.make_predictions(compared, n=3000)] if "sweet_spot" in probed else []
    if "coastline" in probed:
        frames.append(
            synthetic.make_predictions(compared, n=2000, seed=1).assign(experiment="coastline", scale_km=float("nan"))
        )
    return pd.concat(frames) if frames else pd.DataFrame(columns=list(columns(PredictionRow)))
