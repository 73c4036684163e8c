#!/bin/sh
# The guess: a URL with an international host name leads to the same server with every HTTP client of Python.
# What happens: `socket` (so urllib, http.client, smtplib) turns the name into ASCII by the codec "idna" of the standard
#   library, IDNA 2003, which maps ß to ss and final sigma to sigma. httpx does it by the package idna, IDNA 2008, in
#   which these are letters of their own. Both names can be registered, by different people.
# Who is hurt: a program that checks or resolves a host by `socket.getaddrinfo` and sends with httpx (or the other way
#   round) has checked another server than it sends to. Rowline takes webhook URLs in ASCII only, and
#   encodes the domains of mail by IDNA 2008 before smtplib sees them.
# Seen with: httpx 0.28.1, idna 3.20, Python 3.11.7.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "httpx==0.28.1" "idna==3.20"
"$folder/venv/bin/python" - <<'PYTHON'
import platform
from importlib.metadata import version

import httpx

print("httpx", version("httpx"), "idna", version("idna"), "Python", platform.python_version())
EXPECTED = {
    "straße.de": ("strasse.de", "xn--strae-oqa.de"),
    "βόλος.com": ("xn--nxasmq6b.com", "xn--nxasmm1c.com"),
    "müller.de": ("xn--mller-kva.de", "xn--mller-kva.de"),  # most names are the same in both
}
seen = {}
for name in EXPECTED:
    seen[name] = name.encode("idna").decode(), httpx.URL(f"https://{name}/").raw_host.decode()
    print(f"{name}: socket asks for {seen[name][0]}, httpx for {seen[name][1]}")
assert seen == EXPECTED, f"changed: {seen}"
print("holds")
PYTHON
