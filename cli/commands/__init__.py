"""The subcommands with their options, a module for each group; they import what they call when they run."""
