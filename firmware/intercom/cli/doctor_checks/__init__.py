# SPDX-License-Identifier: GPL-2.0-or-later
"""What `intercom doctor` looks at."""
