"""Rows of curl, for JSON over HTTP by the rules of the upstream."""

import base64
import json

from command_rows import SERVICE, expect, expect_parts

SEPARATOR = "\n--status--"


class Answer:
    """What curl printed: the body, the status and the headers."""

    def __init__(self, text):
        head, _, rest = text.partition("\n\n")
        # Interim responses come first.
        while rest.startswith("HTTP/"):
            head, _, rest = rest.partition("\n\n")
        self.body, _, status = rest.rpartition(SEPARATOR)
        self.status = int(status)
        lines = [line.partition(":") for line in head.splitlines()[1:]]
        self.headers = {name.lower(): value.strip() for name, _, value in lines}

    def json(self):
        return json.loads(self.body)


def size_of(message):
    return len(base64.b64decode(message["payload"]["body"]))


def curl(*flags_of_row):
    def row(stack):
        def request(path, *flags):
            command = ["curl", "-sS", "-i", "--max-time", "20", *flags_of_row, "-w", f"{SEPARATOR}%{{http_code}}", *flags]
            return Answer(stack.run([*command, stack.url + path]).replace("\r\n", "\n"))

        def post(path, body, *flags):
            data = body if isinstance(body, str) else json.dumps(body)
            return request(path, "-H", "content-type: application/json", "-d", data, *flags)

        for case in (unary, streams, failures):
            case(request, post)
        if "--http1.1" not in flags_of_row:
            both_streams(request, post)
        return "unary calls, streams as lines, events and input, failures"
    return row


def unary(request, post):
    answer = request("/v1/unary/7")
    expect([answer.status, answer.headers["content-type"]], [200, "application/json"], "GET")
    expect(size_of(answer.json()), 7, "size by the path")
    expect(request("/v1/empty").json(), {}, "GET without fields")
    head = request("/v1/unary/7", "--head")
    expect([head.status, head.body, head.headers["content-length"]], [200, "", answer.headers["content-length"]], "HEAD")
    expect(size_of(post("/v1/unary", {"responseSize": 9}).json()), 9, "POST to the rule")
    expect(size_of(post("/v1/unary", {"response_size": 9}).json()), 9, "the name of the definition")
    expect(size_of(post(f"/{SERVICE}/UnaryCall", {"responseSize": 11}).json()), 11, "POST to the method")
    answer = post("/v1/unary", {"responseSize": 1_500_000})
    expect(size_of(answer.json()), 1_500_000, "a response of over a MiB")


def streams(request, post):
    sizes = {"responseParameters": [{"size": 3}, {"size": 5}]}
    lines = [json.loads(line) for line in post("/v1/output", sizes).body.splitlines()]
    expect([size_of(line["result"]) for line in lines], [3, 5], "lines")
    answer = post("/v1/output", sizes, "-H", "accept: text/event-stream")
    expect(answer.headers["content-type"].partition(";")[0], "text/event-stream", "type")
    events = [dict(line.split(": ", 1) for line in event.splitlines() if ": " in line)
              for event in answer.body.split("\n\n") if event.strip()]
    data = [event for event in events if "data" in event and "event" not in event]
    expect([size_of(json.loads(event["data"])) for event in data], [3, 5], "events")
    expect(events[-1].get("event"), "end", "the last event")
    three = {"payload": {"body": "AAAA"}}
    for body in (json.dumps(three) * 3, json.dumps([three] * 3), "\n".join([json.dumps(three)] * 3)):
        expect(post("/v1/input", body).json(), {"aggregatedPayloadSize": 9}, "stream of the client")
    failing = post("/v1/output", sizes | {"responseStatus": {"code": 9, "message": "too late"}})
    last = json.loads(failing.body.splitlines()[-1])
    expect([failing.status, last["error"]["code"], last["error"]["message"]], [200, 9, "too late"], "late failure")


def both_streams(_request, post):
    body = json.dumps({"responseParameters": [{"size": 3}, {"size": 5}]}) * 2
    lines = [json.loads(line) for line in post("/v1/duplex", body).body.splitlines()]
    expect([size_of(line["result"]) for line in lines], [3, 5, 3, 5], "both streams")


def failures(request, post):
    def check(answer, status, code, what):
        expect([answer.status, answer.json()["code"]], [status, code], what)

    failure = post("/v1/unary", {"responseStatus": {"code": 5, "message": "no such 🐟"}})
    check(failure, 404, 5, "status of the upstream")
    expect(failure.json()["message"], "no such 🐟", "message of the upstream")
    early = post("/v1/output", {"responseStatus": {"code": 7, "message": "not yours"}})
    check(early, 403, 7, "a failure before the first message")
    check(request("/v1/nothing"), 404, 5, "unknown path")
    check(request("/v1/unary/many"), 400, 3, "a path that is no number")
    check(post("/v1/unary", "{"), 400, 3, "broken JSON")
    wrong_method = request("/v1/unary", "-X", "DELETE")
    check(wrong_method, 405, 12, "wrong method")
    expect_parts(wrong_method.headers["allow"], "POST")
    # As forms and pages of other origins send it.
    text = request("/v1/unary", "-H", "content-type: text/plain", "-d", '{"responseSize":1}')
    expect(text.status, 415, "text/plain")
    foreign = post("/v1/unary", {}, "-H", "origin: http://evil.example")
    expect(foreign.status, 403, "a page of another origin")
    check(post("/v1/unary", {}, "-H", "x-server-timeout: never"), 400, 3, "a timeout that is none")


def details(stack):
    """An error with a detail, as JSON over HTTP and as Connect, from an upstream that sends the requested status."""
    status = {"code": 9, "message": "too late"}
    body = json.dumps({"responseStatus": status})

    def post(*flags):
        command = ["curl", "-sS", "--max-time", "20", "-H", "content-type: application/json", "-d", body, *flags]
        return json.loads(stack.run([*command, f"{stack.url}/{SERVICE}/UnaryCall"]))

    detail = {"@type": "type.googleapis.com/grpc.testing.EchoStatus"} | status
    expect(post(), status | {"details": [detail]}, "JSON")
    (connect,) = post("-H", "connect-protocol-version: 1")["details"]
    expect([connect["type"], connect["debug"]], ["grpc.testing.EchoStatus", status], "Connect")
    return "details in JSON and Connect"
