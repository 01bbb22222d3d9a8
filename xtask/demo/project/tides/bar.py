"""When a ship can pass a harbour's bar."""

import math

PERIOD = 12.42  # hours from one high water to the next


def height(hours_after_high, tidal_range):
    """The water above low water, in metres."""
    turn = 2 * math.pi * hours_after_high / PERIOD
    return tidal_range / 2 * (1 + math.cos(turn))


def can_pass(draught, bar_depth, hours_after_high, tidal_range, margin=0.5):
    """Whether the ship floats over the bar with a margin below its keel."""
    water = bar_depth + height(hours_after_high, tidal_range)
    return water > draught - margin
