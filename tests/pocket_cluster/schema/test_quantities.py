"""Quantities are written as a real API server (1.36.3) wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket_cluster.api import quantity

WRITTEN = {
    "1000m": "1", "0.5": "500m", "1024Mi": "1Gi", "1.5Gi": "1536Mi", "1000Ki": "1000Ki", "100000k": "100M",
    "1e3": "1e3", "0.1Mi": "104857600m", "1.0": "1", "100Ki": "100Ki", "0": "0", "12e6": "12e6", "2048": "2048",
    "1E": "1E", ".5": "500m", "1000000": "1M", "0.001Ki": "1024m", "0Mi": "0", "10E2": "1e3", "-1": "-1",
    "9223372036854775808": "9223372036854775808", "16Ei": "9223372036854775807", "-16Ei": "-9223372036854775807",
    "9" * 309: "9" * 309, "0." + "0" * 306 + "1": "1n",
}  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_a_quantity_has_one_way_of_being_written(text: str) -> None:
    assert quantity.canonical(text) == WRITTEN[text]


@pytest.mark.parametrize(
    "text", ["", "abc", "1 Gi", "1gi", "--1", "1e", "Ki", "1.5.5", "0x10", "1\n2", "٣m", "9" * 310, "9" * 5000]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(quantity.QuantityError, match="quantities must match the regular expression"):
        quantity.canonical(text)


@pytest.mark.parametrize("text", ["1e" + "9" * 5000, "1e-" + "9" * 50])
def test_an_exponent_has_64_bits(text: str) -> None:
    with pytest.raises(quantity.QuantityError, match="unable to parse quantity's suffix"):
        quantity.canonical(text)


@pytest.mark.parametrize(("text", "rounded"), [("1u", "1m"), ("999n", "1m"), ("0.0001", "1m"), ("250m", "250m")])
def test_resource_lists_round_up_to_a_thousandth(text: str, rounded: str) -> None:
    assert quantity.round_up_to_milli(quantity.canonical(text)) == rounded


SUFFIXES = st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "n", "u", "e3", "E-2"])


@given(st.decimals(-(10**6), 10**6, places=3), SUFFIXES)
def test_writing_keeps_the_amount_and_is_final(number: object, suffix: str) -> None:
    text = f"{number}{suffix}"
    written = quantity.canonical(text)
    assert quantity.parse(written) == quantity.parse(text)
    assert quantity.canonical(written) == written
