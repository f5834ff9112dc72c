"""The run on disk: the schema of its tables, durable appends, locks, reading back."""
