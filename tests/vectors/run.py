"""Judges every vector of this folder with the independent decoder, and compares the verdicts.

Prints what differs, then `# pass N` and `# fail N`; the exit code is 1 if anything differs. README.md
describes the vectors. `run.py FOLDER` judges those of another folder.
"""
import hashlib
import re
import sys
import unicodedata
from functools import partial
from pathlib import Path

from decode import Given, Refused, open_sealift, sha
from texts import read_fragment, read_recipient, read_seed, shared_secret


def judge(data, header):
    """What comes out of a vector's bytes, as lines of a header."""
    kind, text = header.get("kind"), data.decode("latin-1")
    package, pin, link = (bytes.fromhex(header[name]) if name in header else None
                          for name in ("package", "pin", "link-secret"))
    if kind == "fragment":
        return [("opened", read_fragment(text, package or b""))]
    if kind in ("recipient", "identity"):
        public = read_recipient(text) if kind == "recipient" else read_seed(text)[2]
        return [("opened", sha(b"sealift/v1 recipient" + public)[:16].hex(" ", 2))]
    identities = [partial(shared_secret, read_seed(text))
                  for text in header.get("identity", "").split()]
    password = None
    if "password" in header:
        password = unicodedata.normalize("NFC", header["password"]).encode()
    given = Given(password, link, identities, pin, package,
                  int(header.get("seen", 0)), header["kdf"] == "cheap")
    title, note, folders, files, missing = open_sealift(data, given)
    out = [("title", title)] if title else []
    out += [("note", hashlib.sha256(note.encode()).hexdigest())] if note else []
    out += [("folder", folder) for folder in folders]
    out += [("file", f"{hashlib.sha256(content).hexdigest()} {len(content)} {path}")
            for path, content in files]
    return out + [("missing", path) for path in missing]


def read_vector(path):
    header, _, own = path.read_bytes().partition(b"\n\n")
    return [tuple(line.split(": ", 1)) for line in header.decode().split("\n")], own


def main(folder):
    wrong, names = 0, sorted(folder.glob("*.vector"))
    for path in names:
        lines, data = read_vector(path)
        for piece in dict(lines).get("pieces", "").split():
            if piece.startswith("hex:"):
                data += bytes.fromhex(piece[4:])
            else:
                name, start, end = re.fullmatch(r"(.+)\[(\d+):(\d+)\]", piece).groups()
                data += read_vector(folder / f"{name}.vector")[1][int(start):int(end)]
        try:
            found = [("expect", "success")] + judge(data, dict(lines))
        except Refused as refused:
            found = list(zip(("expect", "at"), refused.args))
        shown = ("expect", "at", "title", "note", "folder", "file", "missing", "opened")
        wanted = [line for line in lines if line[0] in shown]
        if found != wanted:
            wrong += 1
            print(f"not ok {path.stem}: {found}, not {wanted}")
    print(f"# pass {len(names) - wrong}\n# fail {wrong}")
    return wrong > 0 or not names


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent))
