"""Engines: an algorithm a file, all in the whitened space of one fit."""
