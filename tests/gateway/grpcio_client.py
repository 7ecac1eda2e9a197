"""Fourteen cases of gRPC's interoperability tests, with grpcio as the client.

    grpcio_client.py PORT [gzip]

Prints a line for each case, and ends with 1 if one of them fails. PYTHONPATH has the generated
modules. After the cases that cancel, the upstream must have ended its streams too, if it has the
service that tells so.
"""

import queue
import sys
import time

import grpc
import interop_pb2 as pb
import interop_pb2_grpc

LIMIT = 20  # seconds, for each call that is not to end by itself
INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
LARGE_REQUEST, LARGE_RESPONSE = 271828, 314159
INPUT_SIZES = [27182, 8, 1828, 45904]
OUTPUT_SIZES = [31415, 9, 2653, 58979]


def expect(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} instead of {expected!r}")


def expect_status(call, code, message=None):
    """Checks that a function fails with this status."""
    try:
        call()
    except grpc.RpcError as error:
        expect(error.code(), code)
        if message is not None:
            expect(error.details(), message)
    else:
        raise AssertionError(f"succeeded instead of {code}")


def body(size):
    return pb.Payload(body=bytes(size))


def output_request(size, **fields):
    return pb.StreamingOutputCallRequest(response_parameters=[pb.ResponseParameters(size=size)], **fields)


class Requests:
    """The requests of a stream, each sent when the client says so."""

    def __init__(self):
        self._queue = queue.Queue()

    def send(self, request):
        self._queue.put(request)

    def end(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


class Cases:
    def __init__(self, channel):
        self._channel = channel
        self._stub = interop_pb2_grpc.TestServiceStub(channel)
        self._observer = interop_pb2_grpc.ObserverStub(channel)

    def empty_unary(self):
        expect(self._stub.EmptyCall(pb.Empty(), timeout=LIMIT), pb.Empty())

    def large_unary(self):
        request = pb.SimpleRequest(response_size=LARGE_RESPONSE, payload=body(LARGE_REQUEST))
        response = self._stub.UnaryCall(request, timeout=LIMIT)
        expect(response.payload.body, bytes(LARGE_RESPONSE))

    def client_streaming(self):
        requests = (pb.StreamingInputCallRequest(payload=body(size)) for size in INPUT_SIZES)
        response = self._stub.StreamingInputCall(requests, timeout=LIMIT)
        expect(response.aggregated_payload_size, sum(INPUT_SIZES))

    def server_streaming(self):
        parameters = [pb.ResponseParameters(size=size) for size in OUTPUT_SIZES]
        request = pb.StreamingOutputCallRequest(response_parameters=parameters)
        responses = self._stub.StreamingOutputCall(request, timeout=LIMIT)
        expect([len(response.payload.body) for response in responses], OUTPUT_SIZES)

    def ping_pong(self):
        requests = Requests()
        responses = self._stub.FullDuplexCall(iter(requests), timeout=LIMIT)
        for sent, received in zip(INPUT_SIZES, OUTPUT_SIZES):
            requests.send(output_request(received, payload=body(sent)))
            expect(len(next(responses).payload.body), received)
        requests.end()
        expect(list(responses), [])

    def empty_stream(self):
        expect(list(self._stub.FullDuplexCall(iter(()), timeout=LIMIT)), [])

    def timeout_on_sleeping_server(self):
        requests = Requests()
        responses = self._stub.FullDuplexCall(iter(requests), timeout=0.05)
        parameters = [pb.ResponseParameters(size=1, interval_us=30_000_000)]
        requests.send(pb.StreamingOutputCallRequest(response_parameters=parameters, payload=body(27182)))
        expect_status(lambda: list(responses), grpc.StatusCode.DEADLINE_EXCEEDED)
        requests.end()
        self._nothing_runs()

    def cancel_after_begin(self):
        requests = Requests()
        call = self._stub.StreamingInputCall.future(iter(requests), timeout=LIMIT)
        call.cancel()
        requests.end()
        if not call.cancelled():
            raise AssertionError("is not cancelled")
        self._nothing_runs()

    def cancel_after_first_response(self):
        requests = Requests()
        responses = self._stub.FullDuplexCall(iter(requests), timeout=LIMIT)
        requests.send(output_request(31415, payload=body(27182)))
        expect(len(next(responses).payload.body), 31415)
        responses.cancel()
        expect_status(lambda: next(responses), grpc.StatusCode.CANCELLED)
        requests.end()
        self._nothing_runs()

    def custom_metadata(self):
        request = pb.SimpleRequest(response_size=314159, payload=body(271828))
        _, call = self._stub.UnaryCall.with_call(request, metadata=(INITIAL, TRAILING), timeout=LIMIT)
        self._expect_metadata(call)
        request = output_request(31415, payload=body(27182))
        responses = self._stub.FullDuplexCall(iter([request]), metadata=(INITIAL, TRAILING), timeout=LIMIT)
        expect(len(list(responses)), 1)
        self._expect_metadata(responses)

    @staticmethod
    def _expect_metadata(call):
        expect(dict(call.initial_metadata()).get(INITIAL[0]), INITIAL[1])
        expect(dict(call.trailing_metadata()).get(TRAILING[0]), TRAILING[1])

    def status_code_and_message(self):
        status = pb.EchoStatus(code=2, message="test status message")
        unary = pb.SimpleRequest(response_status=status)
        expect_status(lambda: self._stub.UnaryCall(unary, timeout=LIMIT), grpc.StatusCode.UNKNOWN, status.message)
        stream = pb.StreamingOutputCallRequest(response_status=status)
        responses = self._stub.FullDuplexCall(iter([stream]), timeout=LIMIT)
        expect_status(lambda: list(responses), grpc.StatusCode.UNKNOWN, status.message)

    def special_status_message(self):
        request = pb.SimpleRequest(response_status=pb.EchoStatus(code=2, message=SPECIAL))
        expect_status(lambda: self._stub.UnaryCall(request, timeout=LIMIT), grpc.StatusCode.UNKNOWN, SPECIAL)

    def unimplemented_method(self):
        call = self._stub.UnimplementedCall
        expect_status(lambda: call(pb.Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)

    def unimplemented_service(self):
        call = interop_pb2_grpc.UnimplementedServiceStub(self._channel).UnimplementedCall
        expect_status(lambda: call(pb.Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)

    def _nothing_runs(self):
        """Waits until the upstream has ended its streams as well."""
        end = time.monotonic() + LIMIT / 2
        while True:
            try:
                count = self._observer.Running(pb.Empty(), timeout=LIMIT).count
            except grpc.RpcError as error:
                expect(error.code(), grpc.StatusCode.UNIMPLEMENTED)
                return
            if count == 0:
                return
            if time.monotonic() > end:
                raise AssertionError(f"the upstream still has {count} streams")
            time.sleep(0.02)


NAMES = [
    "empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
    "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "custom_metadata",
    "status_code_and_message", "special_status_message", "unimplemented_method", "unimplemented_service",
]


def main():
    port, *flags = sys.argv[1:]
    compression = grpc.Compression.Gzip if "gzip" in flags else None
    failures = 0
    with grpc.insecure_channel(f"127.0.0.1:{port}", compression=compression) as channel:
        cases = Cases(channel)
        for name in NAMES:
            try:
                getattr(cases, name)()
                print(f"{name}: passed")
            except (AssertionError, StopIteration, grpc.RpcError) as error:
                failures += 1
                print(f"{name}: FAILED: {error!r}"[:400])
    print(f"grpcio: {len(NAMES) - failures} of {len(NAMES)} cases", flush=True)
    sys.exit(1 if failures else 0)


main()
