"""Config, plan, rows, training and the pipeline of a study."""
