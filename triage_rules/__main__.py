"""``python -m triage_rules``: print the rule book."""

from __future__ import annotations

import sys

from triage_rules.document import document

sys.stdout.write(document())
