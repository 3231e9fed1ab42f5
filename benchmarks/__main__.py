"""``make bench``: how long a decision takes, beside the floor it stands on, in the same run.

Absolute figures belong to the machine; compare the ratios.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("LOG_LEVEL", "ERROR")

from benchmarks import ten_million_rows

WANTS_ROWS = ten_million_rows.is_asked_for(sys.argv[1:])
if WANTS_ROWS:
    ten_million_rows.point_to_database()

import django

django.setup()

from benchmarks import alarms, batches, bulk, drift_false_alarms, parts, requests_over_http, retries

if __name__ == "__main__":
    if WANTS_ROWS:
        ten_million_rows.main()
    elif "alarms" in sys.argv[1:]:
        alarms.main()
    elif "batches" in sys.argv[1:]:
        batches.main()
    elif "bulk" in sys.argv[1:]:
        bulk.main()
    elif "drift_false_alarms" in sys.argv[1:]:
        drift_false_alarms.main()
    elif "retries" in sys.argv[1:]:
        retries.main()
    else:
        parts.main()
        requests_over_http.main()
