"""The server under attack, its resource usage, and a legitimate client beside the attackers."""

import multiprocessing
import os
import re
import resource
import signal
import subprocess
import tempfile
import threading
import time

import wire

MEBIBYTE = 1 << 20
_TICKS = os.sysconf("SC_CLK_TCK")
_fork = multiprocessing.get_context("fork")


class Server:
    """A new `sockeye serve` process on a free loopback port, ended with the block."""

    def __init__(self, program, flags=(), files=None):
        def limit():
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        self.log = tempfile.TemporaryFile()
        command = [program, "serve", "--listen", "127.0.0.1:0", *flags]
        environment = {name: value for name, value in os.environ.items() if name != "RUST_LOG"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
            preexec_fn=limit, env=environment,
        )
        line = self.process.stdout.readline().decode()
        match = re.search(r"(https?)://([^/:]+):(\d+)/", line)
        if not match:
            raise RuntimeError("the program did not start: " + " ".join(self.log_lines()[:1]))
        self.tls = match[1] == "https"
        self.address = (match[2], int(match[3]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def _field(self, name):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
        return 0

    def memory(self):
        """Returns the resident memory of the server, in bytes."""
        return self._field("VmRSS")

    def reset_peak(self):
        """Resets the measurement of the peak."""
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as refs:
            refs.write("5")

    def peak(self):
        """Returns the peak resident memory of the server, in bytes."""
        return self._field("VmHWM")

    def processor(self):
        """Returns the processor time that the server has used, in seconds."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def is_running(self):
        return self.process.poll() is None

    def log_lines(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace").splitlines()


def _run_legitimate_client(server, pipe, stop):
    delays, lag = [], 0
    try:
        stream = wire.websocket(server)
        stream.settimeout(30)
        message = wire.ws_frame(2, b"a client")
        pipe.send("open")
        while not stop.is_set():
            begun = time.monotonic()
            stream.sendall(message)
            missing = 10
            while missing:
                received = stream.recv(missing)
                if not received:
                    raise wire.Disconnected
                missing -= len(received)
            delays.append(time.monotonic() - begun)
            begun = time.monotonic()
            time.sleep(0.01)
            lag = max(lag, time.monotonic() - begun - 0.01)
        pipe.send((delays, lag, None))
    except Exception as error:  # any error means that the attack has harmed the legitimate client
        pipe.send((delays, lag, repr(error)))


class LegitimateClient:
    """A client in a separate process that sends small messages and waits for each echo."""

    def __init__(self, server):
        self.pipe, child_pipe = _fork.Pipe()
        self.stop = _fork.Event()
        self.process = _fork.Process(target=_run_legitimate_client, args=(server, child_pipe, self.stop), daemon=True)
        self.process.start()
        if (first_message := self.pipe.recv()) != "open":
            raise RuntimeError(f"the legitimate client was not served before the attack began: {first_message}")

    def finish(self):
        """Returns the delays of the messages, the machine's maximum wake-up delay, and the error.

        Both delays are in seconds.
        """
        self.stop.set()
        result = self.pipe.recv() if self.pipe.poll(40) else ([], 0, "no answer for 40 s")
        self.process.join(1)
        self.process.terminate()
        return result


def _attacker(attack, server, deadline, barrier):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The server and the legitimate client have priority, so that the test measures the server and not
    # the machine's load.
    os.nice(int(os.environ.get("NICE", "5")))
    connections = attack(server, deadline)
    barrier.wait()  # attackers keep their connections until all are notified to release them
    del connections


class Attackers:
    """Processes that attack at the same time, and keep their connections until notified."""

    def __init__(self, server, attack, count, deadline):
        self.done = _fork.Barrier(count + 1)
        args = (attack, server, deadline, self.done)
        self.processes = [_fork.Process(target=_attacker, args=args, daemon=True) for _ in range(count)]
        for process in self.processes:
            process.start()

    def wait(self, timeout):
        """Waits until all attacks have ended, and makes the processes release their connections."""
        try:
            self.done.wait(timeout)
        except threading.BrokenBarrierError:
            pass
        for process in self.processes:
            process.join(2)
            process.terminate()
