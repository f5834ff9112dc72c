"""The columns of the tables a run writes: one place, so that writer, reader and report agree."""

# One row per probe. No times: the same run must give the same bytes.
RESULT_COLUMNS = {
    "task_id": "str",
    "experiment": "str",
    "protocol": "str",
    "encoder": "str",
    "role": "str",  # compared | control
    "trained": "bool",  # the encoder carries learned weights
    "encoder_sha256": "str",
    "replicate": "int",
    "probe": "str",  # mlp | nearest-neighbour
    "labels": "str",  # field | shuffled
    "pattern": "str",
    "task": "str",  # classification | regression
    "scale_km": "float",
    "width_km": "float",  # boundaries only
    "wavelength_km": "float",
    "region": "str",
    "center_lon_deg": "float",
    "center_lat_deg": "float",
    "span_deg": "float",
    "extent_km2": "float",
    "sampling": "str",  # fixed_points | fixed_density | fixed_per_cell | local_caps
    "points_seed": "int",
    "label_seed": "int",
    "split_seed": "int",
    "probe_seed": "int",
    "hidden_layer_sizes": "str",  # "128-64"
    "standardize": "bool",
    "legendre_polys": "float",  # L of the encoder, where it has one
    "n_train": "int",
    "n_validation": "int",
    "n_test": "int",
    "train_points_per_cell": "float",
    "chance": "float",  # accuracy of the training majority class on the test rows
    "ceiling": "float",  # best possible accuracy, below 1 where labels are noisy
    "train_accuracy": "float",
    "validation_accuracy": "float",
    "test_accuracy": "float",
    "train_r2": "float",
    "validation_r2": "float",
    "test_r2": "float",
    "test_iou": "float",
    "epochs": "int",
    "stop_reason": "str",  # early_stopping | max_iter | failed | not_trained
    "converged": "bool",  # stopped by itself, with finite weights
    "learned": "bool",  # training accuracy beats the majority rate by 3 standard errors
    "failure": "str",  # why there is no score
}

# One row per encoder, place and distance.
SIMILARITY_COLUMNS = {
    "protocol": "str",
    "encoder": "str",
    "role": "str",
    "trained": "bool",
    "encoder_sha256": "str",
    "replicate": "int",
    "grid": "str",  # distances | quadrature
    "place": "int",
    "place_lon_deg": "float",
    "place_lat_deg": "float",
    "distance_km": "float",
    "n_bearings": "int",
    "similarity_mean": "float",
    "similarity_std": "float",
    "centred_similarity_mean": "float",
}

# One row per experiment, encoder and epoch: quantiles over the probes still training.
CURVE_COLUMNS = {
    "experiment": "str",
    "encoder": "str",
    "epoch": "int",
    "n_probes": "int",
    "loss_q10": "float",
    "loss_q50": "float",
    "loss_q90": "float",
    "validation_q10": "float",
    "validation_q50": "float",
    "validation_q90": "float",
}

# One row per test point of the probes whose predictions are kept, for the map.
PREDICTION_COLUMNS = {
    "task_id": "str",
    "experiment": "str",
    "encoder": "str",
    "replicate": "int",
    "scale_km": "float",
    "lon_deg": "float",
    "lat_deg": "float",
    "label": "int",
    "prediction": "int",
}
