"""From prepared counts to posterior draws: starts, coordinates, kernels, and relabelling."""
