"""Runs named checks of a client and prints one line of JSON for each. Used by the scripts beside it.

Usage of every script: NAME.py BASE_URL API_KEY, where BASE_URL is without /v1.
"""

import asyncio
import inspect
import json
import sys
import traceback

BASE_URL = f"{sys.argv[1]}/v1"
API_KEY = sys.argv[2]
CHAT = "sim-chat"
EMBED = "sim-embed"


def weather(city: str) -> str:
    """What the weather is like in a city."""
    return f"rain in {city}"


def run(*checks) -> None:
    for check in checks:
        detail = ""
        try:
            result = check()
            if inspect.isawaitable(result):
                asyncio.run(result)
        except Exception as error:  # A client may throw anything; that is what is reported.
            where = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__}: {error} ({where.filename.split('/')[-1]}:{where.lineno})"[:400]
        status = "failed" if detail else "passed"
        print(json.dumps({"name": check.__name__, "status": status, "detail": detail}), flush=True)
