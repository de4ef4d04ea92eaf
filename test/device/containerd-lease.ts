import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';

/** A field of a protocol buffer that holds a string or a message; short ones only. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const size = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...size]), bytes]);
}

/** Sends one message to a method of one of containerd's services. */
async function call(socket: string, method: string, message: Buffer, headers: Record<string, string> = {}) {
  const session = connect('http://containerd', { createConnection: () => connectSocket(socket) });
  try {
    const request = session.request({
      ':method': 'POST',
      ':path': `/containerd.services.${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'containerd-namespace': 'moby',
      ...headers,
    });
    const length = Buffer.alloc(5);
    length.writeUInt32BE(message.length, 1);
    request.end(Buffer.concat([length, message]));
    let trailers: Record<string, unknown> = {};
    request.on('response', (told) => (trailers = { ...told }));
    request.on('trailers', (told) => (trailers = { ...trailers, ...told }));
    for await (const chunk of request) void chunk;
    if (trailers['grpc-status'] !== '0') throw new Error(`${method}: ${JSON.stringify(trailers)}`);
  } finally {
    session.close();
  }
}

/** Leaves what Docker's load leaves where the power fails while it unpacks. */
export async function leaveUnpacking(socket: string, id: string, chainId: string): Promise<void> {
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  const label = Buffer.concat([field(1, 'containerd.io/gc.expire'), field(2, tomorrow)]);
  await call(socket, 'leases.v1.Leases/Create', Buffer.concat([field(1, id), field(3, label)]));
  const resource = Buffer.concat([field(1, chainId), field(2, 'snapshots/overlayfs')]);
  await call(socket, 'leases.v1.Leases/AddResource', Buffer.concat([field(1, id), field(2, resource)]));
}

/** Leaves what Docker leaves where the power fails while it makes a container. */
export async function leaveMaking(socket: string, id: string, chainId: string): Promise<void> {
  await call(socket, 'leases.v1.Leases/Create', field(1, id));
  const snapshot = [field(1, 'overlayfs'), field(2, `${id}-init-key`), field(3, chainId)];
  await call(socket, 'snapshots.v1.Snapshots/Prepare', Buffer.concat(snapshot), { 'containerd-lease': id });
}

/** Takes what BuildKit takes for each filesystem layer in its cache. */
export async function takeForCache(socket: string, id: string, chainId: string): Promise<void> {
  await call(socket, 'leases.v1.Leases/Create', field(1, id));
  const snapshot = [field(1, 'overlayfs'), field(2, id), field(3, chainId)];
  await call(socket, 'snapshots.v1.Snapshots/Prepare', Buffer.concat(snapshot), { 'containerd-lease': id });
}

/** Throws where there is no such lease. */
export async function endLease(socket: string, id: string): Promise<void> {
  await call(socket, 'leases.v1.Leases/Delete', field(1, id));
}
