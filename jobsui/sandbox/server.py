"""Runs the sandbox until it receives a signal."""

import asyncio
import gc
import os
import signal
import sys

from jobsui.sandbox import tokens
from jobsui.sandbox.account import Account, Options
from jobsui.sandbox.app import App
from jobsui.sandbox.protocol import Connection


async def serve(host: str, port: int, options: Options) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)

    def wake(seconds: float) -> None:
        loop.call_later(seconds, lambda: account.settle())

    account = Account(options, wake)
    gc.freeze()
    app = App(account)
    server = await loop.create_server(lambda: Connection(app), host, port)
    announce(*server.sockets[0].getsockname()[:2])
    await stopped.wait()
    server.close()
    account.journal.close()
    # Freeing a million records one by one would delay the end of the process.
    sys.stdout.flush()
    os._exit(0)


def announce(host: str, port: int) -> None:
    lines = [
        f"Zendesk sandbox at http://{host}:{port}",
        f"  OAuth client   {tokens.CLIENT_ID}  secret {tokens.CLIENT_SECRET}",
        f"  access token   {tokens.BEARER}  refresh token {tokens.REFRESH_TOKEN}",
        f"  API token      {tokens.EMAIL}  token {tokens.API_TOKEN}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
