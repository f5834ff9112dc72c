"""The Earth's size, once, for rooms with and without torch."""

import math

EARTH_RADIUS_KM = 6371.0088  # IUGG mean radius (2a + b) / 3 of WGS 84
HALF_TURN_KM = math.pi * EARTH_RADIUS_KM  # 180 degrees along a great circle
