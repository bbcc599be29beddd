"""Section 12 of client-wasm/envelope/SPEC.md: link fragments, recipients, identities."""
import base64, hashlib, re
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

class Refused(Exception): """A check failed: code of SPEC.md, and perhaps (segment, byte of the body)."""
def need(condition, code, at=None):
    if not condition:
        raise Refused(code, at)
def H(*parts):
    return hashlib.sha384(b"".join(parts)).digest()

# --- links
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

# --- recipients and identities
def key_pairs(seed):
    raw = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(raw[:64]), X25519PrivateKey.from_private_bytes(raw[64:])
def public_key(seed):
    return b"".join(secret.public_key().public_bytes_raw() for secret in key_pairs(seed))
def shared_secret(seed, ciphertext):
    first, second = key_pairs(seed)
    try:
        point = second.exchange(X25519PublicKey.from_public_bytes(ciphertext[1088:]))
    except ValueError:  # all zeros: for nobody
        return None
    inputs = first.decapsulate(ciphertext[:1088]) + point + ciphertext[1088:] + public_key(seed)[1184:]
    return hashlib.sha3_256(inputs + bytes.fromhex("5c2e2f2f5e5c")).digest()
def bech32m(text, prefix, size, code):
    """The bytes of a text in Bech32m (BIP 350), which must be `size`."""
    text = text.strip(" \t\r\n")
    need(text in (text.lower(), text.upper()), code)
    text = text.lower()
    need(text.startswith(prefix + "1") and re.fullmatch(f"[{DIGITS}]{{6,}}", text[len(prefix) + 1 :]), code)
    digits = [DIGITS.index(c) for c in text[len(prefix) + 1 :]]
    check = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + digits:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    need(check == 0x2BC830A3, code)
    number = 0
    for digit in digits[:-6]:
        number = number << 5 | digit
    surplus = len(digits[:-6]) * 5 - size * 8
    need(0 <= surplus < 5 and number & ((1 << surplus) - 1) == 0, code)
    return (number >> surplus).to_bytes(size, "big")
def open_identity(text):
    return bech32m(text, "sealift-secret-key-", 32, "bad_identity")
def open_recipient(text):
    key = bech32m(text, "sealift", 1216, "bad_recipient")
    packed = int.from_bytes(key[:1152], "little")
    need(all(packed >> 12 * i & 0xFFF < 3329 for i in range(768)), "bad_recipient")
    return key
def fingerprint(key):
    return H(b"sealift/v1 recipient", key)[:16].hex(" ", 2)
