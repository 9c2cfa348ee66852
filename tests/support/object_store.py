"""An object store on loopback, and a way to it that fails at times."""

import http.client
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

KEY, SECRET = "AKIATESTTESTTESTTEST", "a-secret-that-nobody-must-see"
BUCKET = "shop"


@dataclass
class Flaky:
    """A proxy that answers every `every`-th request with 503, or cuts the line. 0: never.

    It leaves out the headers that it `ignores`, and notes what was asked.
    """

    target: str
    every: int = 0
    failed: int = 0
    asked: int = 0
    ignores: tuple[str, ...] = ()
    paths: list[str] = field(default_factory=list)
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        proxy, count = self, itertools.count(1)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body go out by themselves; else each request waits for an acknowledgement.
            disable_nagle_algorithm = True

            def relay(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                number = next(count)
                proxy.asked = number
                proxy.paths.append(f"{self.command} {self.path}")
                if proxy.every and number % proxy.every == 0:
                    proxy.failed += 1
                    if number // proxy.every % 2:
                        self.send_response(503)
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                    else:
                        self.close_connection = True
                    return
                line = http.client.HTTPConnection(urlsplit(proxy.target).netloc, timeout=60)
                skipped = ("host", "connection", *proxy.ignores)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in skipped}
                line.request(
                    self.command, self.path, body, headers | {"Host": self.headers["Host"]}
                )
                answer = line.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                size = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", size or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = relay  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def object_store() -> Iterator[Flaky]:
    """A store with one empty bucket. Credentials must be in the environment (`ENVIRONMENT`)."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    proxy = Flaky(f"http://{host}:{port}")
    try:
        # The server's memory is that of this process, and outlives it.
        urlopen(Request(f"{proxy.target}/moto-api/reset", method="POST")).close()
        client(proxy).create_bucket(Bucket=BUCKET)
        yield proxy
    finally:
        proxy.stop()
        server.stop()


ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def client(proxy: Flaky) -> "boto3.client":
    """A plain client, past the flaky way."""
    return boto3.client(
        "s3",
        endpoint_url=proxy.target,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )


def upload(proxy: Flaky, folder: Path, prefix: str) -> None:
    """Copy a folder into the bucket."""
    s3 = client(proxy)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            s3.upload_file(str(path), BUCKET, f"{prefix}/{path.relative_to(folder)}")
