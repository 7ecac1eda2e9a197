#!/usr/bin/env python3
"""Runs Sockeye against foreign clients, servers and proxies, and reports whether each works.

    run.py SOCKEYE CLIENT BIN [NAME...]

SOCKEYE is the program `sockeye`, CLIENT the example `compatibility_client`, BIN the folder with the
programs that ci/compatibility.sh has built and installed. With names, only the rows whose name
contains one of them are run. Exit status 1 when a row fails.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from processes import Failed, free_port, running, wait_for

HERE = pathlib.Path(__file__).parent
TIMEOUT = 60  # seconds; one conversation takes one or two
IDLE_SECONDS = 130  # seconds: twice the default timeouts of nginx and HAProxy


class Context:
    """The programs that every row needs, and a folder for their files."""

    def __init__(self, sockeye, client, binaries, folder):
        self.sockeye, self.client = sockeye, client
        self.binaries, self.folder = pathlib.Path(binaries), pathlib.Path(folder)
        self.environment = os.environ | {"NODE_PATH": str(self.binaries / "node/node_modules")}

    def log(self, name):
        return self.folder / f"{name}.log"

    @contextlib.contextmanager
    def serve(self, *flags):
        """Runs `sockeye serve` and yields its port."""
        port = free_port()
        command = [self.sockeye, "serve", "--listen", f"127.0.0.1:{port}", *flags]
        with running(command, self.log("serve")) as process:
            wait_for(port, process)
            yield port

    def run_client(self, url, *flags):
        """Runs Sockeye's client against the URL and returns its output."""
        return self.run([self.client, *flags, url])

    def run(self, command, timeout=TIMEOUT):
        completed = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=self.environment)
        if completed.returncode:
            raise Failed((completed.stderr or completed.stdout).strip().splitlines()[-1:] or completed.returncode)
        return completed.stdout.strip()


# Peers: the command of each as a client of a URL, or as a server that prints its port.

def python(script):
    return lambda context: [context.binaries / "venv/bin/python", HERE / script]


def node(script):
    return lambda _: ["node", HERE / script]


def go(library):
    return lambda context: [context.binaries / "go-peer", library]


def java(context):
    jars = "/usr/share/java"
    return ["java", "-cp", f"{context.binaries}/java:{jars}/*", "Peer"]


PEERS = {
    "aiohttp": (python("aiohttp_peer.py"), "client", "server"),
    "tornado": (python("tornado_peer.py"), "client", "server"),
    "libcurl": (python("libcurl_client.py"), "client"),
    "undici": (node("undici_client.mjs"), "client"),
    "gorilla": (go("gorilla"), "client", "server"),
    "nhooyr": (go("nhooyr"), "client", "server"),
    "Boost.Beast": (lambda context: [context.binaries / "beast"], "client", "server"),
    "Tomcat": (java, "client", "server"),
}


def client_row(command):
    def row(context):
        with context.serve() as port:
            context.run([*command(context), "client", f"ws://127.0.0.1:{port}/echo"])
    return row


def server_row(command):
    def row(context):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with running([*command(context), "server"], context.log("peer"), **options) as process:
            port = process.stdout.readline().decode().strip()
            if not port.isdigit():
                raise Failed(f"printed no port: {context.log('peer').read_text()[-300:]}")
            return context.run_client(f"ws://127.0.0.1:{port}/")
    return row


# Proxies, each with the minimal configuration of its manual, and its default timeouts.

def nginx(context, port, upstream):
    configuration = context.folder / "nginx.conf"
    configuration.write_text(f"""
daemon off; pid {context.folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {context.folder}/nginx-body; proxy_temp_path {context.folder}/nginx-proxy;
  fastcgi_temp_path {context.folder}/nginx-fastcgi; uwsgi_temp_path {context.folder}/nginx-uwsgi;
  scgi_temp_path {context.folder}/nginx-scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }}
  }}
}}
""")
    return ["nginx", "-c", configuration]


def haproxy(context, port, upstream):
    configuration = context.folder / "haproxy.cfg"
    # The timeouts of Debian's default configuration.
    configuration.write_text(f"""
defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server sockeye 127.0.0.1:{upstream}
""")
    return ["haproxy", "-f", configuration]


