"""The command ``simulacra``: every command is one call of the rooms below, and prints what came of it."""
