"""Stands where a program that starts workers is looked for: ``python -IS stand_in.py SOCKET FOLDER NAME ARGUMENT…``.

It tells the kernel what it was asked for, and does as the kernel answers: become the program itself, say what the
program would have said, or stay as long as the program would have. Where no kernel answers, it becomes the program.
Needs the standard library alone, so that it starts in a moment.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from typing import Any, NoReturn

TOKEN = "NBREWIND_LAUNCH"
"""The environment variable that tells which of the kernel's commands this belongs to."""

ORIGINAL = "NBREWIND_LAUNCHED"
"""The environment variable with the path by which the program was called, where it was called by one."""

NOT_FOUND = 127


def main(arguments: list[str]) -> int:
    """Ask the kernel, and do as it says."""
    address, folder, name, *words = arguments
    token, original = os.environ.pop(TOKEN, ""), os.environ.pop(ORIGINAL, "")
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(part for part in path if part != folder)
    request = {"token": token, "program": name, "arguments": words, "folder": os.getcwd()}
    try:
        with socket.socket(socket.AF_UNIX) as kernel:
            kernel.connect(address)
            answer = ask(kernel, request)
            if answer["do"] == "read":
                request["job"] = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
                answer = ask(kernel, request)
            if answer["do"] == "stay":
                stay(kernel)
                return 0
    except (OSError, ValueError, KeyError):
        answer = {"do": "run"}
    if answer["do"] == "run":
        become(original or name, words, request.get("job"))
    sys.stdout.write(answer.get("out", ""))
    return 0


def ask(kernel: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    """Send a line of JSON, and return the one that comes back."""
    kernel.sendall(json.dumps(request).encode() + b"\n")
    with kernel.makefile("rb") as file:
        answer: dict[str, Any] = json.loads(file.readline())
    return answer


def stay(kernel: socket.socket) -> None:
    """Wait until the kernel is gone, or somebody ends this as they would end the program."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os._exit(0))
    while kernel.recv(1):
        pass


def become(name: str, words: list[str], job: Any) -> NoReturn:
    """Be the program, with its input as it was."""
    program = shutil.which(name)
    if program is None:
        sys.stderr.write(f"{name}: command not found\n")
        sys.stderr.flush()
        os._exit(NOT_FOUND)
    if job is not None:
        again = os.memfd_create("job")
        os.write(again, job.encode("utf-8", "surrogateescape"))
        os.lseek(again, 0, os.SEEK_SET)
        os.dup2(again, 0)
    os.execv(program, [name, *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
