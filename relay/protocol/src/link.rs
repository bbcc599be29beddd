//! Links and their fragments (rules L1, L2, L4): the part after `#` that no server ever sees.
//!
//! ```text
//! https://RELAY/p/PACKAGE#FRAGMENT         receive: pin (16), link secret (0 or 32)
//! https://RELAY/manage/PACKAGE#FRAGMENT    manage: owner token (32), link secret (0 or 32)
//! https://RELAY/#FRAGMENT                  send: the text of a grant
//!
//! fragment = base64url( kind and version (1) || the above || checksum (4) )
//! ```
//!
//! The checksum covers all of it and the package id, so a link that lost its end, or one whose path
//! and fragment come from different links, is recognised and called a cut link. A receive link
//! without its pin does not exist: without a fragment it is a cut link too, except for packages
//! that only public keys open.
//!
//! The pin is 16 bytes of SHA-384 over the manifest's head and body. It stops the relay from serving
//! an older or another package under a link. (A malicious *sender* can find two manifests for one
//! pin with 2^64 work: a pin says which package, not that there is only one.)
//!
//! Start with [`Link`]. Fragments are secrets: no `Debug`, wiped when dropped.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha384};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ids::{OwnerToken, PackageId};
use crate::limits::{FRAGMENT_CHARS_MAX, GRANT_BYTES_MAX};

const PIN_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
/// Low half of the first byte: the version. High half: the kind.
const RECEIVE: u8 = 0x11;
const MANAGE: u8 = 0x21;
const SEND: u8 = 0x31;

/// Which content a link stands for: 16 bytes of SHA-384(manifest head, manifest body).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pin(pub [u8; PIN_BYTES]);

/// 32 random bytes that stand in a link's fragment and open a slot. Secret.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LinkSecret(pub [u8; SECRET_BYTES]);

/// What stands after `#`.
pub enum Fragment {
    /// Opens a package.
    Receive {
        /// The content that was sent.
        pin: Pin,
        /// The link's part of the key, if it has one.
        secret: Option<LinkSecret>,
    },
    /// Changes or deletes a package, and reads it. Never to be shared (L4).
    Manage {
        /// The right to change it.
        owner: OwnerToken,
        /// The link's part of the key, if it has one.
        secret: Option<LinkSecret>,
    },
    /// Permits sending.
    Send {
        /// An opaque text for the relay.
        grant: Zeroizing<String>,
    },
}

/// A whole link.
pub struct Link {
    /// Scheme and authority, such as `https://relay.example`, without a slash at the end.
    pub relay: String,
    /// The package; `None` in a send link.
    pub package: Option<PackageId>,
    /// The fragment.
    pub fragment: Fragment,
}

/// The address of a package, without a fragment. Nothing pins what is read through it, so it is a cut
/// link unless a recipient's secret key opens the package (L2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BareLink {
    /// Scheme and authority, without a slash at the end.
    pub relay: String,
    /// The package.
    pub package: PackageId,
}

/// Why a link was not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Not one of ours.
    #[error("this is not a Sealift link")]
    NotALink,
    /// Something is missing or changed.
    #[error("the link is incomplete; copy the whole of it, to the last character")]
    Cut,
    /// Made by a newer version.
    #[error("this link was made by a newer version of Sealift; update to open it")]
    UnknownVersion,
}

impl LinkError {
    /// The stable name of this error, as listed in `error.rs`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotALink => "bad_link",
            Self::Cut => "cut_link",
            Self::UnknownVersion => "unknown_version",
        }
    }
}

