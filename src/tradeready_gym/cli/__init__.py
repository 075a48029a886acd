"""The command `tradeready`: each command is a few lines into a room."""

import sys

from tradeready_gym.errors import TradeReadyError


def main() -> None:
    """Run the command line; a named error becomes one message on stderr and exit code 1."""
    from tradeready_gym.cli.application import app

    try:
        app()
    except TradeReadyError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
