"""A decoder of Sealift files, written from SPEC.md alone: see `open_sealift`, and texts.py."""
import hashlib
import hmac
import io
import re
import struct
from collections import namedtuple

from argon2 import low_level as argon2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

SEGMENT, PLAIN = 524288, 524256
FILE, MANIFEST, PACK, OPEN_LENGTH = 0, 1, 2, 4
LIMITS = {FILE: 1 << 56, MANIFEST: 33554432, PACK: 8257536, OPEN_LENGTH: 0}
KEYRING_MAGIC, HEAD_MAGIC = b"\x89SLK\r\n\x1a\n", b"\x89SLH\r\n\x1a\n"
SLOTS = {1: (128, b"password"), 2: (128, b"link"), 3: (1216, b"recipient")}
NEEDED = {      # slots that need something else than what is given
    "password": (((1, 1), "link"), ((2, 0), "link"), ((3, 0), "identity")),
    "link": (((1, 0), "password"), ((1, 1), "password"), ((3, 0), "identity")),
    "identity": (((1, 0), "password"), ((1, 1), "link"), ((2, 0), "link")),
}
# Schemas of CBOR: a number means bytes of that length, a tuple a list with its greatest length.
META = ["text", "uint", "time", "media type"]
CONTENTS = ["version", "text", "text", (50000, "text"),
            (200000, [32, "uint", "uint", 48]), (200000, META + ["uint", "uint"])]
# The password is UTF-8 in NFC; an identity is a function from ciphertext to shared secret or None.
Given = namedtuple("Given", "password link identities pin package seen cheap")
Sealed = namedtuple("Sealed", "head role padded file_id body")
number = int.from_bytes     # big-endian unless told otherwise


class Refused(Exception):
    """The code of the first check that fails, and where in the content."""


def check(condition, *code):
    if not condition:
        raise Refused(*code)


def sha(data):
    return hashlib.sha384(data).digest()


def hkdf(salt, secret, info, length):
    return HKDF(SHA384(), length, salt, b"sealift/v1 " + info).derive(secret)


def gcm_open(key, iv, sealed, aad, *code):
    try:
        return AESGCM(key).decrypt(iv, sealed, aad)
    except InvalidTag:
        raise Refused(*code) from None


