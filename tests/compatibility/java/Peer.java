// Tomcat as a client of an echo server, or as the server: Peer client URL | Peer server
import jakarta.websocket.ClientEndpointConfig;
import jakarta.websocket.CloseReason;
import jakarta.websocket.ContainerProvider;
import jakarta.websocket.Endpoint;
import jakarta.websocket.EndpointConfig;
import jakarta.websocket.Extension;
import jakarta.websocket.MessageHandler;
import jakarta.websocket.OnMessage;
import jakarta.websocket.Session;
import jakarta.websocket.server.ServerContainer;
import jakarta.websocket.server.ServerEndpoint;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.websocket.server.WsSci;

public class Peer {
    static final int LIMIT = 1 << 24;

    @ServerEndpoint("/")
    public static class Echo {
        @OnMessage(maxMessageSize = LIMIT)
        public String text(String message) {
            return message;
        }

        @OnMessage(maxMessageSize = LIMIT)
        public ByteBuffer binary(ByteBuffer message) {
            return message;
        }
    }

    static void server() throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(Files.createTempDirectory("tomcat").toString());
        tomcat.setPort(0);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        var context = tomcat.addContext("", null);
        context.addServletContainerInitializer(new WsSci(), null);
        Tomcat.addServlet(context, "default", new org.apache.catalina.servlets.DefaultServlet());
        context.addServletMappingDecoded("/", "default");
        context.addServletContainerInitializer((classes, servlets) -> {
            try {
                var container = (ServerContainer) servlets.getAttribute(ServerContainer.class.getName());
                container.setDefaultMaxTextMessageBufferSize(LIMIT);
                container.setDefaultMaxBinaryMessageBufferSize(LIMIT);
                container.addEndpoint(Echo.class);
            } catch (jakarta.websocket.DeploymentException error) {
                throw new IllegalStateException(error);
            }
        }, null);
        tomcat.start();
        System.out.println(tomcat.getConnector().getLocalPort());
        System.in.readAllBytes();
        tomcat.stop();
        System.exit(0);
    }

    static byte[] randomBytes(int length) {
        byte[] bytes = new byte[length];
        new Random(6455).nextBytes(bytes);
        return bytes;
    }

    static void client(String url) throws Exception {
        var received = new LinkedBlockingQueue<Object>();
        var closed = new CompletableFuture<CloseReason>();
        var endpoint = new Endpoint() {
            @Override
            public void onOpen(Session session, EndpointConfig config) {
                session.addMessageHandler(String.class, received::add);
                session.addMessageHandler(byte[].class, received::add);
            }

            @Override
            public void onClose(Session session, CloseReason reason) {
                closed.complete(reason);
            }
        };
        Extension deflate = new Extension() {
            @Override
            public String getName() {
                return "permessage-deflate";
            }

            @Override
            public List<Parameter> getParameters() {
                return List.of();
            }
        };
        var container = ContainerProvider.getWebSocketContainer();
        container.setDefaultMaxTextMessageBufferSize(LIMIT);
        container.setDefaultMaxBinaryMessageBufferSize(LIMIT);
        var config = ClientEndpointConfig.Builder.create().extensions(List.of(deflate)).build();
        Session session = container.connectToServer(endpoint, config, URI.create(url));
        for (Object message : new Object[] {
            "grüße, 鮭 🐟", "", new byte[0], "text ".repeat(64_000), randomBytes(300_000), randomBytes(126), randomBytes(125)
        }) {
            if (message instanceof String text) session.getBasicRemote().sendText(text);
            else session.getBasicRemote().sendBinary(ByteBuffer.wrap((byte[]) message));
            Object echoed = received.poll(10, TimeUnit.SECONDS);
            boolean same = message instanceof String
                ? message.equals(echoed)
                : echoed instanceof byte[] bytes && Arrays.equals(bytes, (byte[]) message);
            if (!same) throw new IllegalStateException("a message came back changed");
        }
        session.close(new CloseReason(CloseReason.CloseCodes.getCloseCode(4001), "bye"));
        closed.get(10, TimeUnit.SECONDS);
        System.exit(0);
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("client")) client(arguments[1]);
        else server();
    }
}