impl Fragment {
    /// The fragment's text. `package` is the one in the link's path; send links have none.
    #[must_use]
    pub fn encode(&self, package: Option<&PackageId>) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(128));
        match self {
            Self::Receive { pin, secret } => {
                bytes.push(RECEIVE);
                bytes.extend_from_slice(&pin.0);
                bytes.extend_from_slice(secret_bytes(secret));
            }
            Self::Manage { owner, secret } => {
                bytes.push(MANAGE);
                bytes.extend_from_slice(&owner.0);
                bytes.extend_from_slice(secret_bytes(secret));
            }
            Self::Send { grant } => {
                bytes.push(SEND);
                bytes.extend_from_slice(grant.as_bytes());
            }
        }
        let checksum = checksum(package, &bytes);
        bytes.extend_from_slice(&checksum);
        Zeroizing::new(Base64UrlUnpadded::encode_string(&bytes))
    }

    /// Reads a fragment, without its `#`, under the package id of the link's path.
    ///
    /// # Errors
    ///
    /// [`LinkError::Cut`] for anything that lost a character or belongs to another package, and
    /// [`LinkError::UnknownVersion`] for an intact one of another version.
    pub fn decode(text: &str, package: Option<&PackageId>) -> Result<Self, LinkError> {
        if text.len() > FRAGMENT_CHARS_MAX {
            return Err(LinkError::NotALink);
        }
        let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| LinkError::Cut)?;
        let bytes = Zeroizing::new(bytes);
        let (covered, found) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(LinkError::Cut)?;
        let (kind, rest) = covered.split_first().ok_or(LinkError::Cut)?;
        if checksum(package, covered) != *found {
            return Err(LinkError::Cut);
        }
        match (*kind, package) {
            (RECEIVE, Some(_)) => {
                let (pin, rest) = rest.split_first_chunk().ok_or(LinkError::Cut)?;
                Ok(Self::Receive {
                    pin: Pin(*pin),
                    secret: read_secret(rest)?,
                })
            }
            (MANAGE, Some(_)) => {
                let (owner, rest) = rest.split_first_chunk().ok_or(LinkError::Cut)?;
                Ok(Self::Manage {
                    owner: OwnerToken(*owner),
                    secret: read_secret(rest)?,
                })
            }
            (SEND, None) => {
                let grant = std::str::from_utf8(rest).map_err(|_| LinkError::Cut)?;
                let fits = (1..=GRANT_BYTES_MAX).contains(&grant.len());
                let plain = grant.bytes().all(|byte| byte.is_ascii_graphic());
                if !fits || !plain {
                    return Err(LinkError::Cut);
                }
                Ok(Self::Send {
                    grant: Zeroizing::new(grant.to_owned()),
                })
            }
            (RECEIVE | MANAGE | SEND, _) => Err(LinkError::NotALink),
            _ => Err(LinkError::UnknownVersion),
        }
    }
}

impl Link {
    /// Reads a link as a person pastes it: blanks around it do not matter.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotALink`] without scheme, relay or one of the known paths; otherwise those of
    /// [`Fragment::decode`]. A missing fragment is a cut link (L2).
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (relay, path) = split_relay(address).ok_or(LinkError::NotALink)?;
        let mut steps = path.trim_matches('/').splitn(2, '/');
        let (kind, id) = (steps.next().unwrap_or_default(), steps.next());
        let package = match (kind, id) {
            ("p" | "manage", Some(id)) => Some(PackageId::parse(id).map_err(|_| LinkError::Cut)?),
            ("p" | "manage", None) => return Err(LinkError::Cut),
            ("", None) => None,
            _ => return Err(LinkError::NotALink),
        };
        if fragment.is_empty() {
            return Err(if package.is_some() {
                LinkError::Cut
            } else {
                LinkError::NotALink
            });
        }
        let fragment = Fragment::decode(fragment, package.as_ref())?;
        let fits = match fragment {
            Fragment::Receive { .. } => kind == "p",
            Fragment::Manage { .. } => kind == "manage",
            Fragment::Send { .. } => kind.is_empty(),
        };
        if fits {
            Ok(Self {
                relay: relay.to_owned(),
                package,
                fragment,
            })
        } else {
            Err(LinkError::NotALink)
        }
    }

    /// The link's text, fragment included.
    #[must_use]
    pub fn to_url(&self) -> Zeroizing<String> {
        let mut url = Zeroizing::new(String::with_capacity(256));
        url.push_str(&self.relay);
        url.push_str(match self.fragment {
            Fragment::Receive { .. } => "/p/",
            Fragment::Manage { .. } => "/manage/",
            Fragment::Send { .. } => "/",
        });
        if let Some(package) = &self.package {
            url.push_str(&Base64UrlUnpadded::encode_string(&package.0));
        }
        url.push('#');
        url.push_str(&self.fragment.encode(self.package.as_ref()));
        url
    }
}

