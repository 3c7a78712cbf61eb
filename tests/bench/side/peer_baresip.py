"""What one writes in an evening: gpiozero sees the button and tells baresip to dial, through its ctrl_tcp.

`peer_baresip.py ADDRESS PIN URI`, beside a baresip that takes orders at ADDRESS.
"""

import json
import socket
import sys
import time

from gpiozero import Button

ADDRESS, PIN, URI = sys.argv[1:]


def connect() -> socket.socket:
    """Return a connection; baresip may start after this script."""
    while True:
        try:
            return socket.create_connection((ADDRESS, 4444))
        except OSError:
            time.sleep(0.1)


link = connect()


def ring() -> None:
    """Have it dial."""
    order = json.dumps({"command": "dial", "params": URI})
    link.sendall(f"{len(order)}:{order},".encode())


button = Button(int(PIN))
button.when_pressed = ring
while link.recv(65536):  # what baresip tells is of no interest, but has to be taken
    pass
