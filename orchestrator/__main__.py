"""`python -m orchestrator` and the console script `orch`.

Worker processes may import this module again, under another name: it imports nothing.
"""


def main() -> None:
    """Run the command line; exits with the status of the command."""
    try:
        _end_at_once()
        _find_ours()
        from orchestrator.cli import main as run

        run()
    except KeyboardInterrupt:  # before there was a handler of ours
        raise SystemExit(130) from None


def _end_at_once() -> None:
    """Until the command line takes Ctrl-C up, it just ends the process, wherever it strikes.

    A KeyboardInterrupt is shown by whatever it strikes in: a destructor, an extension's import.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        import os

        signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def _find_ours() -> None:
    """Have our packages found from here on, whatever bears their names elsewhere.

    Also in the folder in which this was typed, or that the script is in, which Python searches
    first of all: it doesn't belong to what a rig depends on.
    """
    import os
    import sys
    from importlib.util import module_from_spec, spec_from_file_location

    if not sys.flags.safe_path:
        del sys.path[0]
    place = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    file = os.path.join(place, "workers", "process", "bootstrap.py")
    spec = spec_from_file_location("bootstrap", file)
    assert spec is not None
    assert spec.loader is not None
    bootstrap = module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    bootstrap.provide(("orch", "orchestrator", *bootstrap.PACKAGES))


if __name__ == "__main__":
    main()
