# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP server for very many clients, run as a process of its own (descriptors!):
echoes what they send until they close. Usage: swarm_server.py ADDRESS PORT"""

import contextlib
import select
import socket
import sys


def serve(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(4096)
    listener.setblocking(False)
    epoll, clients = select.epoll(), {}
    epoll.register(listener, select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        client = listener.accept()[0]
                        client.setblocking(False)
                        clients[client.fileno()] = client
                        epoll.register(client, select.EPOLLIN)
                continue
            try:
                data = clients[fd].recv(4096)
            except OSError:     # reset
                data = b""
            if data:
                clients[fd].send(data)
            else:
                epoll.unregister(fd)
                clients.pop(fd).close()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
