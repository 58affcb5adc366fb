"""Endpoints and EndpointSlices (pkg/apis/core/validation and pkg/apis/discovery/validation)."""

from __future__ import annotations

from collections.abc import Iterator

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    FieldError,
    duplicate,
    invalid,
    invalid_all,
    not_supported,
    required,
    too_many,
)
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.metadata import (
    immutable,
    validate_labels,
    validate_metadata,
    validate_metadata_update,
)
from pocket_cluster.apiserver.schema.validation.services import PROTOCOLS, protocol

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MAXIMUM_ADDRESSES, MAXIMUM_PORTS, MAXIMUM_ENDPOINTS, MAXIMUM_HINTS, MAXIMUM_TOPOLOGY = 100, 20000, 1000, 8, 16


def validate_endpoints(endpoints: Object) -> Errors:
    errors = validate_metadata(endpoints.get("metadata") or {}, True, formats.dns_subdomain)
    for index, subset in enumerate(endpoints.get("subsets") or []):
        errors += _subset(subset, f"subsets[{index}]")
    return errors


def validate_endpoints_update(new: Object, old: Object) -> Errors:
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    errors += validate_metadata(new["metadata"], True, formats.dns_subdomain)
    if new.get("subsets") == old.get("subsets"):
        return errors
    for index, subset in enumerate(new.get("subsets") or []):
        errors += _subset(subset, f"subsets[{index}]")
    return errors


def _subset(subset: Object, path: str) -> Errors:
    errors: Errors = []
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        errors.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
    for field in ("addresses", "notReadyAddresses"):
        for index, address in enumerate(subset.get(field) or []):
            errors += _address(address, f"{path}.{field}[{index}]")
    ports = subset.get("ports") or []
    for index, port in enumerate(ports):
        errors += _endpoints_port(port, len(ports) > 1, f"{path}.ports[{index}]")
    return errors


def _address(address: Object, path: str) -> Errors:
    ip = address.get("ip", "")
    errors = invalid_all(f"{path}.ip", ip, formats.ip_address(ip))
    if address.get("hostname"):
        errors += invalid_all(f"{path}.hostname", address["hostname"], formats.dns_label(address["hostname"]))
    node = address.get("nodeName")
    if node is not None:
        errors += invalid_all(f"{path}.nodeName", node, formats.dns_subdomain(node))
    return errors + invalid_all(f"{path}.ip", ip, formats.endpoint_address(ip))


def _endpoints_port(port: Object, name_is_required: bool, path: str) -> Errors:
    name, number = port.get("name", ""), port.get("port", 0)
    errors: Errors = []
    if name:
        errors += invalid_all(f"{path}.name", name, formats.dns_label(name))
    elif name_is_required:
        errors.append(required(f"{path}.name"))
    errors += invalid_all(f"{path}.port", number, formats.port_number(number))
    errors += protocol(port.get("protocol"), f"{path}.protocol")
    if port.get("appProtocol") is not None:
        errors += invalid_all(f"{path}.appProtocol", port["appProtocol"], formats.label_key(port["appProtocol"]))
    return errors


def validate_endpoint_slice(endpoint_slice: Object) -> Errors:
    errors = validate_metadata(endpoint_slice.get("metadata") or {}, True, formats.dns_subdomain)
    return errors + _slice(endpoint_slice, endpoint_slice.get("endpoints") or [])


def validate_endpoint_slice_update(new: Object, old: Object) -> Errors:
    changed = [] if new.get("endpoints") == old.get("endpoints") else new.get("endpoints") or []
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    return errors + _slice(new, changed) + immutable(new.get("addressType"), old.get("addressType"), "addressType")


def _slice(endpoint_slice: Object, endpoints: list[Object]) -> Errors:
    errors: Errors = []
    kind = endpoint_slice.get("addressType", "")
    if not kind:
        errors.append(required("addressType"))
    elif kind not in ADDRESS_TYPES:
        errors.append(not_supported("addressType", kind, ADDRESS_TYPES))
    errors += _slice_ports(endpoint_slice.get("ports") or [])
    if len(endpoints) > MAXIMUM_ENDPOINTS:
        return [*errors, too_many("endpoints", len(endpoints), MAXIMUM_ENDPOINTS)]
    for index, endpoint in enumerate(endpoints):
        errors += _endpoint(endpoint, kind, f"endpoints[{index}]")
    return errors


def _slice_ports(ports: list[Object]) -> Errors:
    if len(ports) > MAXIMUM_PORTS:
        return [too_many("ports", len(ports), MAXIMUM_PORTS)]
    errors: Errors = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port.get("name") or ""
        if name:
            errors += invalid_all(f"{path}.name", name, formats.dns_label(name))
        if name in names:
            errors.append(duplicate(f"{path}.name", name))
        names.add(name)
        if port.get("protocol") is None:
            errors.append(required(f"{path}.protocol"))
        elif port["protocol"] not in PROTOCOLS:
            errors.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
        if port.get("appProtocol") is not None:
            errors += invalid_all(f"{path}.appProtocol", port["appProtocol"], formats.label_key(port["appProtocol"]))
    return errors


def _endpoint(endpoint: Object, kind: str, path: str) -> Errors:
    addresses = endpoint.get("addresses") or []
    errors: Errors = []
    if not addresses:
        errors.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > MAXIMUM_ADDRESSES:
        errors.append(too_many(f"{path}.addresses", len(addresses), MAXIMUM_ADDRESSES))
    for index, address in enumerate(addresses):
        errors += _endpoint_address(address, kind, f"{path}.addresses", index)
    node, topology = endpoint.get("nodeName"), endpoint.get("deprecatedTopology") or {}
    if node is not None:
        errors += invalid_all(f"{path}.nodeName", node, formats.dns_subdomain(node))
    if len(topology) > MAXIMUM_TOPOLOGY:
        errors.append(too_many(f"{path}.deprecatedTopology", len(topology), MAXIMUM_TOPOLOGY))
    errors += validate_labels(topology, f"{path}.deprecatedTopology")
    if endpoint.get("hostname") is not None:
        errors += invalid_all(f"{path}.hostname", endpoint["hostname"], formats.dns_label(endpoint["hostname"]))
    return errors + list(_hints(endpoint.get("hints") or {}, f"{path}.hints"))


def _endpoint_address(address: str, kind: str, path: str, index: int) -> Errors:
    item = f"{path}[{index}]"
    if kind == "FQDN":
        return invalid_all(item, address, formats.dns_subdomain(address.removesuffix(".")))
    if kind not in ("IPv4", "IPv6"):
        return []
    malformed = invalid_all(item, address, formats.ip_address(address))
    if malformed:
        return malformed
    found = formats.parse_address(address)
    errors: Errors = []
    if found is not None and f"IPv{found.version}" != kind:
        errors.append(invalid(path, address, f"must be an {kind} address"))
    return errors + invalid_all(item, address, formats.endpoint_address(address))


def _hints(hints: Object, path: str) -> Iterator[FieldError]:
    for field, check in (("forZones", formats.label_value), ("forNodes", formats.dns_subdomain)):
        entries = hints.get(field) or []
        if len(entries) > MAXIMUM_HINTS:
            yield too_many(f"{path}.{field}", len(entries), MAXIMUM_HINTS)
            return
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            name, place = entry.get("name", ""), f"{path}.{field}[{index}].name"
            if name in seen:
                yield duplicate(place, name)
            seen.add(name)
            yield from invalid_all(place, name, check(name))