impl BareLink {
    /// Reads a receive link that has no fragment, for somebody who opens with a secret key and is
    /// told that nothing says which package it should be (L2).
    ///
    /// # Errors
    ///
    /// [`LinkError::NotALink`] for anything else, [`LinkError::Cut`] for a cut package id.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let address = text.trim();
        let address = address.strip_suffix('#').unwrap_or(address);
        let (relay, path) = split_relay(address).ok_or(LinkError::NotALink)?;
        let id = path.strip_prefix("/p/").ok_or(LinkError::NotALink)?;
        Ok(Self {
            relay: relay.to_owned(),
            package: PackageId::parse(id).map_err(|_| LinkError::Cut)?,
        })
    }
}

/// Splits `https://host:port/path` before the path.
fn split_relay(address: &str) -> Option<(&str, &str)> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| address.starts_with(scheme))?;
    let authority = address.get(scheme.len()..)?;
    let host_bytes = authority.find('/').unwrap_or(authority.len());
    let host = authority.get(..host_bytes)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return None;
    }
    Some(address.split_at(scheme.len() + host_bytes))
}

fn secret_bytes(secret: &Option<LinkSecret>) -> &[u8] {
    secret.as_ref().map_or(&[], |secret| &secret.0)
}

fn read_secret(bytes: &[u8]) -> Result<Option<LinkSecret>, LinkError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let secret = bytes.try_into().map_err(|_| LinkError::Cut)?;
    Ok(Some(LinkSecret(secret)))
}

