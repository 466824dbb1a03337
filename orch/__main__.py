"""`python -m orch`: the command `orch`.

Worker processes may import this module again, under another name: it does nothing then.
"""

from orchestrator.__main__ import main

if __name__ == "__main__":
    main()
