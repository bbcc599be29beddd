"""An independent decoder of the Sealift envelope, written from client-wasm/envelope/SPEC.md.

It shares no code with the Rust crate and is slower, simpler and complete. Sections are those of
SPEC.md; section 12 is in texts.py. Start with `open_sealift`. Alone it runs run.py."""
import hashlib, hmac, io, sys, unicodedata
from struct import pack, unpack
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from texts import H, Refused, need, shared_secret
SEGMENT, PLAIN, MIB, SLOTS = 524_288, 524_256, 1024, {1: 128, 2: 128, 3: 1216}
KEYRING, HEAD = b"\x89SLK\r\n\x1a\n", b"\x89SLH\r\n\x1a\n"
# --- section 2: notation
def HMAC(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha384).digest()
def expand(key, info, n):
    first = HMAC(key, info, b"\1")
    return (first + HMAC(key, first, info, b"\2"))[:n]
def gcm_open(key, iv, aad, sealed, code, at=None):
    try:
        return AESGCM(key).decrypt(iv, sealed, aad)
    except InvalidTag:
        raise Refused(code, at) from None
def cbor(data, code):
    """Reads one value in its only encoding: shortest forms, definite lengths, nothing after it."""
    rest = io.BytesIO(data)
    def take(count):
        need(count <= len(data) - rest.tell(), code)
        return rest.read(count)
    def value():
        major, number = divmod(take(1)[0], 32)
        if number >= 24:
            need(number < 28 and major < 7, code)
            size = 1 << (number - 24)
            number = int.from_bytes(take(size), "big")
            need(number >= (24 if size == 1 else 1 << 4 * size), code)
        if major < 2:
            return -1 - number if major else number
        if major == 2:
            return take(number)
        if major == 3:
            return take(number).decode("utf-8")
        if major == 4:
            need(number <= 200_000, "too_many_files")
            return [value() for _ in range(number)]
        need(major == 7 and number == 22, code)
    try:
        result = value()
    except UnicodeDecodeError:
        raise Refused(code) from None
    need(rest.tell() == len(data), code)
    return result
def typed(items, types, code):
    need(isinstance(items, list) and len(items) == len(types), code)
    need(all(isinstance(item, kind) for item, kind in zip(items, types)), code)
    return items
TIME = (int, type(None))

