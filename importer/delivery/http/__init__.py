"""The wire: requests encoded, answers read without belief, and the network below."""

import sys

if "httpx" not in sys.modules:
    # Its command line brings rich, click and pygments along: a fourteenth of a run of ten rows.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    import httpx  # noqa: F401 - httpx does without, as where they are not installed

    del sys.modules["httpx._main"]
