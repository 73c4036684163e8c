"""Events of apps and the runs of the functions that they start."""
