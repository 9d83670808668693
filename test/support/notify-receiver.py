"""Receives the datagrams of a Unix socket and prints each as a line of JSON, with the sender's process id."""

import json
import socket
import struct
import sys

name = sys.argv[1]
address = "\0" + name[1:] if name.startswith("@") else name
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    receiver.bind(address)
    print(json.dumps({"pid": 0, "state": "bound"}), flush=True)
    while True:
        data, ancillary, _, _ = receiver.recvmsg(4096, socket.CMSG_SPACE(12))
        pid = next(struct.unpack("3i", body)[0] for _, kind, body in ancillary if kind == socket.SCM_CREDENTIALS)
        print(json.dumps({"pid": pid, "state": data.decode()}), flush=True)
