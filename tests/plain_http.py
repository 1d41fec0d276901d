"""httpx for servers on the loopback: no TLS, so no client reads every authority first (10 ms)."""

from __future__ import annotations

import ssl
from functools import partial

import httpx

_NONE = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

get = partial(httpx.get, verify=_NONE, trust_env=False)
post = partial(httpx.post, verify=_NONE, trust_env=False)
patch = partial(httpx.patch, verify=_NONE, trust_env=False)
stream = partial(httpx.stream, verify=_NONE, trust_env=False)
Client = partial(httpx.Client, verify=_NONE, trust_env=False)