def padded_length(content):
    exponent = max(content, 4096).bit_length() - 1
    step = min(1 << (exponent - exponent.bit_length()), 1 << 25)
    padded = -(-max(content, 4096) // step) * step
    return padded + step if (padded + 32) % PLAIN == 0 else padded


def read_cbor(stream, schema, code):
    """Reads a value of this schema, which has one encoding."""
    first = number(stream.read(1) or b"\xff")
    major, value = first >> 5, first & 31
    if value > 23:
        width = {24: 1, 25: 2, 26: 4, 27: 8}.get(value, 0)
        raw = stream.read(width)
        value = number(raw)
        check(len(raw) == width and value >= (24 if width == 1 else 1 << 4 * width), code)
    if schema == "time":
        check(first == 0xF6 or major < 2 and value + major <= 8640000000000000, code)
        return {0: value, 1: -1 - value, 7: None}[major]
    if isinstance(schema, (list, tuple)):
        check(major == 4, code)
        if isinstance(schema, tuple):
            check(value <= schema[0], "too_many_files")
            schema = [schema[1]] * value
        check(value == len(schema) or schema is CONTENTS, code)
        items = [read_cbor(stream, part, code) for part in schema]
        check(value == len(schema), code)
        return items
    check(major == {"uint": 0, "version": 0, "text": 3, "media type": 3}.get(schema, 2), code)
    check(schema != "version" or value == 1, "unknown_version")
    if major == 0:
        return value
    raw = stream.read(min(value, LIMITS[MANIFEST]))
    check(len(raw) == value and (major == 3 or value == schema), code)
    check(major == 2 or raw.decode(errors="ignore").encode() == raw, code)
    return raw if major == 2 else raw.decode()


def check_name(path, media_type=""):
    parts = path.encode().split(b"/")
    check(re.fullmatch("[ -~]{0,127}", media_type), "bad_name")
    check(len(path.encode()) <= 1024 and len(parts) <= 32, "bad_name")
    check(all(0 < len(p) < 256 and p not in (b".", b"..") for p in parts), "bad_name")
    check(not re.search("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]", path), "bad_name")


def scan_keyring(data):
    check(len(data) < 8 or data[:8] == KEYRING_MAGIC, "not_sealed")
    check(len(data) < 10 or data[8:10] == b"\1\1", "unknown_version")
    check(len(data) >= 16, "cut_short")
    count, size = struct.unpack(">HI", data[10:16])
    check(128 <= size <= 49152, "damaged_keyring")
    check(len(data) >= size, "cut_short")
    ring, at, slots = data[:size], 80, []
    check(sha(ring[:-16])[:16] == ring[-16:], "damaged_keyring")
    check(not any(ring[72:80]), "unknown_version")
    generation = number(ring[32:40])
    follows = generation > 1 if any(ring[40:72]) else generation == 1
    check(follows and 1 <= count <= 32, "damaged_keyring")
    for _ in range(count):
        length = number(ring[at + 2:at + 4])
        check(4 <= length <= 4096 and at + length <= size - 48, "damaged_keyring")
        slot, at = ring[at:at + length], at + length
        check(length == SLOTS.get(slot[0], [length])[0], "damaged_keyring")
        if slot[0] == 1:
            check(slot[1] < 2 and slot[4] == 1 and not any(slot[12:16]), "unknown_version")
        check(slot[0] not in (2, 3) or not any(slot[1:2] + slot[4:16]), "unknown_version")
        slots.append(slot)
    check(at == size - 48, "damaged_keyring")
    check(sum(s[0] == 1 for s in slots) <= 8, "kdf_too_expensive")
    return ring, slots


def scan_files(data, package):
    files = []
    while data or not files:
        check(not files or data[:8] == HEAD_MAGIC[:len(data)], "trailing_bytes")
        check(len(data) >= 16, "cut_short")
        check(data[:8] == HEAD_MAGIC, "not_sealed")
        check(data[8:10] == b"\1\1", "unknown_version")
        role, size = struct.unpack(">HI", data[10:16])
        check(470 <= size <= 65536 and size % 256 == 214, "damaged_head")
        check(len(data) >= size, "cut_short")
        head, data = data[:size], data[size:]
        check(sha(head[:-16])[:16] == head[-16:], "damaged_head")
        padded, file_id = struct.unpack(">Q32s", head[24:64])
        fixed = head[16:24] + head[80:96] == struct.pack(">I20x", SEGMENT)
        check(role in LIMITS and fixed, "unknown_version")
        check(role != OPEN_LENGTH or padded == 0, "damaged_head")
        check(role == OPEN_LENGTH or padded_length(padded) == padded <= 1 << 56, "bad_padding")
        check(padded <= LIMITS[role], "too_large")
        check(head[-90:-80] == bytes.fromhex("00000008000000000020"), "unknown_version")
        check(head[64:80] == package, "package_mismatch")
        if files:
            check(files[0].role == MANIFEST != role, "content_mismatch")
            check(file_id not in {f.file_id for f in files}, "content_mismatch")
            check(role != OPEN_LENGTH, "open_length_refused")
        length = padded + 32 * -(-padded // PLAIN) + 48 if padded else len(data)
        check(len(data) >= length, "cut_short")
        files.append(Sealed(head, role, padded, file_id, data[:length]))
        data = data[length:]
    return files


def slot_secrets(slots, password, link, identities):    # each slot that takes what is given
    for slot in slots:
        if slot[0] == 1 and password is not None and (link or not slot[1]):
            lanes, passes, memory = struct.unpack(">BHI", slot[5:12])
            yield slot, link if slot[1] else b"", argon2.hash_secret_raw(
                password, slot[16:48], passes, memory, lanes, 32, argon2.Type.ID, 19)
        if slot[0] == 2 and link and password is None:
            yield slot, b"", link
    for open_ciphertext in identities:
        yield from ((s, b"", open_ciphertext(s[16:1136])) for s in slots if s[0] == 3)


def open_keyring(ring, slots, given):
    package, taken, work = ring[16:32], False, 0
    check(given.package in (None, package), "package_mismatch")
    check(number(ring[32:40]) >= given.seen, "old_keyring")
    for lanes, passes, memory in (struct.unpack(">BHI", s[5:12]) for s in slots if s[0] == 1):
        work += memory * passes
        check(memory <= 1 << 20 and passes <= 16 and lanes <= 4, "kdf_too_expensive")
        check(memory * passes <= 1 << 22 and work <= 1 << 23, "kdf_too_expensive")
        floor = 8 * lanes if given.cheap else (46 << 10 if passes == 1 else 64 << 10)
        check(passes and lanes and memory >= floor, "kdf_too_weak")
    for slot, salt, secret in slot_secrets(slots, *given[:3]):
        taken, info = True, SLOTS[slot[0]][1] + b"-slot" + package + slot[:-80]
        out = hkdf(salt, secret, info, 64) if secret else b""
        if hmac.compare_digest(out[32:], slot[-80:-48]):
            key = gcm_open(out[:32], bytes(12), slot[-48:], slot[:-48] + package, "damaged_keyring")
            ring_key = hkdf(package, key, b"keyring-mac" + package, 48)
            mac = hmac.digest(ring_key, ring[:-48], "sha384")
            check(mac[:32] == ring[-48:-16], "damaged_keyring")
            return key
    kind = "password" if given.password is not None else "link" if given.link else "identity"
    check(not taken, "wrong_" + kind)
    there = {(s[0], s[1]) for s in slots}
    raise Refused(next((n + "_needed" for slot, n in NEEDED[kind] if slot in there), "no_slot"))


def floe_kdf(file, key, purpose, length):
    return HKDFExpand(SHA384(), length, file.head[-90:-48] + purpose + file.head[:96]).derive(key)


def open_head(file, key):
    head, package = file.head, file.head[64:80]
    floe = hkdf(file.file_id, key, b"floe" + package, 32)
    check(floe_kdf(file, floe, b"HEADER_TAG:", 32) == head[-48:-16], "damaged_head")
    meta_key = hkdf(file.file_id, key, b"meta" + package, 32)
    plain = gcm_open(meta_key, head[96:108], head[108:-90], head[:96], "damaged_head")
    end = 4 + number(plain[:4])
    check(len(plain) == -(-end // 256) * 256 and not any(plain[end:]), "damaged_head")
    stream = io.BytesIO(plain[4:end])
    meta = read_cbor(stream, META, "damaged_head")
    check(not stream.read(), "damaged_head")
    check(file.padded == (padded_length(meta[1]) if file.padded else meta[1]), "damaged_head")
    if file.role in (FILE, OPEN_LENGTH):
        check_name(meta[0], meta[3])
    else:
        check((meta[0], *meta[2:]) == ("", None, ""), "damaged_head")
    return meta


def open_body(file, key, length):
    body, at, last, pairs, content = file.body, 0, False, [], b""
    floe = hkdf(file.file_id, key, b"floe" + file.head[64:80], 32)
    message_key = floe_kdf(file, floe, b"MESSAGE_KEY:", 48)
    while not last:
        index, prefix = len(pairs), body[at:at + 4]
        damaged = "damaged_content", f"segment {index} byte {at}"
        check(len(prefix) == 4, "cut_short")
        last = prefix != b"\xff" * 4
        size = number(prefix) if last else SEGMENT
        rest = len(body) - 48 - at      # of a file of known length: from B
        right = not file.padded or (last, size) == (rest <= SEGMENT, min(rest, SEGMENT))
        check(right and 32 < size <= SEGMENT, *damaged)
        check(len(body) - at >= size, "cut_short")
        dek = floe_kdf(file, message_key, b"DEK:" + struct.pack(">Q", index >> 20 << 20), 32)
        iv, sealed = body[at + 4:at + 16], body[at + 16:at + size]
        content += gcm_open(dek, iv, sealed, struct.pack(">Q?", index, last), *damaged)
        pairs.append(iv + sealed[-16:])
        at += size
    check(file.padded or padded_length(len(content)) == len(content), *damaged)
    check(len(body) - at >= 48, "cut_short")
    groups = (b"\0" + b"".join(pairs[i:i + 4096]) for i in range(0, len(pairs), 4096))
    top = sha(b"\1" + b"".join(map(sha, groups)))
    start = b"SLSEAL1\n" + struct.pack(">Q", len(pairs))
    seal_key = hkdf(file.file_id, key, b"seal" + file.head[64:80], 48)
    mac = hmac.digest(seal_key, start + sha(file.head) + top, "sha384")[:32]
    check(body[at:at + 48] == start + mac, "seal_mismatch")
    if not file.padded:
        length = number(content[-8:])
        check(padded_length(length + 8) == len(content) and not any(content[length:-8]), *damaged)
    check(len(body) == at + 48, "trailing_bytes")
    return content[:length]


def open_package(found, key):
    code, length = "damaged_manifest", open_head(found[0], key)[1]
    stream = io.BytesIO(open_body(found[0], key, length))
    _, title, note, folders, sealed, files = read_cbor(stream, CONTENTS, code)
    check(not stream.read(), code)
    check(len(title.encode()) <= 1024 and len(note.encode()) <= 16384, "too_large")
    check({s[1] for s in sealed} <= {FILE, PACK}, code)
    list(map(check_name, folders))
    check(all(s[2] <= LIMITS[s[1]] for s in sealed), "too_large")
    roles, ends = {file_id: role for file_id, role, *_ in sealed}, [None] * len(sealed)
    check(len(roles) == len(sealed), code)
    for path, length, _, media_type, place, offset in files:
        check_name(path, media_type)
        check(place < len(sealed) and offset == (ends[place] or 0), code)
        check(sealed[place][1] == PACK or ends[place] is None, code)
        ends[place] = offset + length
    check(ends == [s[2] for s in sealed], code)
    there, contents = {f.file_id: f for f in found[1:]}, {}
    check(all(roles.get(f.file_id) == f.role for f in found[1:]), "content_mismatch")
    for place, (file_id, role, length, seal) in enumerate(sealed):
        if file_id in there:
            entry = next(f[:4] for f in files if f[4] == place)
            listed = entry if role == FILE else ["", length, None, ""]
            check(open_head(there[file_id], key) == listed, "content_mismatch")
            contents[place] = open_body(there[file_id], key, length)
            check(there[file_id].body[-48:] == seal, "content_mismatch")
    good = [(path, contents[place][offset:offset + length])
            for path, length, _, _, place, offset in files if place in contents]
    return title, note, folders, good, [f[0] for f in files if f[4] not in contents]


def open_sealift(data, given):
    """Title, note, folders, files with their content, and paths of missing files."""
    ring, slots = scan_keyring(data)
    files = scan_files(data[len(ring):], ring[16:32])
    key, first = open_keyring(ring, slots, given), files[0]
    pin = sha(first.head + first.body)[:16] if first.role == MANIFEST else None
    check(given.pin in (None, pin), "pin_mismatch")
    if first.role == MANIFEST:
        return open_package(files, key)
    check(first.role != PACK, "content_mismatch")
    path, length, *_ = open_head(first, key)
    return "", "", [], [(path, open_body(first, key, length))], []
