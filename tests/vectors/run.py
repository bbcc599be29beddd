"""Judges every vector in this folder with the independent decoder, and compares the verdicts.

Prints what differs, then `# pass N` and `# fail N`; the exit code is 1 if anything differs. README.md
describes the vectors.
"""

import hashlib, pathlib, re, sys
import decode, texts

FOLDER = pathlib.Path(__file__).resolve().parent


def read(path):
    """Splits a vector into its header (a list of key and value) and its own bytes."""
    text, _, own = path.read_bytes().partition(b"\n\n")
    lines = text.decode("utf-8").split("\n")
    return [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines], own


def data_of(header, own, vectors):
    """The vector's data: its own bytes, or pieces of other vectors and hexadecimal text."""
    pieces = header.get("pieces")
    if pieces is None:
        return own
    data = b""
    for piece in pieces.split(" "):
        if piece.startswith("hex:"):
            data += bytes.fromhex(piece[4:])
        else:
            name, start, end = re.fullmatch(r"(\w+)\[(\d+):(\d+)\]", piece).groups()
            data += vectors[name][1][int(start) : int(end)]
    return data


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def judge(header, data):
    """The lines that the decoder would write as the vector's expectation."""
    hexadecimal = lambda key: bytes.fromhex(header[key]) if key in header else None
    try:
        if header.get("kind") == "fragment":
            kind, content = texts.open_fragment(data.decode("ascii"), hexadecimal("package"))
            return [("expect", "success"), ("opened", f"{kind} {content.hex()}")]
        if header.get("kind") == "recipient":
            return [("expect", "success"), ("opened", texts.fingerprint(texts.open_recipient(data.decode())))]
        if header.get("kind") == "identity":
            key = texts.public_key(texts.open_identity(data.decode()))
            return [("expect", "success"), ("opened", texts.fingerprint(key))]
        seeds = [texts.open_identity(text) for text in header.get("identity", "").split()]
        opened = decode.open_sealift(
            data, header.get("password"), hexadecimal("link-secret"), seeds, hexadecimal("pin"),
            hexadecimal("package"), int(header.get("seen", 0)), header["kdf"] == "cheap")
    except decode.Refused as refused:
        code, at = (*refused.args, None)[:2]
        return [("expect", code)] + ([("at", "segment %d byte %d" % at)] if at else [])
    lines = [("expect", "success")]
    if opened["title"]:
        lines.append(("title", opened["title"]))
    if opened["note"]:
        lines.append(("note", sha256(opened["note"].encode())))
    lines += [("folder", path) for path in opened["folders"]]
    lines += [("file", f"{sha256(content)} {len(content)} {path}") for path, content in opened["files"]]
    return lines + [("missing", path) for path in opened["missing"]]


def main():
    vectors = {path.stem: read(path) for path in sorted(FOLDER.glob("*.vector"))}
    outcome = ("expect", "at", "title", "note", "folder", "file", "missing", "opened")
    failed = 0
    for name, (header, own) in vectors.items():
        expected = [line for line in header if line[0] in outcome]
        found = judge(dict(header), data_of(dict(header), own, vectors))
        if found != expected:
            failed += 1
            print(f"not ok {name}: {found}, not {expected}")
    print(f"# pass {len(vectors) - failed}")
    print(f"# fail {failed}")
    return 1 if failed or not vectors else 0


if __name__ == "__main__":
    sys.exit(main())
