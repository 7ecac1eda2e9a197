// gorilla/websocket and nhooyr.io/websocket as clients of an echo server, or as the server:
// LIBRARY client URL | LIBRARY server
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/gorilla/websocket"
	nhooyr "nhooyr.io/websocket"
)

const closeCode, closeReason = 4001, "bye, 鮭"

type message struct {
	text    bool
	payload []byte
}

func messages() []message {
	randomBytes := make([]byte, 300_000)
	rand.New(rand.NewSource(6455)).Read(randomBytes)
	return []message{
		{true, []byte("grüße, 鮭 🐟")},
		{true, []byte{0}},
		{true, nil},
		{false, nil},
		{true, []byte(strings.Repeat("text ", 64_000))},
		{false, randomBytes},
		{false, randomBytes[:65_536]},
		{false, randomBytes[:126]},
		{false, randomBytes[:125]},
	}
}

func check(sent message, text bool, payload []byte) {
	if text != sent.text || !bytes.Equal(payload, sent.payload) {
		log.Fatalf("%d bytes came back as %d others", len(sent.payload), len(payload))
	}
}

func kind(text bool) int {
	if text {
		return websocket.TextMessage
	}
	return websocket.BinaryMessage
}

func gorillaClient(url string) {
	dialer := websocket.Dialer{EnableCompression: true}
	conn, _, err := dialer.Dial(url, nil)
	must(err)
	for _, sent := range messages() {
		must(conn.WriteMessage(kind(sent.text), sent.payload))
		received, payload, err := conn.ReadMessage()
		must(err)
		check(sent, received == websocket.TextMessage, payload)
	}
	must(conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(closeCode, closeReason)))
	_, _, err = conn.ReadMessage()
	if !websocket.IsCloseError(err, closeCode) {
		log.Fatal(err)
	}
}

func gorillaServer(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{EnableCompression: true}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		kind, payload, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, payload) != nil {
			return
		}
	}
}

func nhooyrClient(url string) {
	ctx := context.Background()
	conn, _, err := nhooyr.Dial(ctx, url, nil)
	must(err)
	conn.SetReadLimit(1 << 24)
	for _, sent := range messages() {
		must(conn.Write(ctx, nhooyr.MessageType(kind(sent.text)), sent.payload))
		received, payload, err := conn.Read(ctx)
		must(err)
		check(sent, received == nhooyr.MessageText, payload)
	}
	must(conn.Close(closeCode, closeReason))
}

func nhooyrServer(w http.ResponseWriter, r *http.Request) {
	conn, err := nhooyr.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close(nhooyr.StatusInternalError, "")
	conn.SetReadLimit(1 << 24)
	for {
		kind, payload, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, payload) != nil {
			return
		}
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	gorilla := os.Args[1] == "gorilla"
	if os.Args[2] == "client" {
		if gorilla {
			gorillaClient(os.Args[3])
		} else {
			nhooyrClient(os.Args[3])
		}
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	handler := nhooyrServer
	if gorilla {
		handler = gorillaServer
	}
	go http.Serve(listener, http.HandlerFunc(handler))
	io.Copy(io.Discard, os.Stdin)
}
