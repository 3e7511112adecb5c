"""From a map to a score: calibration, areas, rules, and when nothing is said."""
