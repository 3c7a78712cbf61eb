# SPDX-License-Identifier: GPL-2.0-or-later
"""The house: MQTT, Home Assistant, webhooks."""
