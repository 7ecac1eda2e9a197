#!/usr/bin/env python3
"""Puts proxies before `sockeye serve` and `sockeye gateway`, and reports whether each works.

    run.py SOCKEYE [PROXY [SECONDS]]

SOCKEYE is the program. With PROXY, only that proxy is run. SECONDS is the silence on the WebSockets.
The configurations are those of packaging/proxies, with other ports. Exit status 1 when a proxy fails.
"""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from websocket import Lost, WebSocket

CONFIGURATIONS = pathlib.Path(__file__).parents[2] / "packaging/proxies"
DESCRIPTORS = pathlib.Path(__file__).parents[2] / "demo/library/src/generated/descriptors.bin"
# Above the default timeouts: 60 s of nginx and Apache, 50 s of HAProxy.
SILENCE = 70


class Failed(Exception):
    """The failure of a check, with the reason."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    for _ in range(200):
        if process.poll() is not None:
            raise Failed(f"{process.args[0]} ended with status {process.returncode} instead of listening")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Failed(f"nothing listens on port {port}")


@contextlib.contextmanager
def running(command, log, port):
    """Runs a process until the end of the block; its output goes to the log."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            wait_for(port, process)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def configuration(name, port, upstream):
    text = (CONFIGURATIONS / name).read_text()
    return text.replace("127.0.0.1:80\n", f"127.0.0.1:{port}\n").replace("127.0.0.1:80;", f"127.0.0.1:{port};").replace(
        "127.0.0.1:80>", f"127.0.0.1:{port}>"
    ).replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")


# Each proxy: its command, and the flags with which Sockeye trusts it.


def nginx(folder, port, upstream):
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{configuration('nginx.conf', port, upstream)} }}\n"
    )
    return ["nginx", "-c", file]


def haproxy(folder, port, upstream):
    file = folder / "haproxy.cfg"
    file.write_text(configuration("haproxy.cfg", port, upstream))
    return ["haproxy", "-f", file]


def apache(folder, port, upstream):
    modules = ["mpm_event", "authz_core", "headers", "proxy", "proxy_http"]
    load = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules)
    file = folder / "apache.conf"
    file.write_text(
        f"ServerRoot {folder}\nPidFile {folder}/apache.pid\nDefaultRuntimeDir {folder}\nErrorLog /dev/stderr\n"
        f"ServerName 127.0.0.1\nListen 127.0.0.1:{port}\nUser www-data\nGroup www-data\n{load}\n"
        f"{configuration('apache.conf', port, upstream)}"
    )
    return ["apache2", "-X", "-f", file]


FORWARDED = ["--client-header", "x-forwarded-for"]
PROXIES = {"nginx": (nginx, FORWARDED), "haproxy": (haproxy, ["--proxy-protocol"]), "apache": (apache, FORWARDED)}
SERVERS = {"serve": [], "gateway": ["--demo"]}


def check_page(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        if answer.read() != b"ok\n":
            raise Failed("/healthz did not answer ok")


def check_calls(sockeye, port):
    """Makes calls in protocols that pass through a proxy of HTTP/1.1."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/books/maps-of-fog", timeout=10) as answer:
        if json.load(answer)["title"] != "Maps of Fog":
            raise Failed("a call with JSON had another answer")
    for protocol in ["grpc-web", "connect", "websocket"]:
        method = "sockeye.library.v1.Library/GetBook"
        command = [sockeye, "call", f"http://127.0.0.1:{port}", method, "-d", '{"id":"maps-of-fog"}']
        # Reflection needs HTTP/2 as far as the server.
        command += ["--descriptor-set", DESCRIPTORS]
        made = subprocess.run([*command, "--protocol", protocol], capture_output=True, text=True, timeout=30)
        if "Maps of Fog" not in made.stdout:
            raise Failed(f"a call with {protocol}: {made.stderr.strip() or made.stdout}")


def check_silence(port, path, question, expected, silence):
    ws = WebSocket(port, path)
    ws.send(question)
    if expected not in (ws.receive(10) or ""):
        raise Failed("the first message had no answer")
    if (text := ws.receive(silence)) is not None:
        raise Failed(f"{text!r} arrived in the silence")
    ws.send(question)
    if ws.receive(10) is None:
        raise Failed("a message after the silence had no answer")
    return ws


def check_client(log, ws, has_port):
    """Checks that the server has logged the client's address. Request headers have no port."""
    port = ws.socket.getsockname()[1] if has_port else 0
    if f"WebSocket opened peer=127.0.0.1:{port}\n" not in log.read_text():
        raise Failed("the server did not see the client's address")


def check(sockeye, server, name, silence, folder):
    make, flags = PROXIES[name]
    upstream, port = free_port(), free_port()
    log = folder / "sockeye.log"
    command = [sockeye, server, "-v", "--listen", f"127.0.0.1:{upstream}", "--no-auth", "--trust-proxy", "127.0.0.1"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(running([*command, *flags, *SERVERS[server]], log, upstream))
        stack.enter_context(running(make(folder, port, upstream), folder / "proxy.log", port))
        check_page(port)
        if server == "gateway":
            check_calls(sockeye, port)
            conversation = ("/v1/books:recommend?method=POST", '{"genre":"POETRY"}', "Maps of Fog")
        else:
            conversation = ("/echo", "silence", "silence")
        ws = check_silence(port, *conversation, silence)
        if server == "serve":
            check_client(log, ws, "--proxy-protocol" in flags)
        return ws.pings


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sockeye, *rest = sys.argv[1:]
    names = rest[:1] or list(PROXIES)
    silence = float(rest[1]) if len(rest) > 1 else SILENCE
    failures = []

    def run(server, name):
        # The users that proxies switch to need read access.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="sockeye-proxies-"))
        os.chmod(folder, 0o755)
        try:
            pings = check(sockeye, server, name, silence, folder)
            print(f"{name:8} before {server:8} works: {silence:.0f} s of silence, {pings} pings", flush=True)
        except (Failed, Lost, OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
            failures.append(name)
            logs = "".join(f"\n  {log.name}: {log.read_text(errors='replace')[-800:]}" for log in folder.glob("*.log"))
            print(f"{name:8} before {server:8} FAILS: {error}{logs}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)

    threads = [threading.Thread(target=run, args=(server, name)) for server in SERVERS for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
