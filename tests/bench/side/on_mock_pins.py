"""Any script on mock pins, as lab.mock_door for the daemon: `python -m bench.side.on_mock_pins SOCKET MODULE ...`."""

import runpy
import sys

from lab import mock_door

if __name__ == "__main__":
    mock_door.connect(sys.argv[1])
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__")
