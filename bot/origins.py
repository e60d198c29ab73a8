"""Who may bring updates to the webhook, by address: the secret's second lock.

A proxy's word for where a request came from counts only if the operator has named that proxy.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

TELEGRAM = tuple(map(ip_network, ("149.154.160.0/20", "91.108.4.0/22")))
"""Where Telegram sends webhooks from (core.telegram.org/bots/webhooks)."""

_LONGEST_HEADER = 1000


class Origins:
    """Judges requests. `allowed` empty: from anywhere."""

    def __init__(self, allowed: Sequence[Network], proxies: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)
        self._proxies = tuple(proxies)

    def is_allowed(self, peer: str | None, forwarded: Iterable[str] = ()) -> bool:
        """Whether a request may be looked at. `forwarded`: its X-Forwarded-For headers, in order."""
        return not self._allowed or _lies_in(self.source(peer, forwarded), self._allowed)

    def source(self, peer: str | None, forwarded: Iterable[str] = ()) -> str | None:
        """The nearest address that is no proxy of ours: what is written further out anybody may have made up."""
        hops = ",".join(forwarded)[-_LONGEST_HEADER:].split(",")
        while _lies_in(peer, self._proxies) and hops:
            peer = hops.pop().strip() or None
        return peer


def _lies_in(address: str | None, networks: Iterable[Network]) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)
