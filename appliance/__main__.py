"""The command `appliance`, and `python -m appliance`."""

import signal


def main() -> None:
    """Run the command that was typed."""
    # Ctrl-C while libraries are loaded ends the process at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from appliance.cli import main as command  # noqa: PLC0415  only now: it loads for a second

    command()


if __name__ == "__main__":
    main()
