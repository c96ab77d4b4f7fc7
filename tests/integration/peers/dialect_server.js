// Servers of other protocols: node dialect_server.js KIND PORT FILE CUT
// Each takes a command with an id, writes the id to FILE once and answers; events named tick come all the time; every CUT
// milliseconds all connections are cut without a closing handshake.
const fs = require('node:fs');

const [kind, port, file, cut] = [process.argv[2], Number(process.argv[3]), process.argv[4], Number(process.argv[5])];
const seen = new Set();
let ticks = 0;

function take(id) {
  if (!seen.has(id)) {
    seen.add(id);
    fs.appendFileSync(file, `${id}\n`);
  }
  return seen.size;
}

function graphql() {
  const { WebSocketServer } = require('ws');
  const { useServer } = require('graphql-ws/use/ws');
  const { buildSchema } = require('graphql');
  const schema = buildSchema(
    'type Query { nothing: Int } type Mutation { add(id: String!): Int } type Subscription { ticks: Int }');
  const roots = {
    mutation: { add: ({ id }) => take(id) },
    subscription: {
      ticks: async function* () {
        for (;;) {
          yield { ticks: ++ticks };
          await new Promise((done) => setTimeout(done, 20));
        }
      },
    },
  };
  const server = new WebSocketServer({ port, host: '127.0.0.1' });
  useServer({ schema, roots, onConnect: (context) => context.connectionParams?.token === 'secret' }, server);
  setInterval(() => server.clients.forEach((client) => client.terminate()), cut);
}

function socketio() {
  const { Server } = require('socket.io');
  const server = new Server({
    pingInterval: 300, pingTimeout: 200, transports: ['websocket'],
    connectionStateRecovery: { maxDisconnectionDuration: 60000 },
  });
  server.listen(port);
  server.use((socket, next) => next(socket.handshake.auth.token === 'secret' ? undefined : new Error('no')));
  server.on('connection', (socket) => {
    socket.on('question', (number) => socket.emit('ask', number, (answer) => socket.emit('answered', answer)));
    socket.on('add', (id, data, done) => done(take(id), Buffer.from([data.length])));
  });
  setInterval(() => server.emit('tick', ++ticks), 20);
  setInterval(() => server.sockets.sockets.forEach((socket) => socket.conn.transport.socket.terminate()), cut);
}

function jsonrpc() {
  const { Server } = require('rpc-websockets');
  const server = new Server({ port, host: '127.0.0.1' });
  server.register('add', ({ id }) => take(id));
  server.event('tick');
  setInterval(() => server.emit('tick', ++ticks), 20);
  setInterval(() => server.wss.clients.forEach((client) => client.terminate()), cut);
}

function plain() {
  const { WebSocketServer } = require('ws');
  const server = new WebSocketServer({ port, host: '127.0.0.1' });
  const say = (client, value) => client.send(JSON.stringify(value));
  server.on('connection', (client) => {
    let known = false;
    const topics = new Set();
    const timer = setInterval(
      () => topics.forEach((topic) => say(client, [{ op: topic, topic, payload: ++ticks }])), 20);
    client.on('close', () => clearInterval(timer));
    client.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.op === 'login') known = message.key === 'secret';
      if (!known) return client.close(4401);
      // A login takes a moment; what comes before the welcome is ignored.
      if (message.op === 'login') return setTimeout(() => { client.ready = true; say(client, { op: 'welcome' }); }, 20);
      if (!client.ready) return undefined;
      if (message.op === 'ping') return say(client, { op: 'pong' });
      if (message.op === 'subscribe') return topics.add(message.topic);
      return say(client, { op: 'done', req: message.req, payload: take(message.payload.id) });
    });
  });
  setInterval(() => server.clients.forEach((client) => client.terminate()), cut);
}

fs.appendFileSync(file, '');
({ graphql, socketio, jsonrpc, plain })[kind]();
