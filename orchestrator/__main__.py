"""`python -m orchestrator` and the console script `orch`.

Worker processes may import this module again, under another name: it imports nothing.
"""


def main() -> None:
    """Run the command line; exits with the status of the command."""
    try:
        from orchestrator.cli import main as run

        run()
    except KeyboardInterrupt:  # before the command line could take it up
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
