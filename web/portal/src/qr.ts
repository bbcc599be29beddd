/** A link as a QR code, drawn as one SVG path: no image, no inline style. */
import { qrCode } from '../../src/sdk';

/** Always dark on white, also on a dark page: many cameras cannot read it the other way round. */
export async function drawnQr(text: string, label: string): Promise<SVGSVGElement> {
  const dots = await qrCode(text);
  const size = dots.length;
  const path = dots.flatMap((row, y) => row.flatMap((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : []))).join('');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('class', 'qr');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  svg.setAttribute('shape-rendering', 'crispEdges');
  const drawn = document.createElementNS(svg.namespaceURI, 'path');
  drawn.setAttribute('d', path);
  drawn.setAttribute('fill', 'currentColor');
  svg.append(drawn);
  return svg;
}
