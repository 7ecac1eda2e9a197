// The test service of gRPC's interoperability tests on grpc++, with server reflection (v1alpha).
// Errors have the requested status as a detail. Prints its port, and serves until its input ends.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include "google/rpc/status.pb.h"
#include "interop.grpc.pb.h"

namespace {

namespace pb = grpc::testing;

using grpc::ServerContext;
using grpc::Status;

constexpr char kInitial[] = "x-grpc-test-echo-initial";
constexpr char kTrailing[] = "x-grpc-test-echo-trailing-bin";

// The number of streams in progress.
std::atomic<int> running{0};

// Counts a stream until it ends.
class Running {
 public:
  Running() { ++running; }
  ~Running() { --running; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

void EchoMetadata(ServerContext* context) {
  for (const auto& [name, value] : context->client_metadata()) {
    const std::string text(value.data(), value.size());
    if (name == kInitial) context->AddInitialMetadata(kInitial, text);
    if (name == kTrailing) context->AddTrailingMetadata(kTrailing, text);
  }
}

Status Requested(const pb::EchoStatus& wanted) {
  if (wanted.code() == 0) return Status::OK;
  google::rpc::Status details;
  details.set_code(wanted.code());
  details.set_message(wanted.message());
  details.add_details()->PackFrom(wanted);
  const auto code = static_cast<grpc::StatusCode>(wanted.code());
  return Status(code, wanted.message(), details.SerializeAsString());
}

// Sends the responses that a request asks for, unless the client leaves.
template <typename Stream>
Status Respond(ServerContext* context, const pb::StreamingOutputCallRequest& request, Stream* stream) {
  using std::chrono::microseconds;
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  for (const auto& parameters : request.response_parameters()) {
    const auto due = steady_clock::now() + microseconds(parameters.interval_us());
    while (steady_clock::now() < due && !context->IsCancelled()) {
      std::this_thread::sleep_until(std::min(due, steady_clock::now() + milliseconds(20)));
    }
    pb::StreamingOutputCallResponse response;
    response.mutable_payload()->set_body(std::string(parameters.size(), '\0'));
    if (context->IsCancelled() || !stream->Write(response)) return Status::CANCELLED;
  }
  return Requested(request.response_status());
}

// The service. The base class answers the method that no server implements.
class TestService final : public pb::TestService::Service {
  Status EmptyCall(ServerContext* context, const pb::Empty*, pb::Empty*) override {
    EchoMetadata(context);
    return Status::OK;
  }

  Status UnaryCall(ServerContext* context, const pb::SimpleRequest* request,
                   pb::SimpleResponse* response) override {
    EchoMetadata(context);
    response->mutable_payload()->set_body(std::string(request->response_size(), '\0'));
    return Requested(request->response_status());
  }

  Status CacheableUnaryCall(ServerContext* context, const pb::SimpleRequest* request,
                            pb::SimpleResponse* response) override {
    return UnaryCall(context, request, response);
  }

  Status StreamingOutputCall(ServerContext* context, const pb::StreamingOutputCallRequest* request,
                             grpc::ServerWriter<pb::StreamingOutputCallResponse>* stream) override {
    const Running counted;
    EchoMetadata(context);
    return Respond(context, *request, stream);
  }

  Status StreamingInputCall(ServerContext*, grpc::ServerReader<pb::StreamingInputCallRequest>* stream,
                            pb::StreamingInputCallResponse* response) override {
    const Running counted;
    pb::StreamingInputCallRequest request;
    int size = 0;
    while (stream->Read(&request)) size += static_cast<int>(request.payload().body().size());
    response->set_aggregated_payload_size(size);
    return Status::OK;
  }

  Status FullDuplexCall(
      ServerContext* context,
      grpc::ServerReaderWriter<pb::StreamingOutputCallResponse, pb::StreamingOutputCallRequest>* stream) override {
    const Running counted;
    EchoMetadata(context);
    pb::StreamingOutputCallRequest request;
    while (stream->Read(&request)) {
      if (const Status status = Respond(context, request, stream); !status.ok()) return status;
    }
    return Status::OK;
  }
};

class Observer final : public pb::Observer::Service {
  Status Running(ServerContext*, const pb::Empty*, pb::RunningReply* reply) override {
    reply->set_count(running);
    return Status::OK;
  }
};

}  // namespace

int main() {
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  TestService service;
  Observer observer;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  builder.RegisterService(&observer);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return 1;
  std::cout << port << std::endl;
  while (std::cin.get() != std::char_traits<char>::eof()) {
  }
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}
