#!/usr/bin/env python3
"""Puts proxies before the servers of Sockeye, and reports whether each works.

    run.py SOCKEYE [PROXY [SECONDS]]

SOCKEYE is the program. With PROXY, only that proxy is run. SECONDS is the silence on the WebSockets.
The configurations are those of packaging/proxies, with other ports. Exit status 1 when a proxy fails.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from exec import start_exec, verify_exec
from processes import Failed, free_port, running
from servers import SERVERS, Trial, check_page
from websocket import Lost

CONFIGURATIONS = pathlib.Path(__file__).parents[2] / "packaging/proxies"
CHECKED = SERVERS | {"exec": (start_exec, verify_exec)}
# Above the default timeouts: 60 s of nginx and Apache, 50 s of HAProxy.
SILENCE = 70


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


def check(sockeye, server, name, silence, folder):
    make, flags = PROXIES[name]
    upstream, port = free_port(), free_port()
    trial = Trial(sockeye, port, silence, folder, folder / "sockeye.log", "--proxy-protocol" in flags)
    start, verify = CHECKED[server]
    with contextlib.ExitStack() as stack:
        words = start(trial, stack)
        # A command of `exec` is last.
        end = words.index("--") if "--" in words else len(words)
        listen = ["-v", "--listen", f"127.0.0.1:{upstream}", "--trust-proxy", "127.0.0.1", *flags]
        command = [sockeye, *words[:end], *listen, *words[end:]]
        stack.enter_context(running(command, trial.log, upstream))
        stack.enter_context(running(make(folder, port, upstream), folder / "proxy.log", port))
        check_page(port)
        return verify(trial, stack)


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
            detail = check(sockeye, server, name, silence, folder)
            print(f"{name:8} before {server:8} works: {silence:.0f} s of silence, {detail}", flush=True)
        except (Failed, Lost, OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
            failures.append(name)
            logs = "".join(f"\n  {log.name}: {log.read_text(errors='replace')[-800:]}" for log in folder.glob("*.log"))
            print(f"{name:8} before {server:8} FAILS: {error}{logs}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)

    threads = [threading.Thread(target=run, args=(server, name)) for server in CHECKED for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
