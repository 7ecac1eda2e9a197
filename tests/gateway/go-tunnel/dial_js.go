package main

import (
	"context"
	"net"

	"github.com/tarndt/wasmws"
)

const transport = "wasmws"

func dial(ctx context.Context, url string) (net.Conn, error) {
	return wasmws.GRPCDialer(ctx, url)
}
