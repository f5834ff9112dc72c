"""Seeds by name: every draw of a run has its own, and none depends on the order of the work."""

import hashlib


def derive_seed(master: int, *parts: object) -> int:
    """A 32-bit seed for the draw that ``parts`` name, under the run's master seed.

    The same words give the same seed on every machine, so one probe can be
    run again alone from the seeds in its row.

    >>> derive_seed(42, "points", 0) == derive_seed(42, "points", 0)
    True
    """
    words = "/".join(str(part) for part in (master, *parts))
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=4).digest(), "big")
