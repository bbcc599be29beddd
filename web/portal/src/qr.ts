/** A link as a QR code, drawn as one SVG path: no image, no inline style, nothing fetched. */
import encodeQR from 'qr';

/** Modules of white around the code, as the standard asks. */
const QUIET = 4;

/** Always dark on white, also on a dark page: many cameras cannot read it the other way round. */
export function qrCode(text: string, label: string): SVGSVGElement {
  const dots = encodeQR(text, 'raw', { ecc: 'low', border: QUIET });
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
