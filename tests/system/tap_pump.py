# SPDX-License-Identifier: GPL-2.0-or-later
"""tap_pump.py IFNAME TUN FD: plays a VMM that takes only a TAP's name. Attaches to the
TAP IFNAME and carries frames between it and the TAP behind FD, which is the guest's
interface. Run as the user who owns IFNAME: nothing of it needs a privilege. TUN is
/dev/net/tun, opened: on most hosts everybody may, in some containers only root."""

import fcntl
import os
import select
import struct
import sys

TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI = 2, 0x1000


def open_tap(name, fd=None):
    fd = os.open("/dev/net/tun", os.O_RDWR) if fd is None else fd
    fcntl.ioctl(fd, TUNSETIFF,
                struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def carry(ends, stop=None):
    """Frames between both ends, until `stop` is at its end."""
    while True:
        for fd in select.select([*ends, *([] if stop is None else [stop])], [], [])[0]:
            if fd == stop:
                return
            frame = os.read(fd, 65536)
            try:
                os.write(ends[fd == ends[0]], frame)
            except OSError:
                pass    # an interface that is down takes no frames


def main():
    ends = open_tap(sys.argv[1], int(sys.argv[2])), int(sys.argv[3])
    print("open", flush=True)
    carry(ends)


if __name__ == "__main__":
    main()
