# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of everything a door can have. `config/loader.py` holds a configuration to it; the voice engine is built so.

The engine's own numbers are in pjsip/config_site.h; a test holds the two together (tests/core/test_limits.py).
"""

ACCOUNTS = 32
"""SIP accounts. The engine has one more, for those who are called at their own address."""
TARGETS = 64
"""Whom one stage may call at once, or a button's fallback."""
CODES = 500
CONTACTS = 50
CALLS = 2 * TARGETS
"""Call slots of the engine: a stage's legs beside those of the one before, which are just ending."""
TRANSPORTS = ACCOUNTS + 6
"""UDP, TCP and TLS over IPv4 and IPv6, and a TLS for each account that shows a certificate of its own."""
HANDLES = 2 * CALLS + TRANSPORTS + ACCOUNTS
"""Sockets that one of the engine's loops watches: RTP and RTCP of each call; transports and connections."""
