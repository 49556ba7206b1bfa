"""Reading a source into a validated log: files, tables in memory, Inspect logs, datasets of the hub."""
