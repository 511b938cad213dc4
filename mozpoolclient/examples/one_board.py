"""Take any board with an image on it, look at it, and let it go."""

import mozpoolclient

pool = mozpoolclient.connect()  # MOZPOOL_URL says where
with pool.request("any", image="demo", reason="an example", progress=print) as board:
    print(f"{board.name} is at {board.fqdn}, until {board.expires:%H:%M} UTC and longer if need be")
    print("it answers ping" if board.ping() else "it does not answer ping")
    for line in board.log(lines=3):
        print(line)
