// Boost.Beast as a client of an echo server, or as the server: beast client URL | beast server
#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>

namespace beast = boost::beast;
namespace asio = boost::asio;
using Socket = beast::websocket::stream<asio::ip::tcp::socket>;

static void deflate(Socket& ws) {
  beast::websocket::permessage_deflate options;
  options.client_enable = options.server_enable = true;
  ws.set_option(options);
}

static std::string random_bytes(std::size_t length) {
  std::mt19937 random(6455);
  std::string bytes(length, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

static void client(const std::string& url) {
  // ws://HOST:PORT/PATH
  const auto host = url.substr(5, url.find('/', 5) - 5);
  const auto path = url.substr(5 + host.size());
  const auto colon = host.find(':');
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  Socket ws(context);
  deflate(ws);
  asio::connect(ws.next_layer(), resolver.resolve(host.substr(0, colon), host.substr(colon + 1)));
  ws.handshake(host, path.empty() ? "/" : path);
  std::string text;
  for (int i = 0; i < 64000; ++i) text += "text ";
  const std::pair<bool, std::string> messages[] = {
      {true, "grüße, 鮭 🐟"}, {true, ""},           {false, ""},          {true, text},
      {false, random_bytes(300000)},  {false, random_bytes(65536)}, {false, random_bytes(126)}, {false, random_bytes(125)},
  };
  for (const auto& [is_text, payload] : messages) {
    ws.text(is_text);
    ws.write(asio::buffer(payload));
    beast::flat_buffer received;
    ws.read(received);
    if (ws.got_text() != is_text || beast::buffers_to_string(received.data()) != payload) {
      std::cerr << payload.size() << " bytes came back changed\n";
      std::exit(1);
    }
  }
  ws.close({beast::websocket::close_code(4001), "bye, 鮭"});
}

static void serve(asio::ip::tcp::socket socket) try {
  Socket ws(std::move(socket));
  deflate(ws);
  ws.read_message_max(1 << 24);
  ws.accept();
  for (;;) {
    beast::flat_buffer message;
    ws.read(message);
    ws.text(ws.got_text());
    ws.write(message.data());
  }
} catch (const beast::system_error&) {
}

static void server() {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
  std::cout << acceptor.local_endpoint().port() << std::endl;
  std::thread([&] {
    for (;;) {
      asio::ip::tcp::socket socket(context);
      acceptor.accept(socket);
      std::thread(serve, std::move(socket)).detach();
    }
  }).detach();
  char end;
  while (read(0, &end, 1) > 0) {
  }
  std::_Exit(0);
}

int main(int argc, char** argv) try {
  if (argc > 2) client(argv[2]);
  else server();
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