/// First 4 bytes of SHA-384("sealift/v1 link" || package id or 16 zeros || bytes).
fn checksum(package: Option<&PackageId>, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha384::new()
        .chain_update(b"sealift/v1 link")
        .chain_update(package.map_or([0; 16], |package| package.0))
        .chain_update(bytes)
        .finalize();
    let mut checksum = [0; CHECKSUM_BYTES];
    for (to, from) in checksum.iter_mut().zip(digest) {
        *to = from;
    }
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: PackageId = PackageId([0xa5; 16]);
    const OTHER: PackageId = PackageId([0xa6; 16]);

    fn receive(secret: Option<LinkSecret>) -> Link {
        let fragment = Fragment::Receive {
            pin: Pin([7; 16]),
            secret,
        };
        Link {
            relay: "https://relay.example:8443".into(),
            package: Some(PACKAGE),
            fragment,
        }
    }

    fn reason(text: &str) -> LinkError {
        Link::parse(text).err().expect("refused")
    }

    #[test]
    fn l1_links_of_every_kind_come_back_as_they_were() {
        for secret in [None, Some(LinkSecret([9; 32]))] {
            let url = receive(secret.clone()).to_url();
            let link = Link::parse(&format!("  {}\n", &*url)).ok().unwrap();
            assert_eq!(link.relay, "https://relay.example:8443");
            assert_eq!(link.package, Some(PACKAGE));
            let Fragment::Receive { pin, secret: found } = link.fragment else {
                panic!()
            };
            assert_eq!(pin, Pin([7; 16]));
            assert!(found.map(|s| s.0) == secret.as_ref().map(|s| s.0));

            let fragment = Fragment::Manage {
                owner: OwnerToken([3; 32]),
                secret,
            };
            let manage = Link {
                relay: "http://localhost:1".into(),
                package: Some(PACKAGE),
                fragment,
            };
            let link = Link::parse(&manage.to_url()).ok().unwrap();
            let Fragment::Manage { owner, .. } = link.fragment else {
                panic!()
            };
            assert!(owner.0 == [3; 32]);
        }
        let grant = Zeroizing::new("eyJ.abc-_~".to_owned());
        let fragment = Fragment::Send { grant };
        let send = Link {
            relay: "https://[::1]:8080".into(),
            package: None,
            fragment,
        };
        assert!(send.to_url().starts_with("https://[::1]:8080/#"));
        let Fragment::Send { grant } = Link::parse(&send.to_url()).ok().unwrap().fragment else {
            panic!()
        };
        assert_eq!(&**grant, "eyJ.abc-_~");
    }

    #[test]
    fn l1_every_cut_and_every_changed_character_is_noticed() {
        let url = receive(Some(LinkSecret([9; 32]))).to_url();
        for end in 0..url.len() {
            assert!(Link::parse(&url[..end]).is_err(), "cut at {end}");
        }
        let start = url.find('#').unwrap() + 1;
        for at in start..url.len() {
            assert_eq!(reason(&url[..at]), LinkError::Cut, "cut at {at}");
            for other in ['A', 'B', 'z', '_', '!'] {
                let mut changed: Vec<char> = url.chars().collect();
                if changed[at] != other {
                    changed[at] = other;
                    let changed: String = changed.into_iter().collect();
                    assert_eq!(reason(&changed), LinkError::Cut, "changed at {at}");
                }
            }
        }
    }

    #[test]
    fn l1_a_fragment_belongs_to_one_package_and_one_path() {
        let url = receive(None).to_url();
        let fragment = &url[url.find('#').unwrap() + 1..];
        assert_eq!(
            Fragment::decode(fragment, Some(&OTHER)).err(),
            Some(LinkError::Cut)
        );
        assert_eq!(Fragment::decode(fragment, None).err(), Some(LinkError::Cut));
        assert_eq!(reason(&url.replace("/p/", "/manage/")), LinkError::NotALink);
    }

    #[test]
    fn l2_a_link_without_its_pin_is_a_cut_link() {
        let url = receive(None).to_url();
        let bare = &url[..url.find('#').unwrap()];
        assert_eq!(reason(bare), LinkError::Cut);
        assert_eq!(reason(&format!("{bare}#")), LinkError::Cut);
    }

    #[test]
    fn l2_a_bare_link_is_read_only_by_those_who_ask_for_one() {
        let url = receive(None).to_url();
        let bare = &url[..url.find('#').unwrap()];
        let found = BareLink::parse(&format!(" {bare}#\n"));
        let expected = BareLink {
            relay: "https://relay.example:8443".into(),
            package: PACKAGE,
        };
        assert_eq!(found, Ok(expected));
        assert_eq!(BareLink::parse(&url), Err(LinkError::Cut));
        assert_eq!(
            BareLink::parse(&bare[..bare.len() - 1]),
            Err(LinkError::Cut)
        );
        let manage = bare.replace("/p/", "/manage/");
        assert_eq!(BareLink::parse(&manage), Err(LinkError::NotALink));
    }

    #[test]
    fn other_texts_are_not_links() {
        for text in [
            "",
            "relay",
            "ftp://a/p/x#y",
            "https://",
            "https://a/q/x#y",
            "https://a b/#x",
            "https://a/",
            "javascript:alert(1)",
            "https://user@host/#x",
        ] {
            assert_eq!(reason(text), LinkError::NotALink, "{text}");
        }
    }

    #[test]
    fn l1_an_intact_fragment_of_another_version_says_so() {
        let mut bytes = vec![0x12, 1, 2, 3];
        let sum = checksum(Some(&PACKAGE), &bytes);
        bytes.extend(sum);
        let text = Base64UrlUnpadded::encode_string(&bytes);
        assert_eq!(
            Fragment::decode(&text, Some(&PACKAGE)).err(),
            Some(LinkError::UnknownVersion)
        );
    }
}
