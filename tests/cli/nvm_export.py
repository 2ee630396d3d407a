"""Writes a pcap of what Cisco Secure Client (NVM) endpoints would have sent of mail connections: the templates and the
endpoint record are the capture's own packets, the flow records are the capture's with other ends, times, process and
account.

    nvm_export.py CAPTURE_FOLDER OUTPUT
"""
import socket
import struct
import sys

COLLECTOR = "192.0.2.1"
T0 = 1491362000


def datagram(src, sport, payload):
    udp = struct.pack(">HHHH", sport, 2055, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       socket.inet_aton(src), socket.inet_aton(COLLECTOR))
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + head + udp


def retime(message, when):
    return message[:4] + struct.pack(">I", when) + message[8:]


def text(value):
    return bytes([len(value)]) + value.encode()


class Record:
    """Message 267 taken apart where its variable-length fields stand."""

    def __init__(self, message):
        at = 20 + 21
        self.udid = message[at:at + 20]
        at += 20
        self.user, at = self.take(message, at)
        self.user_type = message[at:at + 2]
        self.account, at = self.take(message, at + 2)
        self.account_type = message[at:at + 2]
        self.process, at = self.take(message, at + 2)
        self.rest = message[at:]
        self.head = message[:16]
        assert self.process == b"svchost.exe" and self.user == b"MYNVM\\dummy11"

    @staticmethod
    def take(message, at):
        return message[at + 1:at + 1 + message[at]], at + 1 + message[at]

    def message(self, udid, src, sport, dst, dport, start, process, account):
        record = struct.pack(">B4sH4sHII", 6, socket.inet_aton(src), sport, socket.inet_aton(dst), dport, start, start + 2)
        record += udid + text(account) + self.user_type + text(account) + self.account_type + text(process) + self.rest
        body = struct.pack(">HH", 267, 4 + len(record)) + record
        return struct.pack(">HHIII", 10, 16 + len(body), start + 3, 0, 127) + body


def main(folder, output):
    read = lambda name: open(f"{folder}/{name}.ipfix", "rb").read()
    templates, endpoint, flow = read("template_message"), read("data_message_262"), Record(read("data_message_267"))
    hosts = {"10.1.0.11": ("STATION-102010", flow.udid), "10.1.0.12": ("STATION-102011", bytes(range(20)))}
    packets = []
    for src, (name, udid) in hosts.items():
        told = endpoint.replace(flow.udid, udid).replace(b"STATION-102010", name.encode())
        packets.append((T0, datagram(src, 50000, retime(templates, T0))))
        packets.append((T0 + 1, datagram(src, 50000, retime(told, T0 + 1))))
    server, sport = "198.51.100.25", 40000
    for src, process, account, count, port in (
            ("10.1.0.11", "powershell.exe", "CORP\\alice", 4, 587), ("10.1.0.11", "OUTLOOK.EXE", "CORP\\alice", 9, 993),
            ("10.1.0.12", "evil.exe", "CORP\\bob", 3, 25), ("10.1.0.12", "twice.exe", "CORP\\bob", 2, 25),
            ("10.1.0.12", "web.exe", "CORP\\bob", 5, 443)):
        for i in range(count):
            sport += 1
            start = T0 + 10 + 10 * i
            sent = flow.message(hosts[src][1], src, sport, server, port, start, process, account)
            packets.append((start + 3, datagram(src, 50000, sent)))
    with open(output, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for when, data in sorted(packets):
            f.write(struct.pack("<IIII", when, 0, len(data), len(data)) + data)


main(*sys.argv[1:])
