"""Amounts of resources such as ``250m`` and ``64Mi``: reading, comparing, and the one way the API writes each.

The rules are those of apimachinery, pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import re
from fractions import Fraction

from pocket_cluster.api.numbers import LARGEST

PATTERN = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)", re.ASCII)
BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", 1)}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in DECIMAL.items()}
NANO = 10**9
MALFORMED = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
BAD_SUFFIX = "unable to parse quantity's suffix"
# An exponent has at most 64 bits. More digits than a float can say are refused; the real API takes any.
MOST_EXPONENT_DIGITS, MOST_DIGITS = 19, 309


class QuantityError(ValueError):
    """The text is no quantity; the sentence is the real API's."""


def parse(text: str) -> Fraction:
    """The number that a quantity stands for, e.g. ``1/4`` for ``250m``; to the nano, rounded away from zero."""
    return _split(text)[0]


def canonical(text: str) -> str:
    """The quantity as the API serves it: ``1000m`` is ``1``, ``1024Mi`` is ``1Gi``, ``1.5`` is ``1500m``.

    Raises QuantityError when the text is no quantity.
    """
    value, suffix = _split(text)
    if not value:
        return "0"
    if suffix in BINARY and abs(value) >= 1024 and value.denominator == 1:
        return _binary(int(value))
    return _decimal(value, with_exponent=suffix[:1] in ("e", "E") and len(suffix) > 1)


def round_up_to_milli(text: str) -> str:
    """Resource lists hold no finer amounts than a thousandth (SetDefaults_ResourceList)."""
    value = parse(text)
    return text if (value * 1000).denominator == 1 else _decimal(_away_from_zero(value, 1000), with_exponent=False)


def _split(text: str) -> tuple[Fraction, str]:
    found = PATTERN.fullmatch(text.strip())
    if not found:
        raise QuantityError(MALFORMED)
    sign, digits, suffix = found.groups()
    if suffix[:1] in ("e", "E") and len(suffix[1:].lstrip("+-")) > MOST_EXPONENT_DIGITS:
        raise QuantityError(BAD_SUFFIX)
    if len(digits) > MOST_DIGITS:
        raise QuantityError(MALFORMED)
    value = Fraction(digits.rstrip(".") or "0") * (-1 if sign == "-" else 1)
    if suffix in BINARY:
        value = max(-LARGEST, min(value * BINARY[suffix], LARGEST))
    elif suffix in DECIMAL:
        value *= Fraction(10) ** DECIMAL[suffix]
    else:
        # Beyond these, both ends saturate: no 400-digit numbers from a typing mistake.
        value *= Fraction(10) ** max(-30, min(30, int(suffix[1:])))
    return _away_from_zero(value, NANO), suffix


def _away_from_zero(value: Fraction, parts: int) -> Fraction:
    scaled = value * parts
    whole = -(-scaled.numerator // scaled.denominator) if scaled > 0 else scaled.numerator // scaled.denominator
    return Fraction(whole, parts)


def _binary(value: int) -> str:
    power = 0
    while value % 1024 == 0 and power < 6:
        value, power = value // 1024, power + 1
    return f"{value}{'KMGTPE'[power - 1]}i" if power else str(value)


def _decimal(value: Fraction, with_exponent: bool) -> str:
    number, exponent = int(value * NANO), -9
    while number % 1000 == 0 and exponent < 18:
        number, exponent = number // 1000, exponent + 3
    if with_exponent:
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{DECIMAL_SUFFIX[exponent]}"
