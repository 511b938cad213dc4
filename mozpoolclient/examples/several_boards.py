"""A test that needs two boards at once. Both are asked for before either is waited for, and both go back whatever happens."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import mozpoolclient

pool = mozpoolclient.connect()
with ExitStack() as boards, ThreadPoolExecutor() as threads:
    wanted = [pool.request("any", image="demo", reason=f"{role} of a pair") for role in ("server", "client")]
    for board in wanted:
        boards.callback(board.give_back)
    server, client = threads.map(lambda board: board.take(), wanted)
    print(f"{client.name} talks to {server.fqdn}")
    server.power_cycle()
    server.check()
    client.check()
