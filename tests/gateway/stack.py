"""An upstream of another make and the gateway in front of it, as processes of the tests."""

import contextlib
import http.client
import os
import pathlib
import ssl
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from processes import Failed, free_port, running

HERE = pathlib.Path(__file__).parent
START_LIMIT = 30  # seconds, for the upstream and the gateway each
TIMEOUT = 300  # seconds, for one program of a row
TUNNEL_PATH = "/tunnel"
OUTPUT_LIMIT = 8000  # characters, of a program that fails


class Tools:
    """The programs that ci/gateway-peers.sh has installed and built below a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.binaries = self.folder / "venv/bin"
        self.python = self.binaries / "python"
        self.scripts = self.folder / "node"
        self.descriptors = self.folder / "generated/interop.binpb"
        #: Upstreams that --quick does not build.
        self.built_upstreams = {"grpc-go": self.folder / "go-upstream", "grpc++": self.folder / "cpp-upstream"}
        #: Clients of the tunnel, as far as they were built: grpc-go, and wasmws for the browser.
        self.go_tunnel = self.folder / "go-tunnel"
        self.wasmws = self.folder / "wasmws.wasm"
        self.wasm_exec = self.folder / "wasm_exec.js"
        self.environment = os.environ | {
            "PYTHONPATH": str(self.folder / "generated"),
            "PYTHONDONTWRITEBYTECODE": "1",
            # Programs that look for a proxy or for updates stay on this machine.
            "NO_PROXY": "127.0.0.1",
            "HOME": str(self.folder / "home"),
        }


    def has_upstream(self, kind):
        return kind not in self.built_upstreams or self.built_upstreams[kind].exists()

    def upstream(self, kind):
        """Returns the command that runs an upstream of a kind."""
        return [self.built_upstreams[kind]] if kind in self.built_upstreams else [self.python, HERE / "upstream.py"]


class Stack:
    """A gateway at `port`, which pages at `page_port` may call. Without a gateway, the upstream."""

    def __init__(self, tools, port, page_port=None, is_secure=False):
        self.tools, self.port, self.page_port = tools, port, page_port
        self.url = f"{'https' if is_secure else 'http'}://127.0.0.1:{port}"
        self.tunnel_url = f"ws://127.0.0.1:{port}{TUNNEL_PATH}"

    def run(self, command, fails=False, **options):
        """Runs a program to its end and returns its output; with `fails`, also what it says of its failure.

        Raises `Failed` if it fails, or with `fails`, if it does not.
        """
        settings = {"capture_output": True, "text": True, "timeout": TIMEOUT, "env": self.tools.environment} | options
        completed = subprocess.run([str(part) for part in command], **settings)
        if bool(completed.returncode) != fails:
            output = (completed.stdout + completed.stderr).strip()
            raise Failed(f"exit status {completed.returncode}: {output[:OUTPUT_LIMIT]}")
        return completed.stdout + (completed.stderr if fails else "")

    def summary(self, command, **options):
        """Runs a program that prints `NAME: N of N cases` for each client, and returns these lines."""
        lines = self.run(command, **options).splitlines()
        return "; ".join(line for line in lines if line.endswith(" cases"))


@contextlib.contextmanager
def upstream(tools, kind, folder):
    """Runs an upstream of a kind, and yields its port."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(tools.upstream(kind), folder / "upstream.log", env=tools.environment, **pipes) as process:
        line = process.stdout.readline().decode().strip()
        if not line.isdigit():
            raise Failed(f"the upstream {kind} printed no port: " + (folder / "upstream.log").read_text()[-500:])
        yield int(line)


@contextlib.contextmanager
def gateway(tools, program, folder, back, is_secure=False):
    """Runs the gateway before the upstream at a port."""
    port, page_port = free_port(), free_port()
    command = [
        *program, "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{back}",
        "--allow-origin", f"http://127.0.0.1:{page_port}", "--tunnel-path", TUNNEL_PATH,
        *(["--self-signed"] if is_secure else []),
    ]
    log = folder / ("gateway-tls.log" if is_secure else "gateway.log")
    with running(command, log, env=tools.environment) as process:
        wait_for_services(port, process, is_secure)
        yield Stack(tools, port, page_port, is_secure)


def connect(port, is_secure):
    if not is_secure:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    # The certificate is made at the start of the gateway.
    context = ssl._create_unverified_context()
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)


def wait_for_services(port, process, is_secure):
    """Waits until the gateway answers a call of the upstream."""
    end, answer = time.monotonic() + START_LIMIT, None
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failed(f"the gateway ended with status {process.returncode}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = connect(port, is_secure)
            headers = {"content-type": "application/json"}
            connection.request("POST", "/grpc.testing.TestService/EmptyCall", "{}", headers)
            answer = connection.getresponse().status
            connection.close()
            if answer == 200:
                return
        time.sleep(0.05)
    raise Failed(f"the gateway does not know the services; its last answer was {answer}")
