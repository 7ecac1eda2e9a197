"""The test service of gRPC's interoperability tests on grpcio, with server reflection (v1alpha).

    upstream.py

Prints its port, and serves until its input ends. PYTHONPATH has the generated modules.
"""

import sys
import threading
import time
from concurrent import futures

import grpc
import interop_pb2
import interop_pb2_grpc
from grpc_reflection.v1alpha import reflection

MAX_CALLS = 64
INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"


class Running:
    """Counts the streams in progress."""

    def __init__(self):
        self._lock, self.count = threading.Lock(), 0

    def add(self, difference):
        with self._lock:
            self.count += difference

    def watch(self, context):
        self.add(1)
        # False if the call has ended already.
        if not context.add_callback(lambda: self.add(-1)):
            self.add(-1)


def echo_metadata(context):
    for name, value in context.invocation_metadata():
        if name == INITIAL:
            context.send_initial_metadata(((name, value),))
        if name == TRAILING:
            context.set_trailing_metadata(((name, value),))


def end_with(status, context):
    """Ends the call with the requested status, whatever its number."""
    if status.code:
        code = next((code for code in grpc.StatusCode if code.value[0] == status.code), grpc.StatusCode.UNKNOWN)
        context.abort(code, status.message)


def payload(size):
    return interop_pb2.Payload(body=bytes(size))


class TestService(interop_pb2_grpc.TestServiceServicer):
    """The service. Its base class answers the method that no server implements."""

    def __init__(self, running):
        self._running = running

    def EmptyCall(self, request, context):
        echo_metadata(context)
        return interop_pb2.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context)
        end_with(request.response_status, context)
        return interop_pb2.SimpleResponse(payload=payload(request.response_size))

    def CacheableUnaryCall(self, request, context):
        return self.UnaryCall(request, context)

    def StreamingOutputCall(self, request, context):
        self._running.watch(context)
        echo_metadata(context)
        yield from self._responses(request, context)

    def StreamingInputCall(self, requests, context):
        self._running.watch(context)
        size = sum(len(request.payload.body) for request in requests)
        return interop_pb2.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        self._running.watch(context)
        echo_metadata(context)
        for request in requests:
            yield from self._responses(request, context)

    @staticmethod
    def _responses(request, context):
        for parameters in request.response_parameters:
            deadline = time.monotonic() + parameters.interval_us / 1e6
            while context.is_active() and (left := deadline - time.monotonic()) > 0:
                time.sleep(min(left, 0.02))
            if not context.is_active():
                return
            yield interop_pb2.StreamingOutputCallResponse(payload=payload(parameters.size))
        end_with(request.response_status, context)


class Observer(interop_pb2_grpc.ObserverServicer):
    def __init__(self, running):
        self._running = running

    def Running(self, request, context):
        return interop_pb2.RunningReply(count=self._running.count)


def main():
    server = grpc.server(futures.ThreadPoolExecutor(MAX_CALLS))
    running = Running()
    interop_pb2_grpc.add_TestServiceServicer_to_server(TestService(running), server)
    interop_pb2_grpc.add_ObserverServicer_to_server(Observer(running), server)
    names = ["grpc.testing.TestService", "grpc.testing.Observer", reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None).wait()


main()
