"""Sampling from the posterior: EM starts, coordinates, preconditioning, samplers, and relabelling."""
