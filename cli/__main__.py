"""The process of the command ``simulacra``, which ``python -m simulacra.cli`` starts as well."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command; Ctrl-C ends it with a line and exit code 130 while its modules are still being imported, too."""
    try:
        from simulacra.cli.app import app
        from simulacra.cli.interrupts import keep_interrupts

        keep_interrupts()
        app()
    except KeyboardInterrupt:
        print("simulacra: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
