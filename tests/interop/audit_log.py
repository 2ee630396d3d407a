"""audit_log.py FILE N NOW: events as auditd writes them (connect over IPv4, IPv6 and to a socket in the file system, execve), their
lines mixed as two processors mix them; every third one ENRICHED."""
import random
import socket
import struct
import sys

random.seed(7)
out, n = sys.argv[1], int(sys.argv[2])
TIME = int(sys.argv[3]) - 60


def saddr(kind):
    port = random.randrange(1, 65536)
    if kind == 0:
        raw = struct.pack("<H", 2) + struct.pack(">H", port) + random.randbytes(4) + bytes(8)
        return raw, "saddr_fam=inet laddr=%s lport=%d" % (socket.inet_ntop(socket.AF_INET, raw[4:8]), port)
    if kind == 1:
        raw = struct.pack("<H", 10) + struct.pack(">H", port) + bytes(4) + b"\x20\x01\x0d\xb8" + random.randbytes(12) + bytes(4)
        return raw, "saddr_fam=inet6 laddr=%s lport=%d" % (socket.inet_ntop(socket.AF_INET6, raw[8:24]), port)
    return struct.pack("<H", 1) + b"/run/nscd/socket\0", "saddr_fam=local path=/run/nscd/socket"


def event(serial):
    head = "msg=audit(%d.%03d:%d): " % (TIME + serial // 50, serial % 50 * 20, serial)
    exe = random.choice(['"/usr/bin/curl"', "2F746D702F6120622F63", '"/usr/sbin/sshd"'])
    rich = serial % 3 == 0
    common = "ppid=1 pid=%d auid=0 uid=0 gid=0 euid=0 ses=1 comm=\"c\" exe=%s key=\"net\"" % (1000 + serial, exe)
    names = "\x1dARCH=x86_64 SYSCALL=%s AUID=\"root\" UID=\"root\" GID=\"root\""
    if serial % 5 == 4:
        lines = ["type=SYSCALL " + head + "arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 " + common
                 + (names % "execve" if rich else "")]
        lines.append("type=EXECVE " + head + 'argc=3 a0="c" a1="-%d" a2=612062' % serial)
        lines.append("type=CWD " + head + 'cwd="/"')
    else:
        ok, code = random.choice([("yes", 0), ("no", -115), ("no", -111)])
        raw, text = saddr(random.choice([0, 0, 1, 2]))
        lines = ["type=SYSCALL " + head + "arch=c000003e syscall=42 success=%s exit=%d a0=3 a1=2 a2=10 a3=0 items=0 " % (ok, code)
                 + common + (names % "connect" if rich else "")]
        lines.append("type=SOCKADDR " + head + "saddr=" + raw.hex().upper() + ("\x1dSADDR={ " + text + " }" if rich else ""))
    lines.append("type=PROCTITLE " + head + "proctitle=63002D%02X" % (0x41 + serial % 26))
    return lines


with open(out, "w", encoding="ascii") as f:
    waiting = []
    for serial in range(1, n + 1):
        waiting.append(event(serial))
        while len(waiting) > 3 or (waiting and serial == n):
            lines = random.choice(waiting)
            f.write(lines.pop(0) + "\n")
            if not lines:
                waiting.remove(lines)
