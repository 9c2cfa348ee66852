"""A web server on loopback that a shop's pictures lie on, and that notes what was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class WebShop:
    """Files by their paths. `etags` are sent where there are any; `head` says if HEAD is known."""

    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    head: bool = True
    short: int = 0  # bytes that are told of and not sent
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(shop: WebShop) -> Iterator[WebShop]:
    """Serve a shop until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self, *, body: bool) -> None:
            shop.asked.append(f"{self.command} {self.path}")
            if self.path in shop.redirects:
                self.send_response(302)
                self.send_header("Location", shop.redirects[self.path])
                self.end_headers()
                return
            data = shop.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data) + shop.short))
            if self.path in shop.etags:
                self.send_header("ETag", shop.etags[self.path])
            self.end_headers()
            if body:
                self.wfile.write(data)

        def do_GET(self) -> None:
            self.answer(body=True)

        def do_HEAD(self) -> None:
            if shop.head:
                self.answer(body=False)
            else:
                shop.asked.append(f"HEAD {self.path}")
                self.send_error(405)

        def log_message(self, *_: object) -> None:
            """Tests need no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
