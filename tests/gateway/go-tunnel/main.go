// A client of gRPC whose connection is a WebSocket: HTTP/2 in binary messages, as wasmws has it.
// Compiled for the browser, it uses wasmws itself.
//
//	go-tunnel URL
//
// Prints a line for each case, and the number of those that passed. Ends with 1 if one of them fails.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	limit    = 20 * time.Second
	initial  = "x-grpc-test-echo-initial"
	trailing = "x-grpc-test-echo-trailing-bin"
)

type testCase struct {
	name string
	run  func(context.Context, pb.TestServiceClient) error
}

var cases = []testCase{
	{"empty unary", emptyUnary},
	{"large unary", largeUnary},
	{"client streaming", clientStreaming},
	{"server streaming", serverStreaming},
	{"ping-pong", pingPong},
	{"empty stream", emptyStream},
	{"custom metadata", customMetadata},
	{"status and message", statusAndMessage},
	{"deadline", deadline},
	{"cancellation", cancellation},
	{"unimplemented method", unimplemented},
	{"a hundred calls at once", manyCalls},
}

func expect[T comparable](actual, expected T) error {
	if actual != expected {
		return fmt.Errorf("%v instead of %v", actual, expected)
	}
	return nil
}

func expectCode(err error, code codes.Code) error {
	return expect(status.Code(err), code)
}

func payload(size int) *pb.Payload {
	return &pb.Payload{Body: make([]byte, size)}
}

func outputs(sizes ...int32) *pb.StreamingOutputCallRequest {
	request := &pb.StreamingOutputCallRequest{}
	for _, size := range sizes {
		request.ResponseParameters = append(request.ResponseParameters, &pb.ResponseParameters{Size: size})
	}
	return request
}

func emptyUnary(ctx context.Context, client pb.TestServiceClient) error {
	_, err := client.EmptyCall(ctx, &pb.Empty{})
	return err
}

func largeUnary(ctx context.Context, client pb.TestServiceClient) error {
	reply, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: 314159, Payload: payload(271828)})
	if err != nil {
		return err
	}
	return expect(len(reply.GetPayload().GetBody()), 314159)
}

func clientStreaming(ctx context.Context, client pb.TestServiceClient) error {
	stream, err := client.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	for _, size := range []int{27182, 8, 1828, 45904} {
		if err := stream.Send(&pb.StreamingInputCallRequest{Payload: payload(size)}); err != nil {
			return err
		}
	}
	reply, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	return expect(reply.GetAggregatedPayloadSize(), 74922)
}

func serverStreaming(ctx context.Context, client pb.TestServiceClient) error {
	sizes := []int32{31415, 9, 2653, 58979}
	stream, err := client.StreamingOutputCall(ctx, outputs(sizes...))
	if err != nil {
		return err
	}
	for _, size := range sizes {
		reply, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := expect(len(reply.GetPayload().GetBody()), int(size)); err != nil {
			return err
		}
	}
	_, err = stream.Recv()
	return expect(err, io.EOF)
}

func pingPong(ctx context.Context, client pb.TestServiceClient) error {
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for _, size := range []int32{31415, 9, 2653, 58979} {
		if err := stream.Send(outputs(size)); err != nil {
			return err
		}
		reply, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := expect(len(reply.GetPayload().GetBody()), int(size)); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	_, err = stream.Recv()
	return expect(err, io.EOF)
}

func emptyStream(ctx context.Context, client pb.TestServiceClient) error {
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	_, err = stream.Recv()
	return expect(err, io.EOF)
}

func customMetadata(ctx context.Context, client pb.TestServiceClient) error {
	ctx = metadata.AppendToOutgoingContext(ctx, initial, "test_initial_metadata_value", trailing, "\xab\xab\xab")
	var before, after metadata.MD
	if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{}, grpc.Header(&before), grpc.Trailer(&after)); err != nil {
		return err
	}
	if got := before.Get(initial); len(got) != 1 || got[0] != "test_initial_metadata_value" {
		return fmt.Errorf("the initial metadata are %v", before)
	}
	if got := after.Get(trailing); len(got) != 1 || !bytes.Equal([]byte(got[0]), []byte{0xab, 0xab, 0xab}) {
		return fmt.Errorf("the trailing metadata are %v", after)
	}
	return nil
}

func statusAndMessage(ctx context.Context, client pb.TestServiceClient) error {
	const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	wanted := &pb.EchoStatus{Code: 2, Message: message}
	_, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: wanted})
	if err := expectCode(err, codes.Unknown); err != nil {
		return err
	}
	return expect(status.Convert(err).Message(), message)
}

func deadline(ctx context.Context, client pb.TestServiceClient) error {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	if err == nil {
		_, err = stream.Recv()
	}
	return expectCode(err, codes.DeadlineExceeded)
}

func cancellation(ctx context.Context, client pb.TestServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(outputs(31415)); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	cancel()
	_, err = stream.Recv()
	return expectCode(err, codes.Canceled)
}

func unimplemented(ctx context.Context, client pb.TestServiceClient) error {
	_, err := client.UnimplementedCall(ctx, &pb.Empty{})
	return expectCode(err, codes.Unimplemented)
}

func manyCalls(ctx context.Context, client pb.TestServiceClient) error {
	const count = 100
	ended := make(chan error, count)
	for i := 0; i < count; i++ {
		go func() {
			reply, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: 10_000})
			if err == nil {
				err = expect(len(reply.GetPayload().GetBody()), 10_000)
			}
			ended <- err
		}()
	}
	for i := 0; i < count; i++ {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil
}

func main() {
	location, err := url.Parse(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	// The resolver passes the URL on as it is. As :authority, which grpc-go makes of it by default, the
	// URL is malformed by RFC 9113, section 8.3.1, and the gateway refuses the call.
	connection, err := grpc.NewClient("passthrough:///"+location.String(),
		grpc.WithContextDialer(dial), grpc.WithAuthority(location.Host),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	client := pb.NewTestServiceClient(connection)
	passed := 0
	for _, c := range cases {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		err := c.run(ctx, client)
		cancel()
		if err != nil {
			fmt.Printf("%s: %v\n", c.name, err)
			continue
		}
		passed++
	}
	_ = connection.Close()
	fmt.Printf("%s: %d of %d cases\n", transport, passed, len(cases))
	if passed < len(cases) {
		os.Exit(1)
	}
}
