"""An independent decoder of link fragments, written from client-wasm/envelope/SPEC.md section 12."""
import base64
from decode import H, Refused, need

def open_fragment(text, package):
    """Kind and content of a link's fragment."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        raise Refused("cut_link") from None
    need(base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text and len(raw) >= 5, "cut_link")
    body, kinds = raw[:-4], {0x11: ("receive", (17, 49)), 0x21: ("manage", (33, 65)), 0x31: ("send", range(2, 4098))}
    need(H(b"sealift/v1 link", package or bytes(16), body)[:4] == raw[-4:], "cut_link")
    need(body[0] in kinds, "unknown_version")
    kind, lengths = kinds[body[0]]
    need((kind == "send") == (package is None), "bad_link")
    need(len(body) in lengths, "cut_link")
    return kind, body[1:]
