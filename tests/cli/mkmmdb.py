"""Writes a small geo database in MaxMind's format, version 2, for tests: mkmmdb.py FILE COUNTRY STATE CITY LATITUDE LONGITUDE NETWORK..."""
import ipaddress
import struct
import sys


def text(s):
    b = s.encode()
    assert len(b) < 29
    return bytes([0x40 | len(b)]) + b


def uint(kind, n, v):
    b = v.to_bytes(n, "big").lstrip(b"\0")
    return (bytes([kind << 5 | len(b)]) if kind < 8 else bytes([len(b), kind - 7])) + b


def mapping(*pairs):
    return bytes([0xE0 | len(pairs)]) + b"".join(text(k) + v for k, v in pairs)


def array(*items):
    return bytes([len(items), 11 - 7]) + b"".join(items)


def real(v):
    return bytes([0x68]) + struct.pack(">d", v)


def names(s):
    return mapping(("names", mapping(("en", text(s)))))


path, country, state, city, latitude, longitude = sys.argv[1:7]
record = mapping(("country", names(country)), ("subdivisions", array(names(state))), ("city", names(city)),
                 ("location", mapping(("latitude", real(float(latitude))), ("longitude", real(float(longitude))))))
nodes = [[None, None]]
for network in map(ipaddress.ip_network, sys.argv[7:]):
    v4 = network.version == 4
    bits = f"{int(network.network_address):0128b}"[: network.prefixlen + (96 if v4 else 0)]
    at = 0
    for bit in map(int, bits[:-1]):
        if nodes[at][bit] is None:
            nodes.append([None, None])
            nodes[at][bit] = len(nodes) - 1
        at = nodes[at][bit]
    nodes[at][int(bits[-1])] = "data"
tree = b""
for node in nodes:
    for to in node:
        value = len(nodes) if to is None else len(nodes) + 16 if to == "data" else to
        tree += value.to_bytes(3, "big")
metadata = mapping(("node_count", uint(6, 4, len(nodes))), ("record_size", uint(5, 2, 24)), ("ip_version", uint(5, 2, 6)),
                   ("database_type", text("City")), ("languages", array(text("en"))),
                   ("binary_format_major_version", uint(5, 2, 2)), ("binary_format_minor_version", uint(5, 2, 0)),
                   ("build_epoch", uint(9, 8, 1700000000)), ("description", mapping(("en", text("test")))))
with open(path, "wb") as f:
    f.write(tree + bytes(16) + record + b"\xab\xcd\xefMaxMind.com" + metadata)
