# SPDX-License-Identifier: GPL-2.0-or-later
"""The house around the door: MQTT and webhooks, in a process of their own that asks the control socket."""
