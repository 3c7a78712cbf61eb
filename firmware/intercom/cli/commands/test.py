# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom test`: the acoustic self test (`intercom audio test`) under the name that comes to mind on a ladder."""

from intercom.cli.commands.audio import TEST

COMMAND = TEST
