"""The command ``simulacra``: every subcommand calls the library once and prints the result."""
