"""Train satgpu's own pair of location encoders: one image teacher, only L differs.

python scripts/train_encoders.py --legendre_polys 10 40 --seeds 0 --out trained
"""

import sys

from satgpu.encoders.train_pair import train_command

if __name__ == "__main__":
    sys.exit(train_command(sys.argv[1:]))
