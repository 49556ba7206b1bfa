"""Counting measurement patterns per cell, from a log in memory or directly from files."""
