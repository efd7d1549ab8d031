#!/usr/bin/env python3
"""Writes core.expected.json: what libbpf (through bpftool -d prog loadall) decides for each CO-RE relocation of core.o on a running Linux 6.18."""
import json
import re
import subprocess
import tempfile

pin = tempfile.mktemp(prefix="xdplane_", dir="/sys/fs/bpf")
log = subprocess.run(["bpftool", "-d", "prog", "loadall", "core.o", pin], capture_output=True, text=True, check=True).stderr
subprocess.run(["rm", "-r", pin], check=True)
decided = []
for line in log.splitlines():
    if match := re.match(r"libbpf: prog '(\w+)': relo #\d+: <(\w+)> \[\d+\]", line):
        program, kind = match.groups()
    elif match := re.search(r"relo #\d+: substituting insn #(\d+) w/ invalid insn", line):
        decided.append({"program": program, "kind": kind, "insn": int(match[1])})
    elif match := re.search(r"relo #\d+: patched insn #(\d+) \((.*)\) mem_sz (\d+) -> (\d+)", line):
        decided[-1]["width"] = int(match[4])
    elif match := re.search(r"relo #\d+: patched insn #(\d+) \((.*)\) (?:\w+) (\S+) -> (\S+)", line):
        decided.append({"program": program, "kind": kind, "insn": int(match[1]), "from": int(match[3], 0), "to": int(match[4], 0)})
with open("core.expected.json", "w") as file:
    file.write("[\n" + ",\n".join("  " + json.dumps(one) for one in decided) + "\n]\n")
