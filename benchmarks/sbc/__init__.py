"""Simulation-based calibration: logs simulated from the prior, and ranks of true values in their posteriors."""
