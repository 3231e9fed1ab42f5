"""Where a caller calls from, as far as that can be believed."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

# Who cannot be told apart shares one address, and with it one count of wrong passwords.
UNKNOWN = "0.0.0.0"  # noqa: S104


def client_address(request: HttpRequest) -> str:
    """Return the address of the caller, in its one spelling and without a port.

    Of IPv6 it is the network, the first half: whoever has one address of it has them all, and
    could guess passwords from another one each time.

    Each of our ``TRUSTED_PROXIES`` adds to the right of X-Forwarded-For whom it heard from, so the
    caller's address is as many places from the right. What stands left of it is the caller's own
    invention. Without proxies, or where that place holds no address, it is who is connected to us.
    """
    return _address(_forwarded(request)) or _address(request.META.get("REMOTE_ADDR", "")) or UNKNOWN


def _forwarded(request: HttpRequest) -> str:
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    proxies = settings.TRUSTED_PROXIES
    return hops[-proxies] if 0 < proxies <= len(hops) else ""


def _address(text: str) -> str | None:
    try:
        address = ip_address(_without_port(text.strip()))
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone names a network card of the machine that saw it, and no database takes one.
        address = address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64)
    return str(address)


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    # More than one colon is an address of IPv6, which has a port only behind brackets.
    return text.partition(":")[0] if text.count(":") == 1 else text
