//! Bodies: a manifest of any content, and a stream of segments that somebody damages.

use std::sync::OnceLock;

use sealift_envelope::{
    FileOpener, FileSealer, Manifest, Metadata, SealBuilder, StreamOpener, StreamSealer,
};
use sealift_protocol::FileId;
use sealift_protocol::format::Role;

use crate::{key, rng};

/// A manifest of any content, sealed as one: what opens is in its one encoding.
pub fn manifest(data: &[u8]) {
    let key = key();
    let (head, body) = seal(Role::Manifest, &Metadata::unnamed(data.len() as u64), data);
    if let Ok(manifest) = Manifest::open(&key, &head, &body, None) {
        let again = manifest.seal(&key, FileId([9; 32]), &mut rng());
        let again = again.expect("what was read can be written");
        assert_eq!(content(&again.head, &again.body), data);
        for file in &manifest.files {
            assert!(file.offset + file.bytes <= manifest.sealed[file.sealed].bytes);
        }
    }
}

/// Seals content in one go.
fn seal(role: Role, metadata: &Metadata, source: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut rng = rng();
    let (sealer, head) = FileSealer::new(&key(), FileId([1; 32]), role, metadata, &mut rng)
        .expect("a file that can be sealed");
    let (mut body, mut pairs) = (Vec::new(), SealBuilder::new());
    for index in 0..sealer.geometry().segment_count() {
        let range = sealer.source_range(index);
        let source = &source[range.start as usize..range.end as usize];
        let pair = sealer.seal_segment(index, source, &mut rng, &mut body);
        pairs.push(&pair.expect("a segment of the file"));
    }
    body.extend(sealer.seal(pairs).expect("all segments"));
    (head, body)
}

fn content(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut opener = StreamOpener::new(&key(), head).expect("a head that was made");
    let mut content = Vec::new();
    let pushed = opener.push(body, &mut |plain| {
        content.extend_from_slice(plain);
        true
    });
    pushed
        .and_then(|()| opener.finish())
        .expect("a body that was made");
    content
}

/// A file that was sealed.
struct Sealed {
    content: Vec<u8>,
    head: Vec<u8>,
    body: Vec<u8>,
}

/// Both forms, empty, small, ending in zeros, and of two segments.
fn files() -> &'static [Sealed] {
    static FILES: OnceLock<Vec<Sealed>> = OnceLock::new();
    FILES.get_or_init(|| {
        let zeros = [&b"zeros"[..], &[0; 9_000]].concat();
        let long: Vec<u8> = (0..530_000u32).map(|n| (n / 251 + n * 7) as u8).collect();
        let contents = [Vec::new(), b"attack at dawn".to_vec(), zeros, long];
        let forms = contents
            .iter()
            .flat_map(|content| [known(content), open(content)]);
        forms.collect()
    })
}

fn known(content: &[u8]) -> Sealed {
    let metadata = Metadata::unnamed(content.len() as u64);
    let metadata = Metadata {
        path: "a".into(),
        ..metadata
    };
    let (head, body) = seal(Role::File, &metadata, content);
    Sealed {
        content: content.to_vec(),
        head,
        body,
    }
}

fn open(content: &[u8]) -> Sealed {
    let metadata = Metadata {
        path: "a".into(),
        ..Metadata::unnamed(0)
    };
    let mut rng = rng();
    let made = StreamSealer::new(&key(), FileId([1; 32]), &metadata, &mut rng);
    let (mut sealer, head) = made.expect("a stream that can be sealed");
    let mut body = Vec::new();
    sealer
        .push(content, &mut rng, &mut body)
        .expect("not too large");
    sealer.finish(&mut rng, &mut body).expect("not too large");
    Sealed {
        content: content.to_vec(),
        head,
        body,
    }
}

/// A body that was changed, cut and pieced together anew: it opens only if it is the one that was
/// sealed, and before that gives nothing but a beginning of the content.
pub fn stream(data: &[u8]) {
    let Some((choice, edits)) = data.split_first() else {
        return;
    };
    let file = &files()[usize::from(*choice) % files().len()];
    let body = edited(&file.body, edits);
    let genuine = body == file.body;
    let key = key();
    let mut opener = StreamOpener::new(&key, &file.head).expect("its own head");
    let (mut content, mut refused) = (Vec::new(), false);
    for piece in body.chunks(1 + edits.len() * 101) {
        let pushed = opener.push(piece, &mut |plain| {
            content.extend_from_slice(plain);
            true
        });
        if pushed.is_err() {
            refused = true;
            break;
        }
    }
    let whole = !refused && opener.finish().is_ok();
    assert_eq!(whole, genuine);
    assert!(
        file.content.starts_with(&content),
        "bytes that nobody sealed"
    );
    assert!(!whole || content == file.content);
    // P2: the end is held back until the seal was checked.
    let sealed = body.starts_with(&file.body);
    let early = content.len() == file.content.len() && !content.is_empty();
    assert!(sealed || !early, "the end came before the seal");
    if let Ok(opener) = FileOpener::new(&key, &file.head) {
        salvage(opener, file, &body);
    }
}

/// What is salvaged is good, segment by segment.
fn salvage(opener: FileOpener, file: &Sealed, body: &[u8]) {
    let geometry = opener.geometry();
    let mut salvage = opener.clone().salvage();
    while let Some(index) = salvage.next_segment() {
        let start = (geometry.segment_offset(index) as usize).min(body.len());
        let end = start + geometry.segment_sealed_bytes(index) as usize;
        let sealed = &body[start..end.min(body.len())];
        let mut plain = Vec::new();
        let good = salvage
            .segment(sealed, &mut plain)
            .expect("one after the other");
        let range = opener.source_range(index);
        let own = &file.content[range.start as usize..range.end as usize];
        assert_eq!(plain.len(), own.len());
        assert!(if good {
            plain == own
        } else {
            plain.iter().all(|byte| *byte == 0)
        });
    }
    let seal = body
        .get(geometry.seal_offset() as usize..)
        .unwrap_or_default();
    let salvaged = salvage.finish(seal.get(..48).unwrap_or_default());
    assert!(!salvaged.sealed_together || body.starts_with(&file.body));
}

/// Applies edits of eight bytes: what (1), where (3), from where (3), with what (1).
fn edited(body: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = body.to_vec();
    for edit in edits.chunks_exact(8) {
        let [what, a, b, c, d, e, f, value] = *edit else {
            continue;
        };
        if bytes.is_empty() {
            break;
        }
        let place = u32::from_be_bytes([0, a, b, c]) as usize % bytes.len();
        let other = u32::from_be_bytes([0, d, e, f]) as usize % bytes.len();
        match what % 6 {
            0 => bytes[place] ^= value,
            1 => bytes.truncate(place),
            2 => bytes.insert(place, value),
            3 => bytes.extend_from_slice(&[value].repeat(other % 100)),
            4 => {
                let count = usize::from(value).min(bytes.len() - place.max(other));
                bytes.copy_within(other..other + count, place);
            }
            _ => {
                bytes.remove(place);
            }
        }
    }
    bytes
}
