//go:build !js

package main

import (
	"context"
	"net"

	"github.com/coder/websocket"
)

const transport = "grpc-go over coder/websocket"

// The same stream that the server's side of wasmws makes of a WebSocket.
func dial(ctx context.Context, url string) (net.Conn, error) {
	socket, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	// The connection outlives the context of the dial.
	return websocket.NetConn(context.Background(), socket, websocket.MessageBinary), nil
}
