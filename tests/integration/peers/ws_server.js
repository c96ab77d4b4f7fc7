// A server on `ws` from npm. /ws speaks protocol v1 as far as acknowledgements need it, /plain repeats what it hears.
// Arguments: port, and the file that the id of every received message is appended to before it is acknowledged; with
// `default` as a third one, ws selects the subprotocol by itself: the first that the client offers.
"use strict";

const fs = require("node:fs");
const { WebSocketServer } = require("ws");

const [port, file, selecting] = process.argv.slice(2);
const isPlain = (request) => request.url.startsWith("/plain");

const handleProtocols = (offers, request) =>
  !isPlain(request) && offers.has("reactive-ws.v1") ? "reactive-ws.v1" : false;
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  ...(selecting === "default" ? {} : { handleProtocols }),
});

const v1 = {
  ping: (socket, message) => say(socket, "pong", undefined, message.id),
  "message.send": (socket, message) => {
    fs.appendFileSync(file, `${message.id}\n`);
    say(socket, "message.received", { messageId: message.id });
  },
};

const plain = {
  echo: (socket, message) => say(socket, "echo", message.payload),
  "close without code": (socket) => socket.close(),
  terminate: (socket) => socket.terminate(),
};

function say(socket, type, payload, id) {
  socket.send(JSON.stringify({ type, payload, id }));
}

server.on("connection", (socket, request) => {
  const answers = isPlain(request) ? plain : v1;
  socket.on("message", (frame) => {
    const message = JSON.parse(frame.toString());
    answers[message.type]?.(socket, message);
  });
  socket.on("error", () => socket.terminate());
  if (!isPlain(request)) say(socket, "hello", { epoch: `${process.pid}` });
});

// What a careful program does: no new connections, and a close frame for each open one.
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  for (const socket of server.clients) socket.close(1001, "going away");
});
