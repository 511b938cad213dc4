#!/usr/bin/env python3
"""A stand-in for the imaging server, for tests of the boards' scripts alone.

It keeps events in a file and serves files with faults that a query asks for. It
knows nothing of devices: every name is a board, and every event is taken.

  fault-server.py ROOT STATE [PORT]     prints its port into STATE/port

ROOT/second-stages, ROOT/images   served under /files/
STATE/bootconfig.json             GET /api/device/NAME/bootconfig/
STATE/events                      one line an event: NAME EVENT BODY
STATE/boots                       one line a call: its kind, and the boot token that it shows or "-"
STATE/refuse                      a number: so many events get 503 first; "403", "404": every one gets it

Faults of /files/…?key=value&…: status=CODE, cut=N (each connection ends after N
bytes), short=N (no connection gets past byte N of the file), once=1 (only the first connection is cut),
stall=N (the first connection goes silent after N bytes), norange=1, rate=BYTES (a second), to=PATH (302), etagflip=1 (a new ETag each time).
"""
import http.server
import os
import pathlib
import sys
import time
import urllib.parse

root, state = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
faulted = set()
flips = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, code, body=b"{}"):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        parts = [p for p in url.path.split("/") if p]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with open(state / "boots", "a") as boots:
            boots.write(f"{parts[3] if parts[:1] == ['api'] else 'file'} {self.headers.get('Mozpool-Boot', '-')}\n")
        if parts[:2] == ["api", "device"] and parts[3:4] == ["event"]:
            return self.event(parts[2], parts[4], body)
        if parts[:2] == ["api", "device"] and parts[3:] == ["bootconfig"]:
            return self.reply(200, (state / "bootconfig.json").read_bytes())
        if parts[:1] == ["files"]:
            return self.file(root.joinpath(*parts[1:]), dict(urllib.parse.parse_qsl(url.query)))
        self.reply(404)

    def event(self, name, event, body):
        refuse = state / "refuse"
        if refuse.exists():
            left = refuse.read_text().strip()
            if left in ("403", "404"):
                return self.reply(int(left))
            if int(left) > 0:
                refuse.write_text(str(int(left) - 1))
                return self.reply(503)
        with open(state / "events", "a") as events:
            events.write(f"{name} {event} {body}\n")
        self.reply(200)

    def file(self, path, fault):
        global flips
        if "status" in fault:
            return self.reply(int(fault["status"]))
        if "to" in fault:
            self.send_response(302)
            self.send_header("Location", fault["to"])
            return self.end_headers()
        if not path.is_file():
            return self.reply(404)
        size, start = path.stat().st_size, 0
        flips += "etagflip" in fault
        etag = f'"{size:x}-{flips}"'
        wanted = self.headers.get("Range", "")
        same = self.headers.get("If-Range", etag) == etag
        if wanted.startswith("bytes=") and same and "norange" not in fault:
            start = int(wanted[6:].split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        end = size
        if "cut" in fault and not ("once" in fault and self.path in faulted):
            faulted.add(self.path)
            end = min(end, start + int(fault["cut"]))
        if "short" in fault:
            end = min(end, int(fault["short"]))
        stall = int(fault["stall"]) if "stall" in fault and self.path not in faulted else None
        rate = int(fault.get("rate", 0))
        with open(path, "rb") as data:
            data.seek(start)
            at = start
            while at < end:
                chunk = data.read(min(65536, end - at, rate // 10 or 65536))
                if stall is not None and at >= stall:
                    faulted.add(self.path)
                    time.sleep(600)
                self.wfile.write(chunk)
                at += len(chunk)
                if rate:
                    time.sleep(0.1)
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", int(sys.argv[3]) if len(sys.argv) > 3 else 0), Handler)
(state / "port.new").write_text(str(server.server_address[1]))
os.rename(state / "port.new", state / "port")
server.serve_forever()