# --- sections 6, 9 and 13: padding, names, what is said about a file
def padded(content_bytes):
    x = max(content_bytes, 4096)
    e = x.bit_length() - 1
    step = min(1 << (e - e.bit_length()), 1 << 25)
    b = -(-x // step) * step
    return b + step if (b + 32) % PLAIN == 0 else b
def check_path(path):
    bad = any(unicodedata.category(c) == "Cc" or c in "\u2028\u2029\ufeff"
              or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in path)
    parts = path.encode().split(b"/")
    need(len(path.encode()) <= 1024 and len(parts) <= 32 and not bad, "bad_name")
    need(all(1 <= len(p) <= 255 and p not in (b".", b"..") for p in parts), "bad_name")
def check_file(path, modified, media_type, code):
    check_path(path)
    need(len(media_type) <= 127 and all(" " <= c <= "~" for c in media_type), "bad_name")
    need(modified is None or abs(modified) <= 8_640_000_000_000_000, code)

# --- section 15, steps 1 to 3: scanning
def piece(data, at, magic, low, high, damaged):
    """The keyring or head that starts at `at`, with its checksum checked."""
    start = data[at : at + 16]
    need(len(start) >= 8, "cut_short")
    need(start[:8] == magic, "not_sealed")
    need(len(start) >= 10, "cut_short")
    need(start[8:10] == b"\x01\x01", "unknown_version")
    need(len(start) == 16, "cut_short")
    length, = unpack(">I", start[12:])
    need(low <= length <= high and (magic == KEYRING or (length - 214) % 256 == 0), damaged)
    need(at + length <= len(data), "cut_short")
    whole = data[at : at + length]
    need(H(whole[:-16])[:16] == whole[-16:], damaged)
    return whole
def scan_keyring(data):
    k = piece(data, 0, KEYRING, 128, 49_152, "damaged_keyring")
    count, generation = *unpack(">H", k[10:12]), *unpack(">Q", k[32:40])
    need(k[72:80] == bytes(8), "unknown_version")
    need(generation >= 1 and (generation == 1) == (k[40:72] == bytes(32)), "damaged_keyring")
    need(1 <= count <= 32, "damaged_keyring")
    slots, at, end = [], 80, len(k) - 48
    for _ in range(count):
        need(at + 4 <= end, "damaged_keyring")
        kind, flags, size = unpack(">BBH", k[at : at + 4])
        slot, at = k[at : at + size], at + size
        need(4 <= size <= 4096 and at <= end and size == SLOTS.get(kind, size), "damaged_keyring")
        need(kind != 1 or (flags in (0, 1) and slot[4] == 1 and slot[12:16] == bytes(4)), "unknown_version")
        need(kind not in (2, 3) or (flags == 0 and slot[4:16] == bytes(12)), "unknown_version")
        slots.append(slot)
    need(at == end, "damaged_keyring")
    need(sum(slot[0] == 1 for slot in slots) <= 8, "kdf_too_expensive")
    return k, slots
def scan_head(data, at):
    h = piece(data, at, HEAD, 470, 65_536, "damaged_head")
    flags, segment, b = *unpack(">H", h[10:12]), *unpack(">I", h[16:20]), *unpack(">Q", h[24:32])
    need(flags in (0, 1, 2, 4) and segment == SEGMENT, "unknown_version")
    need(h[20:24] == bytes(4) and h[80:96] == bytes(16), "unknown_version")
    need(b == 0 or flags != 4, "damaged_head")
    need(flags == 4 or (b <= 1 << 56 and padded(b) == b), "bad_padding")
    need(b <= {1: 32 << 20, 2: 8_257_536}.get(flags, b), "too_large")
    need(h[-90:-80] == bytes.fromhex("00000008000000000020"), "unknown_version")
    return h, flags, b
def scan(data):
    keyring, slots = scan_keyring(data)
    at, files = len(keyring), []
    while at < len(data):
        need(not files or HEAD.startswith(data[at : at + 8]), "trailing_bytes")
        head, flags, b = scan_head(data, at)
        need(head[64:80] == keyring[16:32], "package_mismatch")
        if files:
            seen = [other["id"] for other in files]
            need(files[0]["flags"] == 1 and flags != 1 and head[32:64] not in seen, "content_mismatch")
            need(flags != 4, "open_length_refused")
        at += len(head)
        size = len(data) - at if flags == 4 else b + 32 * -(-b // PLAIN) + 48
        need(at + size <= len(data), "cut_short")
        files.append({"id": head[32:64], "head": head, "flags": flags, "b": b, "body": data[at : at + size]})
        at += size
    need(files, "cut_short")
    return keyring, slots, files

# --- sections 4, 14 and 15, step 4: the keyring
def check_cost(slots, cheap):
    costs = [unpack(">BHI", slot[5:12]) for slot in slots if slot[0] == 1]
    for p, t, m in costs:
        need(m <= 1024 * MIB and t <= 16 and p <= 4 and m * t <= 4096 * MIB, "kdf_too_expensive")
        floor = 8 * p if cheap else (46 if t == 1 else 64) * MIB
        need(t > 0 and p > 0 and m >= floor, "kdf_too_weak")
    need(sum(m * t for _, t, m in costs) <= 8192 * MIB, "kdf_too_expensive")
def slot_root(slot, password, link, seed):
    """What a slot's keys expand from, or None if the slot takes something else than was given."""
    if seed is not None:
        shared = shared_secret(seed, slot[16:1136]) if slot[0] == 3 else None
        return shared and (HMAC(b"", shared), b"sealift/v1 recipient-slot")
    if slot[0] == 1 and password is not None and (slot[1] == 0 or link is not None):
        p, t, m = unpack(">BHI", slot[5:12])
        raw = unicodedata.normalize("NFC", password).encode()
        need(1 <= len(raw) <= 1024, "password_length")
        a = hash_secret_raw(raw, slot[16:48], t, m, p, 32, Type.ID, 19)
        return HMAC(link if slot[1] else b"", a), b"sealift/v1 password-slot"
    if slot[0] == 2 and password is None and link is not None:
        return HMAC(b"", link), b"sealift/v1 link-slot"
def open_keyring(keyring, slots, password, link, seeds, package, seen, cheap):
    ident = keyring[16:32]
    need(package is None or package == ident, "package_mismatch")
    need(unpack(">Q", keyring[32:40])[0] >= seen, "old_keyring")
    check_cost(slots, cheap)
    tries = [(slot, root) for seed in seeds or [None] for slot in slots
             if (root := slot_root(slot, password, link, seed))]
    for slot, (root, label) in tries:
        keys = expand(root, label + ident + slot[:-80], 64)
        if hmac.compare_digest(keys[32:], slot[-80:-48]):
            key = gcm_open(keys[:32], bytes(12), slot[:-48] + ident, slot[-48:], "damaged_keyring")
            mac_key = expand(HMAC(ident, key), b"sealift/v1 keyring-mac" + ident, 48)
            need(hmac.compare_digest(HMAC(mac_key, keyring[:-48])[:32], keyring[-48:-16]), "damaged_keyring")
            return key
    kinds = {slot[:2] if slot[0] == 1 else slot[:1] for slot in slots}
    plain, linked, recipients = b"\1\0" in kinds, bool(kinds & {b"\2", b"\1\1"}), b"\3" in kinds
    if seeds:
        raise Refused("wrong_identity" if recipients else "password_needed" if plain else "link_needed" if linked else "no_slot")
    need(not tries, "wrong_link" if password is None else "wrong_password")
    need(not linked or password is None, "link_needed")
    need(password is not None or not (plain or b"\1\1" in kinds), "password_needed")
    raise Refused("identity_needed" if recipients else "no_slot")

# --- sections 5 to 8, 11 and 15, step 6: a sealed file
class SealedFile:
    def __init__(self, package_key, file):
        head, self.flags, self.b, self.body = file["head"], file["flags"], file["b"], file["body"]
        core, ident, root = head[:96], head[64:80], HMAC(file["id"], package_key)
        key = {name: expand(root, b"sealift/v1 " + name + ident, n)
               for name, n in ((b"floe", 32), (b"meta", 32), (b"seal", 48))}
        self.kdf = lambda k, purpose, n: expand(k, head[-90:-48] + purpose + core, n)
        tag = self.kdf(key[b"floe"], b"HEADER_TAG:", 32)
        need(hmac.compare_digest(tag, head[-48:-16]), "damaged_head")
        self.message_key = self.kdf(key[b"floe"], b"MESSAGE_KEY:", 48)
        self.seal_key, self.head_hash = key[b"seal"], H(head)
        self.read_metadata(gcm_open(key[b"meta"], head[96:108], core, head[108:-90], "damaged_head"))
    def read_metadata(self, filled):
        end = 4 + unpack(">I", filled[:4])[0]
        need(end <= len(filled) < end + 256 and not any(filled[end:]), "damaged_head")
        self.metadata = typed(cbor(filled[4:end], "damaged_head"), [str, int, TIME, str], "damaged_head")
        path, self.bytes, modified, media_type = self.metadata
        if self.flags in (0, 4):
            check_file(path, modified, media_type, "damaged_head")
        else:
            need(self.metadata == ["", self.bytes, None, ""], "damaged_manifest")
        need(self.bytes == 0 if self.flags == 4 else padded(self.bytes) == self.b, "damaged_head")
    def extent(self, at):
        """Length of the segment at `at` and whether it is the last: by arithmetic, or by its prefix."""
        if self.flags != 4:
            left = len(self.body) - 48 - at
            return min(left, SEGMENT), left <= SEGMENT
        need(at + 4 <= len(self.body), "cut_short")
        prefix, = unpack(">I", self.body[at : at + 4])
        last = prefix != 0xFFFFFFFF
        size = prefix if last else SEGMENT
        need(32 <= size <= SEGMENT, "damaged_content", (at // SEGMENT, at))
        need(at + size <= len(self.body), "cut_short")
        return size, last
    def open(self):
        plain, pairs, at, last = b"", [], 0, False
        while not last:
            index, where = at // SEGMENT, (at // SEGMENT, at)
            size, last = self.extent(at)
            sealed = self.body[at : at + size]
            need(sealed[:4] == (pack(">I", size) if last else b"\xff" * 4), "damaged_content", where)
            key = self.kdf(self.message_key, b"DEK:" + pack(">Q", index >> 20 << 20), 32)
            plain += gcm_open(key, sealed[4:16], pack(">QB", index, last), sealed[16:], "damaged_content", where)
            pairs.append(sealed[4:16] + sealed[-16:])
            at += size
        if self.flags == 4:
            need(padded(len(plain)) == len(plain), "damaged_content", where)
            need(at + 48 <= len(self.body), "cut_short")
        self.seal = self.body[at : at + 48]
        groups = [H(b"\0", *pairs[g : g + 4096]) for g in range(0, len(pairs), 4096)]
        start = b"SLSEAL1\n" + pack(">Q", len(pairs))
        mac = HMAC(self.seal_key, start, self.head_hash, H(b"\1", *groups))[:32]
        need(hmac.compare_digest(start + mac, self.seal), "seal_mismatch")
        if self.flags == 4:
            self.bytes, = unpack(">Q", plain[-8:])
            need(padded(self.bytes + 8) == len(plain) and not any(plain[self.bytes : -8]), "damaged_content", where)
            need(at + 48 == len(self.body), "trailing_bytes")
        return plain[: self.bytes]

# --- sections 10 and 15, step 5: packages
def read_manifest(content):
    bad = "damaged_manifest"
    items = cbor(content, bad)
    need(isinstance(items, list) and items and isinstance(items[0], int), bad)
    need(items[0] == 1, "unknown_version")
    _, title, note, folders, sealed, files = typed(items, [int, str, str, list, list, list], bad)
    typed(folders, [str] * len(folders), bad)
    sealed = [typed(entry, [bytes, int, int, bytes], bad) for entry in sealed]
    files = [typed(entry, [str, int, TIME, str, int, int], bad) for entry in files]
    need(len(title.encode()) <= 1024 and len(note.encode()) <= 16_384, "too_large")
    need(len(folders) <= 50_000, "too_many_files")
    list(map(check_path, folders))
    for ident, role, size, seal in sealed:
        need(len(ident) == 32 and len(seal) == 48 and role in (0, 2) and size >= 0, bad)
        need(size <= (8_257_536 if role == 2 else 1 << 56), "too_large")
    need(len({entry[0] for entry in sealed}) == len(sealed), bad)
    filled = [None] * len(sealed)
    for path, size, modified, media_type, place, offset in files:
        check_file(path, modified, media_type, bad)
        need(0 <= place < len(sealed) and size >= 0 and offset == (filled[place] or 0), bad)
        need(sealed[place][1] == 2 or filled[place] is None, bad)
        filled[place] = offset + size
        need(filled[place] <= sealed[place][2], bad)
    need(filled == [entry[2] for entry in sealed], bad)
    return title, note, folders, sealed, files
def open_package(key, files, pin):
    need(pin is None or H(files[0]["head"], files[0]["body"])[:16] == pin, "pin_mismatch")
    title, note, folders, sealed, entries = read_manifest(SealedFile(key, files[0]).open())
    there = {file["id"]: file for file in files[1:]}
    roles = {entry[0]: entry[1] for entry in sealed}
    need(all(roles.get(ident) == file["flags"] for ident, file in there.items()), "content_mismatch")
    contents = {}
    for place, (ident, role, size, seal) in enumerate(sealed):
        if ident in there:
            file = SealedFile(key, there[ident])
            alone = next(entry[:4] for entry in entries if entry[4] == place)
            need(file.metadata == (["", size, None, ""] if role else alone), "content_mismatch")
            contents[place] = file.open()
            need(file.seal == seal, "content_mismatch")
    found = [(path, contents[place][offset : offset + size])
             for path, size, _, _, place, offset in entries if place in contents]
    missing = [entry[0] for entry in entries if entry[4] not in contents]
    return {"title": title, "note": note, "folders": folders, "files": found, "missing": missing}
def open_sealift(data, password=None, link=None, seeds=None, pin=None, package=None, seen=0, cheap=False):
    """Opens a whole `.sealift` file: title, note, folders, files as (path, content), missing paths."""
    keyring, slots, files = scan(data)
    key = open_keyring(keyring, slots, password, link, seeds, package, seen, cheap)
    if files[0]["flags"] == 1:
        return open_package(key, files, pin)
    need(pin is None, "pin_mismatch")
    need(files[0]["flags"] != 2, "content_mismatch")
    file = SealedFile(key, files[0])
    return {"title": "", "note": "", "folders": [], "files": [(file.metadata[0], file.open())], "missing": []}

if __name__ == "__main__":
    import run
    sys.exit(run.main())
