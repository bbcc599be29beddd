"""Texts of links and keys, and X-Wing: section 12 of SPEC.md, from which alone this is written."""
import base64
import hashlib
import re

from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

from decode import check, number, sha


def read_fragment(text, package):
    check(re.fullmatch("[A-Za-z0-9_-]{7,}", text) and len(text) % 4 != 1, "cut_link")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    kind, content = raw[0], raw[1:-4]
    hashed = b"sealift/v1 link" + (bytes(16) if kind == 0x31 else package) + raw[:-4]
    again = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    check(again == text and sha(hashed)[:4] == raw[-4:], "cut_link")
    check(kind in (0x11, 0x21, 0x31), "unknown_version")
    good = {0x11: len(content) in (16, 48), 0x21: len(content) in (32, 64),
            0x31: re.fullmatch(rb"[!-~]{1,4096}", content)}
    check(good[kind], "cut_link")
    return {0x11: "receive ", 0x21: "manage ", 0x31: "send "}[kind] + content.hex()


def bech32m(text, part, length, code):
    text = text.strip()
    human, _, rest = text.lower().rpartition("1")
    values = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".find(c) for c in rest]
    check(text in (text.lower(), text.upper()) and human == part and -1 not in values, code)
    state = 1
    for value in [ord(c) >> 5 for c in human] + [0] + [ord(c) & 31 for c in human] + values:
        top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ value
        for i, word in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= word if top >> i & 1 else 0
    bits = "".join(f"{v:05b}" for v in values[:-6])
    rest = bits[8 * length:]
    check(state == 0x2BC830A3 and len(bits) >= 8 * length, code)
    check(len(rest) < 5 and "1" not in rest, code)
    return int(bits[:8 * length], 2).to_bytes(length, "big")


def read_recipient(text):
    public = bech32m(text, "sealift", 1216, "bad_recipient")
    for i in range(0, 1152, 3):
        pair = number(public[i:i + 3], "little")
        check(pair & 4095 < 3329 and pair >> 12 < 3329, "bad_recipient")
    return public


def key_pair(seed):
    keys = hashlib.shake_256(seed).digest(96)
    kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(keys[:64])
    curve = x25519.X25519PrivateKey.from_private_bytes(keys[64:])
    return kem, curve, kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()


def shared_secret(identity, ciphertext):
    kem, curve, public = identity
    try:
        agreed = curve.exchange(x25519.X25519PublicKey.from_public_bytes(ciphertext[1088:]))
    except ValueError:      # 32 zero bytes: for nobody
        return None
    parts = kem.decapsulate(ciphertext[:1088]), agreed, ciphertext[1088:], public[1184:]
    return hashlib.sha3_256(b"".join(parts) + b"\\.//^\\").digest()


def read_seed(text):
    return key_pair(bech32m(text, "sealift-secret-key-", 32, "bad_identity"))
