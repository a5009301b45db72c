"""``stressproof`` and ``python -m stressproof``: Ctrl-C is an end like any other from here on."""

import sys


def main() -> None:
    """Run the command line and end the process."""
    try:
        from stressproof.cli.main import main as run_main  # noqa: PLC0415  # 50 ms, in the try

        run_main()
    except KeyboardInterrupt:
        # Before the command line could take care of it: exit code 130, as in exits.py.
        sys.stderr.write("stressproof: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
