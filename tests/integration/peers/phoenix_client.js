// The oracle of Phoenix v2: what the npm client writes, and what it reads in frames of a server.
// Prints one JSON object: {sent, read}. Binary frames are base64 in {binary}.
const { Socket, Serializer } = require('phoenix');

const sent = [];
let current = null;
const shown = (data) => (typeof data === 'string' ? data : { binary: Buffer.from(data).toString('base64') });

class FakeSocket {
  constructor(url) {
    sent.push(url);
    this.readyState = 1;
    this.bufferedAmount = 0;
    current = this;
    setImmediate(() => this.onopen());
  }
  send(data) { sent.push(shown(data)); }
  close() { this.readyState = 3; }
}

const wait = () => new Promise((done) => setTimeout(done, 10));
const reply = (joinRef, ref, status, response) =>
  current.onmessage({ data: JSON.stringify([joinRef, ref, 'room:1', 'phx_reply', { status, response }]) });
const buffer = (bytes) => new Uint8Array(bytes).buffer;

async function main() {
  const socket = new Socket('ws://127.0.0.1:4000/socket', { transport: FakeSocket });
  socket.connect();
  await wait();
  sent.length = 1; // without a heartbeat at the opening
  const channel = socket.channel('room:1', { token: 'secret' });
  channel.join();
  const [joinRef, ref] = JSON.parse(sent.at(-1));
  reply(joinRef, ref, 'ok', {});
  channel.push('say', { text: 'tea' });
  channel.push('photo', buffer([1, 2, 255]));
  socket.sendHeartbeat();
  channel.push('access_token', { access_token: 'new' });
  channel.leave();
  await wait();
  const read = [];
  for (const frame of JSON.parse(process.argv[2])) {
    const raw = typeof frame === 'string' ? frame : buffer(Buffer.from(frame.binary, 'base64'));
    Serializer.decode(raw, (it) => {
      const data = (value) => (value instanceof ArrayBuffer ? shown(value) : value);
      const payload = it.event === 'phx_reply' ? { ...it.payload, response: data(it.payload.response) } : data(it.payload);
      read.push([it.join_ref, it.ref, it.topic, it.event, payload]);
    });
  }
  process.stdout.write(JSON.stringify({ sent, read }), () => process.exit(0));
}

main();
