"""Checks of single texts and numbers: each returns the sentences that the real API would answer, none when all is well.

Sources: apimachinery, pkg/util/validation/validation.go, ip.go and pkg/api/validate/content, at Kubernetes v1.36.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

Check = Callable[[str], list[str]]

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = LABEL + r"(\." + LABEL + r")*"
LABEL_KEY = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = f"({LABEL_KEY})?"
CONFIG_KEY = r"[-._a-zA-Z0-9]+"
PERCENT = "[0-9]+%"
HEADER_NAME = "[-A-Za-z0-9]+"

LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
LABEL_KEY_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
LABEL_VALUE_TEXT = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
LABEL_VALUE_TEXT += "must start and end with an alphanumeric character"
CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
ENV_NAME_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"
CIDR_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
EMPTY = "must be non-empty"
NOT_NEGATIVE = "must be greater than or equal to 0"


def regex_error(text: str, pattern: str, *examples: str) -> str:
    """The sentence, with examples and the pattern, as the API writes it (a comma and a space follow each example)."""
    if not examples:
        return f"{text} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{pattern}')"


def maximum_length(length: int, unit: str = "characters") -> str:
    return f"must be no more than {length} {unit}"


def between(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def dns_label(value: str) -> list[str]:
    errors = [maximum_length(63)] if len(value) > 63 else []
    if not _fits(LABEL, value):
        has_dots = _fits(SUBDOMAIN, value)
        errors.append("must not contain dots" if has_dots else regex_error(LABEL_TEXT, LABEL, "my-name", "123-abc"))
    return errors


def dns_subdomain(value: str, unit: str = "characters") -> list[str]:
    errors = [maximum_length(253, unit)] if len(value) > 253 else []
    if not _fits(SUBDOMAIN, value):
        errors.append(regex_error(SUBDOMAIN_TEXT, SUBDOMAIN, "example.com"))
    return errors


def cidr(value: str) -> list[str]:
    """A block of addresses."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return [CIDR_TEXT]
    if "/" not in value:
        return [CIDR_TEXT]
    is_exact = ipaddress.ip_address(value.partition("/")[0]) == network.network_address
    return [] if is_exact else ["must not have bits set beyond the prefix length"]


def path_segment(value: str) -> list[str]:
    """Whether a name can stand in a URL's path (apimachinery, pkg/api/validation/path)."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{letter}'" for letter in "/%" if letter in value]


def label_key(value: str) -> list[str]:
    """A label's key, which other API fields use as well ("qualified name")."""
    parts = value.split("/")
    text = regex_error(LABEL_KEY_TEXT, LABEL_KEY, "MyName", "my.name", "123-abc")
    if len(parts) > 2:
        return [f"a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    errors, name = [], parts[-1]
    if len(parts) == 2:
        errors = [f"prefix part {each}" for each in (dns_subdomain(parts[0], "bytes") if parts[0] else [EMPTY])]
    if not name:
        errors.append(f"name part {EMPTY}")
    elif len(name) > 63:
        errors.append(f"name part {maximum_length(63, 'bytes')}")
    if not _fits(LABEL_KEY, name):
        errors.append(f"name part {text}")
    return errors


def label_value(value: str) -> list[str]:
    errors = [maximum_length(63, "bytes")] if len(value) > 63 else []
    if not _fits(LABEL_VALUE, value):
        errors.append(regex_error(LABEL_VALUE_TEXT, LABEL_VALUE, "MyValue", "my_value", "12345"))
    return errors


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or a Secret, which becomes the name of a file."""
    errors = [maximum_length(253)] if len(value) > 253 else []
    if not _fits(CONFIG_KEY, value):
        errors.append(regex_error(CONFIG_KEY_TEXT, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in (".", ".."):
        errors.append(f"must not be '{value}'")
    elif value.startswith(".."):
        errors.append("must not start with '..'")
    return errors


def environment_name(value: str) -> list[str]:
    if not value:
        return [f"environment variable name {EMPTY}"]
    return [] if re.fullmatch(r"[ -<>-~]+", value) else [ENV_NAME_TEXT]


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else [between(1, 65535)]


def port_name(value: str) -> list[str]:
    errors = [maximum_length(15)] if len(value) > 15 else []
    if not _fits("[-a-z0-9]+", value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def percent(value: str) -> list[str]:
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [] if _fits(PERCENT, value) else [regex_error(text, PERCENT, "1%", "93%")]


def header_name(value: str) -> list[str]:
    text = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [] if _fits(HEADER_NAME, value) else [regex_error(text, HEADER_NAME, "X-Header-Name")]


def parse_address(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, also of a form with leading zeros, which the API used to accept; None when it is none."""
    try:
        return ipaddress.ip_address(re.sub(r"(^|\.)0+(?=\d)", r"\1", value) if "." in value else value)
    except ValueError:
        return None


def ip_address(value: str) -> list[str]:
    found = parse_address(value)
    if found is None:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    if re.search(r"(^|\.)0\d", value):
        return ["must not have leading 0s"]
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return ["must not be an IPv4-mapped IPv6 address"]
    return []


def endpoint_address(value: str) -> list[str]:
    """Addresses that make no sense behind a Service (ValidateEndpointIP): loopback above all."""
    found = parse_address(value)
    if found is None:
        return ["must be a valid IP address"]
    rules = [
        (found.is_unspecified, f"may not be unspecified ({value})"),
        (found.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (found.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (_is_link_local_multicast(found), "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    ]
    return [text for is_broken, text in rules if is_broken]


def _is_link_local_multicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.packed[:3] == b"\xe0\0\0" if address.version == 4 else address.packed[:2] == b"\xff\x02"
