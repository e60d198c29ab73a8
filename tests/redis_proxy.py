"""A TCP proxy before a real Redis that loses replies on the wire, or goes away for a while."""

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class RedisProxy:
    """Listens on a free port of localhost; `url` is its address, `upstream` that of the real Redis.

    `lose_reply_to(part)` lets the next request that contains `part` reach Redis, throws its reply away and cuts
    the connection. `go_away` cuts all connections and refuses new ones until `come_back`.
    """

    def __init__(self, upstream: str) -> None:
        self.lost = 0
        self._upstream = urlsplit(upstream)
        self._parts: list[bytes] = []
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        self._port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_away()

    def lose_reply_to(self, part: bytes) -> None:
        """Lose one reply. `part` is matched within one request as it comes off the wire."""
        with self._lock:
            self._parts.append(part)

    def go_away(self) -> None:
        """Cut every connection and accept no new ones."""
        # A thread that blocks in accept() is woken by shutdown, not by close.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Accept connections again, on the same port."""
        self._listener = self._listen(self._port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, self._connect() as server:
            with self._lock:
                self._sockets |= {client, server}
            try:
                self._relay(client, server)
            finally:
                with self._lock:
                    self._sockets -= {client, server}

    def _connect(self) -> socket.socket:
        if self._upstream.scheme == "unix":
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._upstream.path)
            return server
        return socket.create_connection((self._upstream.hostname or "127.0.0.1", self._upstream.port or 6379))

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            readable, _, _ = select.select([client, server], [], [])
            if server in readable:
                reply = server.recv(65536)
                if not reply:
                    return
                client.sendall(reply)
            if client in readable:
                request = client.recv(65536)
                if not request:
                    return
                server.sendall(request)
                if self._is_to_lose(request):
                    server.recv(65536)
                    self.lost += 1
                    return

    def _is_to_lose(self, request: bytes) -> bool:
        with self._lock:
            part = next((part for part in self._parts if part in request), None)
            if part is not None:
                self._parts.remove(part)
            return part is not None
