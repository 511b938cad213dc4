# SPDX-License-Identifier: MPL-2.0
"""A server that does what tests tell it: fails, is late, drops the connection, redirects, or passes on to the real daemon, with or
without passing the answer back.

What it does is a list of acts, one for each request that comes; when they are used up, and for requests that `only` does not want, it
does the usual: passing on, or an empty object if nothing is behind it.
"""

import http.client
import http.server
import json
import socket
import threading
import urllib.parse


class Got:
    """A request that came."""

    def __init__(self, handler, body):
        self.method = handler.command
        self.path = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class FaultServer:
    """The server. `url` is its address, `got` what came."""

    def __init__(self, behind=None):
        self.behind = behind
        self.acts = []
        self.only = lambda got: True
        self.usual = forward if behind else status(200, {})
        self.got = []
        self.lock = threading.Lock()
        #: Set at the end: whoever is late ends.
        self.over = threading.Event()
        ours = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                got = Got(self, body)
                with ours.lock:
                    ours.got.append(got)
                    act = ours.acts.pop(0) if ours.acts and ours.only(got) else ours.usual
                self.close_connection = True
                try:
                    act(ours, self, got)
                except OSError:
                    pass  # The client has gone away; that is its right.

            do_GET = do_POST = do_PUT = do_DELETE = any

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # Connections that end early are what it is for.

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def does(self, *acts, only=None):
        """What it does next; with `only`, to those requests alone."""
        with self.lock:
            self.acts = list(acts)
            self.only = only or (lambda got: True)
        return self

    def always(self, act):
        """What it does from now on."""
        with self.lock:
            self.usual = act
        return self

    def stop(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def answer(handler, code, body, headers=None):
    handler.send_response(code)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def status(code, body, **headers):
    """Answers so; underscores in names of headers are dashes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda server, handler, got: answer(handler, code, data, named)


def error(code, name, message="it says so", detail=None, **headers):
    """An error of the API."""
    body = {"code": name, "message": message}
    return status(code, {"error": body if detail is None else {**body, "detail": detail}}, **headers)


def redirect(code, to):
    """Sends the client elsewhere: to another server, path and query kept."""
    return lambda server, handler, got: answer(handler, code, b"", {"Location": to + got.path})


def drop(server, handler, got):
    """Closes the connection without a word."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def late(server, handler, got):
    """Says nothing until the test is over."""
    server.over.wait()


def drip(server, handler, got):
    """Never ends, a byte at a time."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not server.over.wait(0.02):
        handler.wfile.write(b" ")


def half(server, handler, got):
    """Promises more than it sends."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"half":')


def garbage(server, handler, got):
    """Speaks something else."""
    handler.wfile.write(b"220 mail.example.com ESMTP\r\n")


def _ask(server, got):
    parts = urllib.parse.urlsplit(server.behind)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    headers = {name: value for name, value in got.headers.items() if name not in ("host", "connection", "content-length")}
    connection.request(got.method, got.path, got.body or None, headers)
    return connection, connection.getresponse()


def forward(server, handler, got):
    """Passes the request on and the answer back, also one that goes on and on."""
    connection, response = _ask(server, got)
    try:
        handler.wfile.write(f"HTTP/1.1 {response.status} {response.reason}\r\n".encode())
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                handler.wfile.write(f"{name}: {value}\r\n".encode())
        handler.wfile.write(b"Connection: close\r\n\r\n")
        while piece := response.read1(1 << 16):
            handler.wfile.write(piece)
    finally:
        connection.close()


def forward_and_drop(server, handler, got):
    """Passes the request on and loses the answer."""
    connection, response = _ask(server, got)
    response.read()
    connection.close()
    drop(server, handler, got)


def forward_when(event):
    """Passes the request on when it is time; by then nobody may listen any more."""

    def act(server, handler, got):
        event.wait(60)
        forward_and_drop(server, handler, got)

    return act


def nobody():
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
