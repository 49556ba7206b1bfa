"""From a source to a checked log: files, tables in memory, Inspect logs, data sets of the hub."""
