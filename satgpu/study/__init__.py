"""Config, plan, rows, probes, read-outs and the pipeline of a study."""
