#!/bin/sh
# The guess: with `globally_deliverable=False` email-validator takes any address of a network of one's own, such as
#   ops@mail.local, since that switch is there for addresses that the Internet does not reach.
# What happens: the switch lifts only the rule that a domain has a dot. Names of special use (RFC 6761 and others: .local,
#   .localhost, .test, .invalid …) stay refused, so that ops@intranet passes and ops@mail.local does not; they are a
#   list of their own, SPECIAL_USE_DOMAIN_NAMES, which a program has to empty for the whole process.
# Who is hurt: whoever sends alerts inside a company: Active Directory and mDNS networks have .local names, and mail
#   servers in tests and containers are called mail.localhost. pydantic's EmailStr calls the same function.
# Seen with: email-validator 2.3.0, Python 3.11.7.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "email-validator==2.3.0"
"$folder/venv/bin/python" - <<'PYTHON'
import platform

import email_validator

print("email-validator", email_validator.__version__, "Python", platform.python_version())
EXPECTED = {
    "ops@intranet": True,
    "ops@mail.intranet": True,
    "ops@mail.local": False,
    "ops@localhost": False,
    "ops@mail.localhost": False,
}


def is_accepted(address: str) -> bool:
    try:
        email_validator.validate_email(address, check_deliverability=False, globally_deliverable=False)
    except email_validator.EmailSyntaxError as error:
        print(f"{address}: {error}")
        return False
    print(f"{address}: accepted")
    return True


seen = {address: is_accepted(address) for address in EXPECTED}
assert seen == EXPECTED, f"changed: {seen}"
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
assert is_accepted("ops@mail.local"), "changed: the list of special names is no longer read at each call"
print("holds")
PYTHON
