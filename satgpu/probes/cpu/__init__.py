"""The engine for CPUs: probes one by one, batched products."""
