/**
 * A client of HTTP/2 that writes its frames itself (RFC 9113): it can break off a stream at any moment, also in the bytes that open it, by
 * the thousand a second. Node's own does not take that: it may lose the end of such a stream, or fail an assertion of nghttp2.
 */
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import type { Target } from "../../scripts/envoy/client.ts";

const type = { data: 0, headers: 1, rst_stream: 3, settings: 4, ping: 6, goaway: 7, window_update: 8 };
const end_stream = 1;
const ack = 1;
const end_headers = 4;
const cancel = 8;
const head_bytes = 9;

function frame(kind: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(head_bytes);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(kind, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A header field that is not indexed, its name by its index in the static table (RFC 7541, §6.2.2). */
const field = (name: number, value: string): Buffer =>
  Buffer.concat([Buffer.from([name, value.length]), Buffer.from(value)]);
const post_over_https = Buffer.from([0x83, 0x87]);

export class FrameClient {
  readonly #socket: TLSSocket;
  /** By stream: called as its answer begins, and the stream or its connection ends. */
  readonly #answered = new Map<number, () => void>();
  #received = Buffer.alloc(0);
  #next = 1;
  isOpen = true;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isOpen = false;
      for (const answered of this.#answered.values()) answered();
    });
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    // So much may come that no window is ever used up.
    const window = number32(0x7fff0000);
    socket.write(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    socket.write(frame(type.settings, 0, 0, new Uint8Array()));
    socket.write(frame(type.window_update, 0, 0, window));
  }

  static async open({ port, authorityPem, identity }: Target): Promise<FrameClient> {
    const socket = connect({
      ...{ host: "127.0.0.1", port, servername: "localhost", ca: authorityPem, ALPNProtocols: ["h2"] },
      ...{ cert: identity!.certificatePem, key: identity!.privateKeyPem },
    });
    await once(socket, "secureConnect");
    return new FrameClient(socket);
  }

  /** Opens a stream, or opens and breaks it off in one; its number, and when its answer begins, or it ends. */
  send(path: string, { upload = false, broken = false } = {}): { stream: number; answered: Promise<void> } {
    const stream = this.#next;
    this.#next += 2;
    const answered = new Promise<void>((resolve) => this.#answered.set(stream, resolve));
    const headers = Buffer.concat([post_over_https, field(0x01, "localhost"), field(0x04, path)]);
    const opening = frame(type.headers, end_headers | (upload ? 0 : end_stream), stream, headers);
    this.#socket.write(broken ? Buffer.concat([opening, this.#reset(stream)]) : opening);
    return { stream, answered };
  }

  /** Breaks a stream off. */
  reset(stream: number): void {
    if (this.isOpen) this.#socket.write(this.#reset(stream));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #reset(stream: number): Buffer {
    this.#told(stream);
    return frame(type.rst_stream, 0, stream, number32(cancel));
  }

  #told(stream: number): void {
    this.#answered.get(stream)?.();
    this.#answered.delete(stream);
  }

  #read(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      if (this.#received.length < head_bytes) return;
      const size = head_bytes + this.#received.readUIntBE(0, 3);
      if (this.#received.length < size) return;
      const payload = this.#received.subarray(head_bytes, size);
      const [kind, flags] = [this.#received[3]!, this.#received[4]!];
      const stream = this.#received.readUInt32BE(5);
      this.#received = this.#received.subarray(size);
      const isAsked = (kind === type.settings || kind === type.ping) && (flags & ack) === 0;
      if (isAsked) this.#socket.write(frame(kind, ack, 0, kind === type.ping ? payload : new Uint8Array()));
      if (kind === type.goaway) this.isOpen = false;
      if (kind === type.headers || kind === type.rst_stream) this.#told(stream);
    }
  }
}
