//! One vector: a readable header, an empty line, then bytes. See `tests/vectors/README.md`.

use super::hex;

/// What the reader is given besides the bytes.
#[derive(Clone, Default)]
pub(super) struct Given {
    /// `fragment`, `recipient` or `identity` for a text, or nothing for a `.sealift` file.
    pub(super) kind: &'static str,
    pub(super) password: Option<&'static str>,
    pub(super) link: Option<[u8; 32]>,
    /// Texts of secret keys, with a blank between them.
    pub(super) identities: Option<String>,
    /// The highest generation of a keyring that was seen of this package.
    pub(super) seen: Option<u64>,
    pub(super) pin: Option<[u8; 16]>,
    pub(super) package: Option<[u8; 16]>,
    /// Whether the floor of the key derivation holds; in most vectors it does not.
    pub(super) production: bool,
}

/// Some consecutive bytes of a vector.
#[derive(Clone)]
pub(super) enum Piece {
    /// From another vector's data.
    Of(&'static str, std::ops::Range<usize>),
    Hex(Vec<u8>),
}

#[derive(Clone)]
pub(super) struct Vector {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// `expect: …` and the lines that belong to it.
    pub(super) expect: Vec<String>,
    pub(super) given: Given,
    /// If there are any, the data is put together from them.
    pub(super) pieces: Vec<Piece>,
    pub(super) bytes: Vec<u8>,
}

impl Vector {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("about: {}\n", self.about);
        let mut add = |key: &str, value: String| {
            text.push_str(&format!("{key}: {value}\n"));
        };
        let given = &self.given;
        if !given.kind.is_empty() {
            add("kind", given.kind.into());
        }
        if let Some(password) = given.password {
            add("password", password.into());
        }
        if let Some(link) = given.link {
            add("link-secret", hex(&link));
        }
        if let Some(identities) = &given.identities {
            add("identity", identities.clone());
        }
        if let Some(seen) = given.seen {
            add("seen", seen.to_string());
        }
        if let Some(pin) = given.pin {
            add("pin", hex(&pin));
        }
        if let Some(package) = given.package {
            add("package", hex(&package));
        }
        add(
            "kdf",
            if given.production {
                "production"
            } else {
                "cheap"
            }
            .into(),
        );
        if !self.pieces.is_empty() {
            let pieces: Vec<String> = self.pieces.iter().map(Piece::to_text).collect();
            add("pieces", pieces.join(" "));
        }
        for line in &self.expect {
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
        [text.as_bytes(), &self.bytes].concat()
    }

    pub(super) fn data(&self, all: &[Self]) -> Vec<u8> {
        if self.pieces.is_empty() {
            return self.bytes.clone();
        }
        let mut data = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Hex(bytes) => data.extend(bytes),
                Piece::Of(name, range) => {
                    let other = all.iter().find(|vector| vector.name == *name).unwrap();
                    data.extend(&other.bytes[range.clone()]);
                }
            }
        }
        data
    }
}

impl Piece {
    fn to_text(&self) -> String {
        match self {
            Self::Of(name, range) => format!("{name}[{}:{}]", range.start, range.end),
            Self::Hex(bytes) => format!("hex:{}", hex(bytes)),
        }
    }
}
