// Echo with gorilla/websocket: write buffers come from a pool, and each message is read whole into
// a buffer that its connection keeps. The server writes every message separately, as the library
// cannot delay a write.
//
// Arguments as for the other servers: ADDR [send|feed] [--deflate no-takeover] [--tls CERT KEY]
// [--fan-out].
package main

import (
	"bytes"
	"compress/flate"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"

	"github.com/gorilla/websocket"
)

const (
	// A larger buffer has no benefit, as a read into a larger destination bypasses it, and an idle
	// connection keeps it.
	readBufferSize = 4 * 1024
	// A message of 1 MiB costs a third less than with 4 KiB; the pool ensures that idle connections do
	// not keep the buffer.
	writeBufferSize = 32 * 1024

	// Number of messages that a connection can lag behind in fan-out before the senders wait for it.
	channelCapacity = 1024
)

type arguments struct {
	address    string
	deflate    bool
	chain, key string
	fanOut     bool
}

func main() {
	runtime.GOMAXPROCS(1)
	options, err := parse(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	upgrader := &websocket.Upgrader{
		ReadBufferSize:    readBufferSize,
		WriteBufferSize:   writeBufferSize,
		WriteBufferPool:   &sync.Pool{},
		EnableCompression: options.deflate,
	}
	handle := echo
	if options.fanOut {
		handle = newHub().join
	}
	server := &http.Server{Handler: http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		connection, err := upgrader.Upgrade(writer, request, nil)
		if err != nil {
			return
		}
		defer connection.Close()
		if options.deflate {
			if err := connection.SetCompressionLevel(flate.BestSpeed); err != nil {
				return
			}
		}
		handle(connection)
	})}
	// Go sets TCP_NODELAY on every connection.
	listener, err := net.Listen("tcp", options.address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	if options.chain != "" {
		// No HTTP/2: gorilla cannot upgrade its requests.
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		log.Fatal(server.ServeTLS(listener, options.chain, options.key))
	}
	log.Fatal(server.Serve(listener))
}

func parse(values []string) (options arguments, err error) {
	usage := errors.New("arguments: ADDR [send|feed] [--deflate no-takeover] [--tls CERT KEY] [--fan-out]")
	if len(values) == 0 {
		return options, usage
	}
	options.address = values[0]
	values = values[1:]
	if len(values) > 0 && (values[0] == "send" || values[0] == "feed") {
		values = values[1:]
	}
	for len(values) > 0 {
		switch {
		case values[0] == "--deflate" && len(values) > 1 && values[1] == "no-takeover":
			options.deflate = true
			values = values[2:]
		case values[0] == "--tls" && len(values) > 2:
			options.chain, options.key = values[1], values[2]
			values = values[3:]
		case values[0] == "--fan-out":
			options.fanOut = true
			values = values[1:]
		default:
			return options, usage
		}
	}
	return options, nil
}

func echo(connection *websocket.Conn) {
	var message bytes.Buffer
	for {
		kind, reader, err := connection.NextReader()
		if err != nil {
			return
		}
		message.Reset()
		if _, err := message.ReadFrom(reader); err != nil {
			return
		}
		if err := connection.WriteMessage(kind, message.Bytes()); err != nil {
			return
		}
	}
}

// hub holds a channel for each of its connections, as gorilla's own chat example does.
type hub struct {
	lock    sync.RWMutex
	members map[chan *websocket.PreparedMessage]struct{}
}

func newHub() *hub {
	return &hub{members: make(map[chan *websocket.PreparedMessage]struct{})}
}

func (hub *hub) join(connection *websocket.Conn) {
	messages := make(chan *websocket.PreparedMessage, channelCapacity)
	hub.lock.Lock()
	hub.members[messages] = struct{}{}
	hub.lock.Unlock()
	go func() {
		for message := range messages {
			if connection.WritePreparedMessage(message) != nil {
				connection.Close()
			}
		}
	}()
	for {
		kind, payload, err := connection.ReadMessage()
		if err != nil {
			break
		}
		message, err := websocket.NewPreparedMessage(kind, payload)
		if err != nil {
			break
		}
		hub.publish(message)
	}
	hub.lock.Lock()
	delete(hub.members, messages)
	hub.lock.Unlock()
	close(messages)
}

func (hub *hub) publish(message *websocket.PreparedMessage) {
	hub.lock.RLock()
	defer hub.lock.RUnlock()
	for member := range hub.members {
		member <- message
	}
}
