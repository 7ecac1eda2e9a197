#!/usr/bin/env python3
"""Runs the gateway between upstreams and clients of other makes, and reports whether each works.

    run.py PROGRAM FOLDER [--direct] [NAME...]

PROGRAM is the gateway, as words: `target/debug/sockeye gateway`. FOLDER has the programs that
ci/gateway-peers.sh has built and installed. With names, only the rows whose name contains one of
them are run. `--direct` leaves the gateway out, for the rows of native gRPC: a row that fails there
too is no fault of the gateway. Exit status 1 when a row fails.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import command_rows
import rest_rows
from stack import HERE, Failed, Stack, Tools, gateway, upstream


def python(script, *arguments):
    def row(stack):
        return stack.summary([stack.tools.python, HERE / script, stack.port, *arguments])
    return row


def node(script, *arguments):
    def row(stack):
        program = ["node", stack.tools.scripts / script]
        return stack.summary([*program, stack.port, stack.tools.descriptors, *arguments])
    return row


def with_browser(stack, script, *arguments):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise Failed("not found: chromium")
    environment = stack.tools.environment | {"BROWSER": program}
    return stack.summary(["node", stack.tools.scripts / script, *arguments], env=environment)


def browser(stack):
    return with_browser(stack, "browser_client.mjs", stack.url, stack.tools.descriptors, stack.page_port)


def wasmws(stack):
    tools = stack.tools
    arguments = [stack.tunnel_url, stack.page_port, tools.wasmws, tools.wasm_exec]
    return with_browser(stack, "wasmws_client.mjs", *arguments)


def go_tunnel(stack):
    return stack.summary([stack.tools.go_tunnel, stack.tunnel_url])


#: Rows that any server of gRPC can answer.
NATIVE = {
    "grpcio": python("grpcio_client.py"),
    "grpcio, gzip": python("grpcio_client.py", "gzip"),
    "grpc-js": node("grpc_js_client.mjs"),
    "grpcurl": command_rows.grpcurl,
    "buf curl, gRPC": command_rows.buf_curl("grpc"),
}
TRANSLATED = {
    "connect-node": node("connect_node_client.mjs"),
    "buf curl, gRPC-Web": command_rows.buf_curl("grpcweb"),
    "buf curl, Connect": command_rows.buf_curl("connect"),
    "buf curl, gRPC-Web, HTTP/1.1": command_rows.buf_curl("grpcweb", http1=True),
    "buf curl, Connect, HTTP/1.1": command_rows.buf_curl("connect", http1=True),
}
#: Rows that use the HTTP rules of the upstream.
CURL = {
    "curl, HTTP/1.1": rest_rows.curl("--http1.1"),
    "curl, HTTP/2": rest_rows.curl("--http2-prior-knowledge"),
}
ROUTED = {"browser": browser} | CURL
#: Rows that need a gateway with TLS, and with it HTTP/2 and WebSockets on it in browsers.
SECURE = {
    "browser, TLS": browser,
    "curl, HTTP/1.1, TLS": rest_rows.curl("--http1.1", "--insecure"),
    "curl, HTTP/2, TLS": rest_rows.curl("--http2", "--insecure"),
}
#: Rows of the tunnel, for which clients must have been built.
TUNNELED = {"grpc-go in the tunnel": go_tunnel, "wasmws": wasmws}
#: Rows of errors whose details the upstream sends.
DETAILED = {"curl, error details": rest_rows.details}
#: In grpc-go's own definition no method is without side effects, so that none can be called by GET.
WITHOUT_GET = {"connect-node": node("connect_node_client.mjs", "without-get")}
UPSTREAMS = {
    "grpcio": NATIVE | TRANSLATED | ROUTED | TUNNELED | SECURE,
    "grpc-go": NATIVE | TRANSLATED | WITHOUT_GET,
    "grpc++": NATIVE | TRANSLATED | CURL | DETAILED,
}


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def row(self, name, run, folder):
        begin = time.monotonic()
        try:
            details = run() or ""
            self.passed += 1
            verdict = "works"
        except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
            self.failed += 1
            verdict, details = "FAILS", str(error).replace("\n", "\n    ")
            for log in sorted(folder.glob("*.log")):
                text = log.read_text(errors="replace")[-1000:]
                if text:
                    details += f"\n    {log.stem}: " + text.replace("\n", "\n      ")
        print(f"{name:46} {verdict} {time.monotonic() - begin:5.1f} s  {details}", flush=True)


def run_upstream(report, tools, kind, rows, program, is_direct):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sockeye-gateway-peers-"))

    def run(stack, chosen, where):
        for name, row in chosen.items():
            report.row(f"{name}, {kind} {where}", lambda row=row: row(stack), folder)

    plain = {name: row for name, row in rows.items() if name not in SECURE}
    secure = {name: row for name, row in rows.items() if name in SECURE}
    try:
        with upstream(tools, kind, folder) as port:
            if is_direct:
                run(Stack(tools, port), plain, "direct")
                return
            for chosen, is_secure in ((plain, False), (secure, True)):
                if chosen:
                    with gateway(tools, program, folder, port, is_secure) as stack:
                        run(stack, chosen, "through the gateway")
    except (Failed, OSError) as error:
        def fail(error=error):
            raise Failed(str(error))
        report.row(f"{kind}, starting", fail, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    arguments = sys.argv[1:]
    is_direct = "--direct" in arguments
    arguments = [argument for argument in arguments if argument != "--direct"]
    if len(arguments) < 2:
        sys.exit(__doc__)
    program, folder, *names = arguments
    tools, report = Tools(folder), Report()
    os.makedirs(tools.environment["HOME"], exist_ok=True)
    for kind, rows in UPSTREAMS.items():
        if not tools.has_upstream(kind):
            continue
        chosen = {
            name: row for name, row in rows.items()
            if (not is_direct or name in NATIVE)
            and (name != "grpc-go in the tunnel" or tools.go_tunnel.exists())
            and (name != "wasmws" or tools.wasmws.exists())
            and (not names or any(part.lower() in f"{name}, {kind} ".lower() for part in names))
        }
        if chosen:
            run_upstream(report, tools, kind, chosen, program.split(), is_direct)
    print(f"gateway-peers: {report.passed} passed, {report.failed} failed")
    sys.exit(1 if report.failed or not report.passed else 0)


if __name__ == "__main__":
    main()
