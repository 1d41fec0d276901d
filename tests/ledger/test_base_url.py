"""Where the API is: what a person types is taken in one spelling, or refused with the fix."""

from __future__ import annotations

import pytest

from importer.base_url import check_base_url, normalised
from importer.errors import UsageError

GOOD = {
    "https://api.momentco.io/": "https://api.momentco.io",
    " HTTPS://API.MomentCo.IO:443 ": "https://api.momentco.io",
    "https://api.momentco.io:0443": "https://api.momentco.io",
    "https://api.momentco.io:8443": "https://api.momentco.io:8443",
    "http://127.0.0.1:8787": "http://127.0.0.1:8787",
    "http://127.8.9.10:1": "http://127.8.9.10:1",
    "http://localhost:1/": "http://localhost:1",
    "http://[::1]:8787": "http://[::1]:8787",
    "http://[0:0:0::1]": "http://[::1]",
    "https://[2001:DB8::1]:65535": "https://[2001:db8::1]:65535",
    "https://gateway_1.internal": "https://gateway_1.internal",
    "https://proxy.example/moment/": "https://proxy.example/moment",
    "https://proxy.example/Team-a/v1//": "https://proxy.example/Team-a/v1",
    "https://b\u00fccher.example": "https://xn--bcher-kva.example",
    "https://\u043f\u0440\u0438\u043c\u0435\u0440.example": "https://xn--e1afmkfd.example",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
}

BAD = {
    "": "empty",
    "https://api..momentco.io": "did you mean api.momentco.io?",
    "https://.api.momentco.io": "dot too many",
    "https://api.momentco.io.": "dot too many",
    "https://...": "dot too many",
    "https://api momentco.io": "blank",
    "https://api.momentco.io/ x": "blank",
    "https://api.momentco.io\nhttps://b": "line end",
    "https://api.momentco.io\u200b": "cannot be seen",
    "https://api.momentco.io\u00a0\u2060": "cannot be seen",
    "https://sk_test_4eC39HqLyjWDarjtT1zdp7dc": "MOMENT_API_KEY",
    "https://api.momentco.io/sk_4eC39HqLyjWDarjtT1zdp7dc": "MOMENT_API_KEY",
    "https:\\\\api.momentco.io": "backslash",
    "https://user:hunter2@api.momentco.io": "MOMENT_API_KEY",
    "https://hunter2@api.momentco.io": "MOMENT_API_KEY",
    "user@api.momentco.io": "MOMENT_API_KEY",
    "https://api.momentco.io:": "port",
    "https://api.momentco.io:0": "port",
    "https://api.momentco.io:65536": "port",
    "https://api.momentco.io:99999999999999999999": "port",
    "https://api.momentco.io:-1": "port",
    "https://api.momentco.io:https": "port",
    "https://api.momentco.io:\u0664\u0664\u0663": "port",
    "https://[::1": "bracket",
    "https://[::1]8787": "bracket",
    "https://[api.momentco.io]": "brackets",
    "https://[fe80::1%eth0]": "brackets",
    "https://[]": "brackets",
    "https://::1": "brackets: https://[::1]",
    "https://2001:db8::1:443": "brackets: https://[::1]",
    "https://999.1.1.1": "IPv4",
    "https://127.1": "IPv4",
    "https://2130706433": "IPv4",
    "https://0x7f.0x1": "IPv4",
    "https://-api.momentco.io": "cannot be",
    "https://api-.momentco.io": "cannot be",
    "https://*.momentco.io": "cannot be",
    "https://api.momentco.io,api.momentpay.net": "cannot be",
    "https://%61pi.momentco.io": "cannot be",
    f"https://{'a' * 64}.example": "cannot be",
    f"https://{'a.' * 127}example": "cannot be",
    "https://\u201capi.momentco.io\u201d": "quotation mark",
    "https://\uff41pi.momentco.io": "quotation mark",
    "https://xn--a.example": "xn--",
    "api.momentco.io": "write https://api.momentco.io",
    "api.momentco.io:443/x": "write https://api.momentco.io",
    "localhost:8787": "write http://localhost:8787",
    "127.0.0.1:8787": "write http://127.0.0.1",
    "//api.momentco.io": "scheme",
    "://api.momentco.io": "scheme",
    "https:/api.momentco.io": "write https://",
    "https:api.momentco.io": "write https://",
    "https//api.momentco.io": "write https://",
    "https": "scheme",
    "https://": "no host",
    "https:///billing": "no host",
    "https://:443": "no host",
    "https://https://api.momentco.io": "port",
    "ftp://api.momentco.io": "http(s)",
    "htps://api.momentco.io": "http(s)",
    "http://api.momentco.io": "in the clear",
    "http://10.0.0.1": "in the clear",
    "http://0.0.0.0:8787": "in the clear",
    "http://127.0.0.1.example.com": "in the clear",
    "https://api.momentco.io?key=1": "query",
    "https://api.momentco.io/#top": "query",
    "https://api.momentco.io/v1": "give the host alone, https://api.momentco.io",
    "https://api.momentpay.net/billing/customers": "give the host alone",
    "https://proxy.example/moment/billing/customers": "leave out /billing",
    "https://proxy.example//moment": "empty parts",
    "https://proxy.example/../moment": "empty parts",
    "https://proxy.example/caf\u00e9": "escaped",
    "https://proxy.example/a%20b": "escaped",
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc": "MOMENT_API_KEY",
}


@pytest.mark.parametrize(("typed", "taken"), GOOD.items())
def test_a_good_base_url_has_one_spelling(typed: str, taken: str) -> None:
    """Https anywhere, plain http on loopback; checking again, or entering it, changes nothing."""
    assert check_base_url(typed) == taken == check_base_url(taken) == normalised(taken)


@pytest.mark.parametrize(("typed", "said"), BAD.items())
def test_a_bad_base_url_is_refused_with_the_fix(typed: str, said: str) -> None:
    """A usage error on one line, never a traceback, and never a secret in it."""
    with pytest.raises(UsageError) as caught:
        check_base_url(typed)
    words = f"{caught.value.message} {caught.value.hint}"
    assert said in words
    assert words.isprintable()
    assert "hunter2" not in words
    assert "4eC39" not in words