def apache(context, port, upstream, http2=False):
    modules = ["mpm_event", "authz_core", "proxy", "proxy_http"]
    if http2:
        modules += ["http2"]
    load = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules)
    if http2:
        load += "\nProtocols h2c http/1.1\nH2WebSockets on"
    configuration = context.folder / "apache.conf"
    configuration.write_text(f"""
ServerRoot {context.folder}
PidFile {context.folder}/apache.pid
DefaultRuntimeDir {context.folder}
ErrorLog /dev/stderr
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
User www-data
Group www-data
{load}
ProxyPreserveHost on
ProxyPass / http://127.0.0.1:{upstream}/ upgrade=websocket
""")
    return ["apache2", "-X", "-f", configuration]


def apache_http2(context, port, upstream):
    return apache(context, port, upstream, http2=True)


def nghttpx(context, port, upstream):
    return ["nghttpx", "--conf=/dev/null", "--workers=1", f"--frontend=127.0.0.1,{port};no-tls",
            f"--backend=127.0.0.1,{upstream}", "--errorlog-file=/dev/stderr", "--accesslog-file=/dev/null"]


def envoy(context, port, upstream, front="HTTP1", back=""):
    configuration = context.folder / "envoy.yaml"
    configuration.write_text(f"""
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          codec_type: {front}
          http2_protocol_options: {{ allow_connect: true }}
          upgrade_configs: [{{ upgrade_type: websocket }}]
          http_filters:
          - name: router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: sockeye }} }}]
  clusters:
  - name: sockeye
    load_assignment:
      cluster_name: sockeye
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }}
{back}
""")
    return [context.binaries / "venv/bin/envoy", "-c", configuration, "--concurrency", "1", "--log-level", "error"]


HTTP2_UPSTREAM = """    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: { allow_connect: true } }
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
"""


def envoy_http2_front(context, port, upstream):
    return envoy(context, port, upstream, front="HTTP2")


def envoy_http2_back(context, port, upstream):
    return envoy(context, port, upstream, back=HTTP2_UPSTREAM)


def via_proxy(proxy, *flags, serve=()):
    def row(context):
        with context.serve(*serve) as upstream:
            port = free_port()
            with running(proxy(context, port, upstream), context.log("proxy")) as process:
                wait_for(port, process)
                return context.run_client(f"ws://127.0.0.1:{port}/echo", *flags)
    return row


def idle_via_proxy(proxy):
    """Checks that the server's keepalive preserves idle connections beyond the proxy's timeouts.

    Neither program sends messages during the wait.
    """
    def row(context):
        client = [*python("silent_client.py")(context)]
        with context.serve() as upstream:
            port = free_port()
            with running(proxy(context, port, upstream), context.log("proxy")) as process:
                wait_for(port, process)
                command = [*client, f"ws://127.0.0.1:{port}/echo", str(IDLE_SECONDS)]
                return context.run(command, timeout=IDLE_SECONDS + TIMEOUT)
    return row


def rows():
    for name, (command, *roles) in PEERS.items():
        for role in roles:
            yield f"{name} {role}", (client_row if role == "client" else server_row)(command)
    yield "nginx proxy", via_proxy(nginx)
    yield "HAProxy proxy", via_proxy(haproxy)
    yield "Apache proxy", via_proxy(apache)
    yield "Apache proxy, HTTP/2 in front", via_proxy(apache_http2, "--http2")
    yield "nghttpx proxy", via_proxy(nghttpx)
    yield "nghttpx proxy, HTTP/2 in front", via_proxy(nghttpx, "--http2")
    yield "Envoy proxy", via_proxy(envoy)
    yield "Envoy proxy, HTTP/2 in front", via_proxy(envoy_http2_front, "--http2")
    yield "Envoy proxy, HTTP/2 behind", via_proxy(envoy_http2_back, serve=["--self-signed"])
    yield "nginx, two minutes of silence", idle_via_proxy(nginx)
    yield "HAProxy, two minutes of silence", idle_via_proxy(haproxy)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sockeye, client, binaries, *names = sys.argv[1:]
    passed = failed = 0
    for name, row in rows():
        if names and not any(part.lower() in name.lower() for part in names):
            continue
        # The users that proxies switch to need read access.
        folder = tempfile.mkdtemp(prefix="sockeye-compatibility-")
        os.chmod(folder, 0o755)
        begin = time.monotonic()
        try:
            details = row(Context(sockeye, client, binaries, folder)) or ""
            passed += 1
            verdict = "works"
        except (Failed, OSError, subprocess.SubprocessError) as error:
            failed += 1
            verdict, details = "FAILS", str(error)
            for log in sorted(pathlib.Path(folder).glob("*.log")):
                details += f"\n    {log.stem}: " + log.read_text(errors="replace")[-600:].replace("\n", "\n      ")
        print(f"{name:32} {verdict} {time.monotonic() - begin:5.1f} s  {details}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"compatibility: {passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
