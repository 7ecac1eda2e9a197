"""Processes of tests, and the ports that they listen on."""

import contextlib
import socket
import subprocess
import time


class Failed(Exception):
    """The failure of a check or a row, with the reason."""


def free_port():
    """Returns a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    """Waits until a process listens on the port."""
    program = process.args[0]
    for _ in range(200):
        if process.poll() is not None:
            raise Failed(f"{program} ended with status {process.returncode} instead of listening")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Failed(f"{program} does not listen on port {port}")


@contextlib.contextmanager
def running(command, log, port=None, **options):
    """Runs a process that ends with the block: by the end of its input if that is a pipe, and else
    by SIGTERM. The block begins when the process listens on the port, if there is one. Errors of the
    process go to the log, as does its output unless the options have another place.
    """
    with open(log, "wb") as output:
        defaults = {"stdin": subprocess.DEVNULL, "stdout": output}
        process = subprocess.Popen(command, stderr=output, **(defaults | options))
        try:
            if port is not None:
                wait_for(port, process)
            yield process
        finally:
            if process.stdin:
                process.stdin.close()
            else:
                process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
