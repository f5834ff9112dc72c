"""The engine for GPUs: banks of slots, one captured graph an epoch."""
