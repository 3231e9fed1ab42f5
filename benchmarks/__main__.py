"""``make bench``: how long a decision takes, beside the floor it stands on, in the same run.

Absolute figures belong to the machine; compare the ratios.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("LOG_LEVEL", "ERROR")

import django

django.setup()

from benchmarks import parts, requests_over_http

if __name__ == "__main__":
    parts.main()
    requests_over_http.main()
