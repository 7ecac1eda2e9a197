"""Rows of command-line clients: grpcurl and `buf curl`, which learn the services by reflection."""

import base64
import json

from stack import Failed

SERVICE = "grpc.testing.TestService"
OUTPUT = {"responseParameters": [{"size": 3}, {"size": 5}]}
NO_SUCH_FISH = {"responseStatus": {"code": 5, "message": "no such fish"}}


def expect(actual, expected, what):
    if actual != expected:
        raise Failed(f"{what}: {actual!r} instead of {expected!r}"[:1000])


def expect_parts(text, *parts):
    for part in parts:
        if part not in text:
            raise Failed(f"{part!r} is not in {text!r}"[:1000])


def values(text):
    """Returns the JSON values that follow each other in a text."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found


def sum_of(text):
    """Returns the answer to a stream of the client. Without `json_name`, grpcurl prints the proto name."""
    (value,) = values(text)
    return value.get("aggregatedPayloadSize", value.get("aggregated_payload_size"))


def body_sizes(text):
    return [len(base64.b64decode(value["payload"]["body"])) for value in values(text)]


def grpcurl(stack):
    """grpcurl 1.8.6, which knows reflection v1alpha only."""
    address = f"127.0.0.1:{stack.port}"
    program = [stack.tools.binaries / "grpcurl", "-plaintext", "-max-time", "20"]

    def call(method, data, **options):
        return stack.run([*program, "-d", data, address, f"{SERVICE}/{method}"], **options)

    services = stack.run([*program, address, "list"]).split()
    expect_parts(" ".join(services), SERVICE)
    expect_parts(stack.run([*program, address, "describe", SERVICE]), "rpc FullDuplexCall ( stream ", "UnaryCall")
    expect(body_sizes(call("UnaryCall", '{"responseSize": 7}')), [7], "unary")
    expect(body_sizes(call("StreamingOutputCall", json.dumps(OUTPUT))), [3, 5], "stream of the server")
    inputs = json.dumps({"payload": {"body": "AAAA"}}) * 3
    expect(sum_of(call("StreamingInputCall", inputs)), 9, "stream of the client")
    expect(body_sizes(call("FullDuplexCall", json.dumps(OUTPUT) * 2)), [3, 5, 3, 5], "both streams")
    failure = call("UnaryCall", json.dumps(NO_SUCH_FISH), fails=True)
    expect_parts(failure, "NotFound", "no such fish")
    return f"{len(services)} services, 6 calls"


def buf_curl(protocol, http1=False):
    """`buf curl`, by reflection over HTTP/2, and with a file of descriptors over HTTP/1.1."""
    def row(stack):
        flags = ["--schema", stack.tools.descriptors] if http1 else ["--http2-prior-knowledge"]
        program = [stack.tools.binaries / "buf", "curl", "--protocol", protocol, *flags]

        def call(method, data, **options):
            return stack.run([*program, "-d", data, f"{stack.url}/{SERVICE}/{method}"], **options)

        if not http1:
            expect_parts(stack.run([*program, "--list-services", stack.url]), SERVICE)
        expect(body_sizes(call("UnaryCall", '{"responseSize": 7}')), [7], "unary")
        expect(body_sizes(call("StreamingOutputCall", json.dumps(OUTPUT))), [3, 5], "stream of the server")
        inputs = json.dumps({"payload": {"body": "AAAA"}}) * 3
        expect(sum_of(call("StreamingInputCall", inputs)), 9, "stream of the client")
        if not http1:
            expect(body_sizes(call("FullDuplexCall", json.dumps(OUTPUT) * 2)), [3, 5, 3, 5], "both streams")
        expect_parts(call("UnaryCall", json.dumps(NO_SUCH_FISH), fails=True), "not_found", "no such fish")
        return "services by a file" if http1 else "services by reflection"
    return row
