// Echo with uWebSockets: one app on one loop. The library answers all frames of a read with one
// write.
//
// Arguments as for the other servers: ADDR [send|feed] [--deflate takeover|no-takeover] [--tls CERT
// KEY] [--fan-out].

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "App.h"

namespace {

// The default of the other rivals, where they have one.
constexpr unsigned int max_payload_length = 64 * 1024 * 1024;

struct Arguments {
    std::string host;
    int port;
    uWS::CompressOptions compression = uWS::DISABLED;
    const char *chain = nullptr;
    const char *key = nullptr;
    bool fan_out = false;
};

struct ConnectionData {};

std::optional<Arguments> parse(int count, char **values) {
    if (count < 2) {
        return std::nullopt;
    }
    const std::string_view address = values[1];
    const size_t colon = address.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    Arguments arguments{std::string(address.substr(0, colon)), std::atoi(values[1] + colon + 1)};
    int next = 2;
    const auto is = [&](const char *name) { return next < count && !std::strcmp(values[next], name); };
    if (is("send") || is("feed")) {
        next++;
    }
    for (; next < count; next++) {
        if (is("--deflate") && next + 1 < count) {
            next++;
            if (is("takeover")) {
                arguments.compression =
                    uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR | uWS::DEDICATED_DECOMPRESSOR);
            } else if (is("no-takeover")) {
                arguments.compression =
                    uWS::CompressOptions(uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR);
            } else {
                return std::nullopt;
            }
        } else if (is("--tls") && next + 2 < count) {
            arguments.chain = values[++next];
            arguments.key = values[++next];
        } else if (is("--fan-out")) {
            arguments.fan_out = true;
        } else {
            return std::nullopt;
        }
    }
    return arguments;
}

// Configures no idle timeout, no pings, and no limit on data waiting to be written.
template <bool SSL>
typename uWS::TemplatedApp<SSL>::template WebSocketBehavior<ConnectionData> behavior(uWS::CompressOptions compression) {
    return {
        .compression = compression,
        .maxPayloadLength = max_payload_length,
        .idleTimeout = 0,
        .maxBackpressure = 0,
        .sendPingsAutomatically = false,
    };
}

template <bool SSL>
int serve(const Arguments &arguments) {
    uWS::SocketContextOptions options;
    options.key_file_name = arguments.key;
    options.cert_file_name = arguments.chain;
    uWS::TemplatedApp<SSL> app(options);
    if (app.constructorFailed()) {
        std::fprintf(stderr, "the certificate cannot be used\n");
        return 1;
    }
    auto handlers = behavior<SSL>(arguments.compression);
    if (arguments.fan_out) {
        handlers.open = [](auto *ws) { ws->subscribe("all"); };
        handlers.message = [&app](auto *, std::string_view message, uWS::OpCode op_code) {
            app.publish("all", message, op_code);
        };
    } else if (arguments.compression == uWS::DISABLED) {
        handlers.message = [](auto *ws, std::string_view message, uWS::OpCode op_code) {
            ws->send(message, op_code);
        };
    } else {
        handlers.message = [](auto *ws, std::string_view message, uWS::OpCode op_code) {
            ws->send(message, op_code, true);
        };
    }
    bool listening = false;
    app.template ws<ConnectionData>("/*", std::move(handlers));
    app.listen(arguments.host, arguments.port, [&](us_listen_socket_t *socket) {
        if (socket) {
            listening = true;
            const int port = us_socket_local_port(SSL, reinterpret_cast<us_socket_t *>(socket));
            std::printf("listening on %s:%d\n", arguments.host.c_str(), port);
            std::fflush(stdout);
        }
    });
    app.run();
    return listening ? 0 : 1;
}

} // namespace

int main(int count, char **values) {
    const auto arguments = parse(count, values);
    if (!arguments) {
        std::fprintf(stderr, "arguments: ADDR [send|feed] [--deflate takeover|no-takeover] "
                             "[--tls CERT KEY] [--fan-out]\n");
        return 2;
    }
#ifdef LIBUS_USE_OPENSSL
    if (arguments->chain) {
        return serve<true>(*arguments);
    }
#else
    if (arguments->chain) {
        std::fprintf(stderr, "built without OpenSSL\n");
        return 2;
    }
#endif
    return serve<false>(*arguments);
}
