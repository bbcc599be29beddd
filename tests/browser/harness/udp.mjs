// A forwarder for UDP that can be cut: what a firewall or a change of networks does to WebTransport.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export class UdpLink {
  #inside = new Map(); // one socket towards the relay for each port of the browser
  cut = false;
  packets = 0;

  /** Forwards between a free port and `target` on this computer. */
  static async to(target) {
    const link = new UdpLink();
    link.outside = createSocket('udp4');
    link.outside.bind(0, '127.0.0.1');
    await once(link.outside, 'listening');
    link.port = link.outside.address().port;
    link.target = target;
    link.outside.on('message', (packet, from) => {
      if (link.cut) return;
      link.packets += 1;
      link.#towards(from.port).send(packet, link.target, '127.0.0.1');
    });
    return link;
  }

  #towards(port) {
    let socket = this.#inside.get(port);
    if (!socket) {
      socket = createSocket('udp4');
      socket.on('message', (packet) => this.cut || this.outside.send(packet, port, '127.0.0.1'));
      socket.on('error', () => undefined); // the relay may be gone for a moment
      this.#inside.set(port, socket);
    }
    return socket;
  }

  close() {
    this.outside.close();
    for (const socket of this.#inside.values()) socket.close();
  }
}
