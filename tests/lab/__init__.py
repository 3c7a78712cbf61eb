"""The test laboratory: real peers of the door on loopback. One module per peer; see README.md."""
